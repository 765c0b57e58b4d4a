import * as Plot from "@observablehq/plot";
import { useState } from "preact/hooks";
import type { Chart, Point, Table } from "./data";
import { number, words } from "./format";
import { colours, Picture, symbols } from "./picture";

const none = "not known";

// What a point is called in one of the ways to colour it.
function nameOf(point: Point, key: string): string {
  const value = key ? point[key as keyof Point] : undefined;
  return typeof value === "string" ? value : none;
}

// More names than colours go round with another shape.
const colourOf = (i: number) => colours[i % colours.length] as string;
const symbolOf = (i: number) => symbols[Math.floor(i / colours.length) % symbols.length];

function tip(point: Point, ways: { key: string; label: string }[], axes: boolean): string {
  const lines = ways.filter(({ key }) => point[key as keyof Point] !== undefined).map(({ key, label }) => `${label}: ${words(nameOf(point, key))}`);
  const place = axes ? [`${number(point.x ?? 0)}, ${number(point.y ?? 0)}`] : [];
  return [point.label ?? "", ...lines, ...place].join("\n");
}

export function pointsTable(chart: Chart): Table {
  const ways = chart.colours ?? [];
  return {
    title: "",
    columns: [
      { key: "label", label: "what", kind: "text" },
      ...ways.map(({ key, label }) => ({ key, label, kind: "text" as const })),
      { key: "x", label: chart.x?.label ?? "across", kind: "number" },
      { key: "y", label: chart.y?.label ?? "up", kind: "number" },
    ],
    rows: chart.points.map((point) => ({
      label: point.label ?? "",
      ...Object.fromEntries(ways.map(({ key }) => [key, words(nameOf(point, key))])),
      x: point.x ?? null,
      y: point.y,
    })),
  };
}

// Points in a plane. Without axes they are a map, on which only nearness counts; where there are several ways to colour them one is
// chosen.
export function PointsChart({ chart }: { chart: Chart }) {
  const ways = (chart.colours ?? []).filter(({ key }) => chart.points.some((point) => point[key as keyof Point] !== undefined));
  const [shown, show] = useState(ways[0]?.key ?? "");
  const names = [...new Set(chart.points.map((point) => nameOf(point, shown)))];
  const axes = chart.x !== undefined && chart.y !== undefined;
  const index = (point: Point) => names.indexOf(nameOf(point, shown));
  const draw = (width: number) =>
    Plot.plot({
      width,
      height: Math.min(Math.max(width * 0.7, 280), 560),
      marginLeft: axes ? 48 : 12,
      marginBottom: axes ? 38 : 12,
      marginTop: 12,
      marginRight: 14,
      style: { background: "transparent", fontSize: "12px", fontFamily: "inherit" },
      x: { axis: axes ? "bottom" : null, inset: 8, label: chart.x?.label ?? null, labelAnchor: "center", labelArrow: "none", grid: axes },
      y: { axis: axes ? "left" : null, inset: 8, label: chart.y?.label ?? null, labelArrow: "none", grid: axes },
      marks: [
        axes ? null : Plot.frame({ stroke: "var(--line)" }),
        // One mark a name, so that each has its shape.
        ...names.map((_, i) =>
          Plot.dot(
            chart.points.filter((point) => index(point) === i),
            { x: "x", y: "y", r: axes ? 4 : 3.2, fill: colourOf(i), fillOpacity: 0.85, stroke: "var(--surface)", strokeWidth: 0.6, symbol: symbolOf(i) },
          ),
        ),
        Plot.tip(chart.points, Plot.pointer({ x: "x", y: "y", title: (point: Point) => tip(point, ways, axes), fill: "var(--surface)", lineWidth: 36 })),
      ],
    });
  return (
    <div class="points">
      {ways.length > 1 && (
        <div class="filters">
          <label>
            Coloured by
            <select value={shown} onChange={(event) => show(event.currentTarget.value)}>
              {ways.map(({ key, label }) => (
                <option value={key} key={key}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
      {ways.length > 0 && (
        <ul class="names">
          {names.map((name, i) => (
            <li key={name}>
              <svg width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true">
                {Math.floor(i / colours.length) % 2 === 0 ? <circle r="5" style={{ fill: colourOf(i) }} /> : <rect x="-4.5" y="-4.5" width="9" height="9" style={{ fill: colourOf(i) }} />}
              </svg>
              {words(name)}
            </li>
          ))}
        </ul>
      )}
      <Picture label={`${chart.title}, coloured by ${shown}: ${chart.points.length} points`} draw={draw} />
    </div>
  );
}
