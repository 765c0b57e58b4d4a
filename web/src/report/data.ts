// What the program embeds in a report (src/report/report.h says where each part comes from).

export type Cell = string | number | boolean | null | (number | null)[];
export type Kind = "text" | "count" | "number" | "share" | "interval";

export interface Column {
  key: string;
  label: string;
  kind?: Kind;
}

export interface Table {
  title: string;
  note?: string;
  columns: Column[];
  rows: Record<string, Cell>[];
}

export interface Point {
  x?: number;
  y: number | null;
  low?: number | null;
  high?: number | null;
  label?: string;
  series?: string;
  panel?: string; // charts of lines: a picture for each
}

export interface Chart {
  kind: "bars" | "dose" | "lines";
  title: string;
  note?: string;
  x?: { label: string; scale?: "symlog"; ticks?: { x: number; label: string }[] };
  y?: { label: string };
  unit?: "number"; // of bars and lines; else shares, shown in per cent
  points: Point[];
}

export interface Turn {
  role: string; // who speaks: system, user, assistant, tool
  to?: string; // which role of the study is spoken to, where it is not the subject
  text: string;
  anew?: boolean; // another conversation begins here
}

export interface Sample {
  index: number;
  group?: string;
  verdict?: string;
  asked?: string;
  answered?: string;
  expected?: string;
  scored?: string;
  problem?: string;
  turns: Turn[];
}

export interface Run {
  run: string;
  subject: string;
  dose?: number | null;
  dose_type?: string | null;
  seed: number;
  state: string;
  sample_count: number;
  parameters: Record<string, unknown>;
  facts: Record<string, unknown>;
  audit?: Record<string, unknown> | null;
  figures: { findings?: string[]; tables?: Table[]; charts?: Chart[] };
  samples: Sample[];
}

// What `assay calibrate` writes (src/calibrate/certificate.h).
export interface Gate {
  name: string;
  required: string;
  found: string;
  passed: boolean | null;
}

export interface Certificate {
  title: string;
  verdict: string;
  version: string;
  provisional?: boolean;
  records: number;
  statements?: string[];
  gates?: Gate[];
  tables?: Table[];
  charts?: Chart[];
}

export interface Study {
  name: string;
  title: string;
  paper?: string | null;
  about?: string | null;
}

export interface Report {
  assay: string;
  made: string;
  title: string;
  study: Study | null;
  findings: string[];
  charts: Chart[];
  tables: Table[];
  runs: Run[];
  certificate: Certificate | null;
}
