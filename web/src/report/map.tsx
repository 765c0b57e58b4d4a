import { useId, useState } from "preact/hooks";
import world from "virtual:world";
import type { Chart, Place, Table } from "./data";
import { number, way } from "./format";

export const chosenCountry = "assay-country"; // an event of the window: a country was clicked on the map

function figure(place: Place, series: number): string {
  const value = place.values[series];
  if (!value) return `${place.label}: no answers`;
  const [y, low, high, questions] = value;
  const limits = low === null || high === null ? "no interval" : `${number(low)} to ${number(high)}`;
  return `${place.label}: ${number(y)} (${limits}), ${questions} questions${place.few ? ", few" : ""}`;
}

// The same scale for all series, so that maps can be compared.
function scaleOf(places: Place[]): [number, number] {
  const all = places.flatMap((place) => place.values.flatMap((value) => (value ? [value[0]] : [])));
  return [Math.min(...all), Math.max(...all)];
}

export function mapTable(chart: Chart): Table {
  const series = chart.series ?? [];
  return {
    title: "",
    columns: [
      { key: "country", label: "country", kind: "text" },
      { key: "questions", label: "questions", kind: "count" },
      ...series.map((name) => ({ key: name, label: way(name), kind: "number" as const })),
    ],
    rows: (chart.places ?? []).map((place) => ({
      country: place.label + (place.few ? " *" : ""),
      questions: place.values[0]?.[3] ?? null,
      ...Object.fromEntries(series.map((name, i) => [name, place.values[i]?.[0] ?? null])),
    })),
  };
}

export function WorldMap({ chart }: { chart: Chart }) {
  const places = chart.places ?? [];
  const series = chart.series ?? [];
  const [shown, show] = useState(0);
  const [hot, heat] = useState<Place | null>(null);
  const hatch = useId();
  const [low, high] = scaleOf(places);
  const onMap = places.filter((place) => world.shapes[place.iso]);
  const apart = places.filter((place) => !world.shapes[place.iso]);
  const known = new Set(onMap.map((place) => String(place.iso)));
  const fill = (place: Place) => {
    const value = place.values[shown];
    if (!value) return `url(#${hatch})`;
    const part = high > low ? (100 * (value[0] - low)) / (high - low) : 100;
    return `color-mix(in oklab, var(--map-high) ${part.toFixed(1)}%, var(--map-low))`;
  };
  const choose = (place: Place) => {
    heat(place);
    window.dispatchEvent(new CustomEvent(chosenCountry, { detail: place.label }));
  };
  return (
    <div class="map">
      {series.length > 1 && (
        <div class="choices" role="group" aria-label="how it was asked">
          {series.map((name, i) => (
            <button type="button" aria-pressed={i === shown} onClick={() => show(i)} key={name}>
              {way(name)}
            </button>
          ))}
        </div>
      )}
      {onMap.length > 0 && (
        <div class="sheet" tabIndex={0} role="region" aria-label="map">
          <svg viewBox={`0 0 ${world.width} ${world.height}`} role="img" aria-label={`${chart.title}: ${way(series[shown] ?? "")}`} onPointerLeave={() => heat(null)}>
            <defs>
              <pattern id={hatch} width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
                <rect width="7" height="7" fill="var(--surface)" />
                <line x1="0" y1="0" x2="0" y2="7" stroke="var(--muted)" stroke-width="1.6" opacity="0.55" />
              </pattern>
            </defs>
            <g fill={`url(#${hatch})`} stroke="var(--line)" stroke-width="0.7" onPointerEnter={() => heat(null)}>
              <path d={world.others + Object.entries(world.shapes).filter(([iso]) => !known.has(iso)).map(([, path]) => path).join("")} />
            </g>
            {onMap.map((place) => (
              <path
                d={world.shapes[place.iso]}
                fill={fill(place)}
                stroke={hot === place ? "var(--text)" : "var(--surface)"}
                stroke-width={hot === place ? 2.2 : 0.8}
                stroke-dasharray={place.few && hot !== place ? "3 2" : undefined}
                onPointerEnter={() => heat(place)}
                onClick={() => choose(place)}
                key={place.label}
              />
            ))}
            {hot && world.shapes[hot.iso] && <path d={world.shapes[hot.iso]} fill="none" stroke="var(--text)" stroke-width="2.2" pointer-events="none" />}
          </svg>
        </div>
      )}
      <p class="hover" aria-live="polite">
        {hot ? figure(hot, shown) : onMap.length > 0 ? "Point at a country, or touch it, for its figures." : "Each tile is a nation."}
      </p>
      {apart.length > 0 && (
        <>
          {onMap.length > 0 && <p class="note">Too small for this map, or without a shape of their own:</p>}
          <ul class={onMap.length > 0 ? "tiles" : "tiles large"}>
            {apart.map((place) => {
              const value = place.values[shown];
              const dark = value && high > low && (value[0] - low) / (high - low) > 0.5;
              return (
                <li key={place.label}>
                  <button
                    type="button"
                    class={value ? (dark ? "tile strong" : "tile") : "tile none"}
                    style={value ? { background: fill(place) } : undefined}
                    onPointerEnter={() => heat(place)}
                    onFocus={() => heat(place)}
                    onClick={() => choose(place)}
                  >
                    <span>{place.label}</span>
                    <b>{value ? number(value[0]) : "–"}</b>
                  </button>
                </li>
              );
            })}
          </ul>
        </>
      )}
      <div class="legend">
        <span>{number(low)}</span>
        <span class="ramp" />
        <span>{number(high)}</span>
        <span>{chart.y?.label ?? ""}</span>
        {onMap.length > 0 && <span class="nothing" />}
        {onMap.length > 0 && <span>no answers</span>}
      </div>
    </div>
  );
}
