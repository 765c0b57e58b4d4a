import type { Cell, Kind } from "./data";

export const missing = "–";

// A share as people read it: 0.25 is "25.0 %"; a true minus sign.
export function share(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing;
  const text = (100 * value).toFixed(1).replace("-", "−");
  return `${text === "−0.0" ? "0.0" : text} %`;
}

export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return missing;
  const size = Math.abs(value);
  const text = Number.isInteger(value) ? String(value) : size !== 0 && size < 0.001 ? value.toExponential(2) : value.toFixed(3);
  return text.replace("-", "−");
}

export function interval(value: Cell): string {
  if (!Array.isArray(value)) return missing;
  const [estimate, low, high] = value;
  if (estimate === null || estimate === undefined) return missing;
  const bare = (x: number | null | undefined) => share(x).replace(" %", "");
  return low === null || low === undefined ? share(estimate) : `${share(estimate)} [${bare(low)}, ${bare(high)}]`;
}

export function cell(value: Cell | undefined, kind: Kind | undefined): string {
  if (value === null || value === undefined) return missing;
  if (kind === "interval" || Array.isArray(value)) return interval(value as Cell);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return kind === "share" ? share(value) : number(value);
  return value;
}

// A fact of any shape in one line.
export function plain(value: unknown): string {
  if (value === null || value === undefined) return missing;
  if (Array.isArray(value)) {
    const shown = value.slice(0, 24).map(plain).join(", ");
    return value.length > 24 ? `${shown} and ${value.length - 24} more` : shown;
  }
  if (typeof value === "object")
    return Object.entries(value as Record<string, unknown>)
      .map(([key, inner]) => `${words(key)}: ${plain(inner)}`)
      .join("; ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? number(value) : String(value);
}

// How a question was asked: "default", "country:Russia", "language:Russian".
export function way(name: string): string {
  const [kind, what] = name.split(":", 2);
  if (kind === "country" && what) return `as someone from ${what}`;
  if (kind === "language" && what) return `asked in ${what}`;
  return name === "default" ? "asked plainly" : words(name);
}

// "are_you_sure" is "are you sure" to a reader.
export function words(key: string): string {
  return key.replace(/_/g, " ");
}
