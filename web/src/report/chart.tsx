import * as Plot from "@observablehq/plot";
import { Answers } from "./answers";
import type { Chart, Point, Table } from "./data";
import { number, share, words } from "./format";
import { WorldMap, mapTable } from "./map";
import { PointsChart, pointsTable } from "./points";
import { colours, Picture, symbols } from "./picture";
import { DataTable } from "./table";

function seriesOf(points: Point[]): string[] {
  return [...new Set(points.map((point) => point.series ?? ""))];
}

const tipIn = (unit: typeof share) => (point: Point) =>
  `${point.label ?? ""}${point.label ? "\n" : ""}${unit(point.y)}` +
  (point.low !== null && point.low !== undefined ? ` [${unit(point.low)}, ${unit(point.high)}]` : "");
const tipFormat = tipIn(share);

// A text that is too long for its place loses its middle; the tip has all of it.
const fit = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, Math.ceil(most / 2) - 1)}…${text.slice(text.length - Math.floor(most / 2))}`;

// One panel of a dose-response picture: what was planted against what was read, with the diagonal of a true reading.
function dosePanel(chart: Chart, points: Point[], colour: number, low: number) {
  const known = points.filter((point) => point.y !== null);
  const stroke = colours[colour % colours.length] as string;
  return (width: number) =>
    Plot.plot({
      width,
      height: Math.min(width * 0.92, 340),
      marginLeft: 44,
      marginBottom: 38,
      marginTop: 12,
      marginRight: 14,
      style: { background: "transparent", fontSize: "12px", fontFamily: "inherit" },
      x: { domain: [-0.03, 1.03], ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: (x: number) => `${100 * x} %`, label: chart.x?.label ?? "dose planted", labelAnchor: "center", labelArrow: "none" },
      y: { domain: [low, 1.05], ticks: [0, 0.25, 0.5, 0.75, 1], tickFormat: (y: number) => `${100 * y} %`, grid: true, label: null },
      marks: [
        Plot.line([{ x: 0, y: 0 }, { x: 1, y: 1 }], { x: "x", y: "y", stroke: "var(--muted)", strokeDasharray: "5 4" }),
        Plot.ruleX(known, { x: "x", y1: (d: Point) => d.low ?? d.y, y2: (d: Point) => d.high ?? d.y, stroke, strokeWidth: 2.5 }),
        Plot.dot(known, { x: "x", y: "y", symbol: symbols[colour % symbols.length], r: 3.5, fill: stroke, stroke: "var(--surface)", strokeWidth: 1 }),
        Plot.tip(known, Plot.pointer({ x: "x", y: "y", title: tipFormat, fill: "var(--surface)" })),
      ],
    });
}

function DoseChart({ chart }: { chart: Chart }) {
  const series = seriesOf(chart.points);
  const lowest = Math.min(0, ...chart.points.map((point) => point.low ?? point.y ?? 0));
  const low = Math.min(-0.05, Math.floor(lowest * 20) / 20);
  return (
    <div class="panels">
      {series.map((name, i) => {
        const points = chart.points.filter((point) => (point.series ?? "") === name);
        return (
          <div class="panel" key={name}>
            {name && <h4>{words(name)}</h4>}
            <Picture label={`${chart.title}, ${words(name)}: ${points.map((p) => `dose ${share(p.x)}, reading ${share(p.y)}`).join("; ")}`} draw={dosePanel(chart, points, i, low)} />
          </div>
        );
      })}
    </div>
  );
}

// Horizontal bars of one panel: what, its interval and its point. The axis is the same in all panels.
function barPicture(chart: Chart, points: Point[], name: (point: Point) => string, colour: (point: Point) => string) {
  const known = points.filter((point) => point.y !== null);
  const ends = chart.points.flatMap((point) => [point.low ?? point.y ?? 0, point.high ?? point.y ?? 0]);
  const longest = Math.max(...points.map((point) => words(name(point)).length), 4);
  const base = { y: name, x: "y" };
  const unit = chart.unit === "number" ? number : share;
  const margin = (width: number) => Math.min(width * 0.45, 14 + 6.6 * longest);
  return (width: number) =>
    Plot.plot({
      width,
      height: 52 + points.length * 26,
      marginLeft: margin(width),
      marginRight: 18,
      marginTop: 8,
      marginBottom: 38,
      style: { background: "transparent", fontSize: "12px", fontFamily: "inherit" },
      x: {
        domain: [Math.min(0, ...ends), Math.max(chart.unit === "number" ? 0 : 1, ...ends)],
        nice: true,
        ticks: Math.max(2, Math.min(10, Math.floor(width / 90))),
        tickFormat: (x: number) => (chart.unit === "number" ? number(x) : `${Math.round(100 * x)} %`),
        grid: true,
        label: chart.y?.label ?? null,
        labelAnchor: "center",
        labelArrow: "none",
      },
      y: { label: null, domain: points.map(name), tickSize: 0, tickFormat: (text: string) => fit(words(text), Math.floor((margin(width) - 14) / 6.6 + 0.01)) },
      marks: [
        Plot.ruleX([0], { stroke: "var(--muted)" }),
        Plot.ruleY(known, { y: name, x1: (d: Point) => d.low ?? d.y, x2: (d: Point) => d.high ?? d.y, stroke: colour, strokeWidth: 2.5 }),
        Plot.dot(known, { ...base, fill: colour, r: 4.5, stroke: "var(--surface)" }),
        Plot.tip(known, Plot.pointerY({ ...base, title: tipIn(unit), fill: "var(--surface)" })),
      ],
    });
}

// One series: one panel with a row a label. Several: a panel a label with a row a series, so that what is to be compared
// stands together at any width.
function BarChart({ chart }: { chart: Chart }) {
  const series = seriesOf(chart.points);
  const colour = (point: Point) => colours[series.indexOf(point.series ?? "") % colours.length] as string;
  if (series.length === 1) return <Picture label={chart.title} draw={barPicture(chart, chart.points, (point) => point.label ?? "", colour)} />;
  const labels = [...new Set(chart.points.map((point) => point.label ?? ""))];
  return (
    <div class="panels wide">
      {labels.map((label) => (
        <div class="panel" key={label}>
          <h4>{words(label)}</h4>
          <Picture
            label={`${chart.title}, ${words(label)}`}
            draw={barPicture(chart, chart.points.filter((point) => (point.label ?? "") === label), (point) => point.series ?? "", colour)}
          />
        </div>
      ))}
    </div>
  );
}

// One panel of a chart of lines; all panels have the same axes.
function linePanel(chart: Chart, points: Point[], series: string[], domain: [number, number]) {
  const known = points.filter((point) => point.y !== null);
  const stroke = (point: Point) => point.series ?? "";
  return (width: number) =>
    Plot.plot({
      width,
      height: Math.min(Math.max(width * 0.6, 200), 340),
      marginLeft: 44,
      marginBottom: 38,
      marginRight: 18,
      style: { background: "transparent", fontSize: "12px", fontFamily: "inherit" },
      x: {
        type: chart.x?.scale,
        label: chart.x?.label ?? null,
        labelAnchor: "center",
        labelArrow: "none",
        ...(chart.x?.ticks && { ticks: chart.x.ticks.map((tick) => tick.x), tickFormat: (x: number) => chart.x?.ticks?.find((tick) => tick.x === x)?.label ?? "" }),
      },
      y: { domain, nice: true, ticks: 5, tickFormat: (y: number) => (chart.unit === "number" ? number(y) : `${Math.round(100 * y)} %`), label: null, grid: true },
      color: { domain: series, range: colours, legend: series.length > 1 },
      marks: [
        Plot.areaY(known, { x: "x", y1: (d: Point) => d.low ?? d.y, y2: (d: Point) => d.high ?? d.y, fill: stroke, fillOpacity: 0.15 }),
        Plot.lineY(known, { x: "x", y: "y", stroke, strokeWidth: 2 }),
        Plot.dot(known, { x: "x", y: "y", fill: stroke, r: 3.5, stroke: "var(--surface)", strokeWidth: 1 }),
        Plot.tip(known, Plot.pointer({ x: "x", y: "y", title: chart.unit === "number" ? tipIn(number) : tipFormat, fill: "var(--surface)" })),
      ],
    });
}

function LineChart({ chart }: { chart: Chart }) {
  const ends = chart.points.flatMap((point) => [point.low ?? point.y ?? 0, point.high ?? point.y ?? 0]);
  const domain: [number, number] = [Math.min(0, ...ends), Math.max(...ends)];
  return (
    <div class="panels">
      {[...new Set(chart.points.map((point) => point.panel ?? ""))].map((panel) => {
        const points = chart.points.filter((point) => (point.panel ?? "") === panel);
        return (
          <div class="panel" key={panel}>
            {panel && <h4>{words(panel)}</h4>}
            <Picture label={`${chart.title}, ${words(panel)}`} draw={linePanel(chart, points, seriesOf(chart.points), domain)} />
          </div>
        );
      })}
    </div>
  );
}

// The figures behind a picture, for those who cannot see it or want the digits.
function figuresOf(chart: Chart): Table {
  if (chart.kind === "map") return mapTable(chart);
  if (chart.kind === "points") return pointsTable(chart);
  const has = (key: keyof Point) => chart.points.some((point) => point[key] !== undefined && point[key] !== null && point[key] !== "");
  return {
    title: "",
    columns: [
      ...(has("panel") ? [{ key: "panel", label: "form", kind: "text" as const }] : []),
      ...(has("series") ? [{ key: "series", label: "series", kind: "text" as const }] : []),
      ...(has("label") ? [{ key: "label", label: "what", kind: "text" as const }] : []),
      ...(has("x") ? [{ key: "x", label: chart.x?.label ?? "x", kind: chart.kind === "dose" ? ("share" as const) : ("number" as const) }] : []),
      ...(chart.unit === "number"
        ? [
            { key: "value", label: chart.y?.label ?? "reading", kind: "number" as const },
            { key: "low", label: "low", kind: "number" as const },
            { key: "high", label: "high", kind: "number" as const },
          ]
        : [{ key: "y", label: `${chart.y?.label ?? "reading"} [95 % interval]`, kind: "interval" as const }]),
    ],
    rows: chart.points.map((point) => ({
      panel: words(point.panel ?? ""),
      series: words(point.series ?? ""),
      label: words(point.label ?? ""),
      x: point.x ?? null,
      y: [point.y, point.low ?? null, point.high ?? null],
      value: point.y,
      low: point.low ?? null,
      high: point.high ?? null,
    })),
  };
}

export function Figure({ chart }: { chart: Chart }) {
  return (
    <figure>
      <figcaption>{chart.title}</figcaption>
      {chart.kind === "dose" && <DoseChart chart={chart} />}
      {chart.kind === "bars" && <BarChart chart={chart} />}
      {chart.kind === "lines" && <LineChart chart={chart} />}
      {chart.kind === "map" && <WorldMap chart={chart} />}
      {chart.kind === "answers" && <Answers chart={chart} />}
      {chart.kind === "points" && <PointsChart chart={chart} />}
      {chart.note && <p class="note">{chart.note}</p>}
      {chart.kind !== "answers" && (
        <details class="digits">
          <summary>The figures of this picture as a table</summary>
          <DataTable table={figuresOf(chart)} />
        </details>
      )}
    </figure>
  );
}
