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
  // points in a plane: what they are coloured by (keys of Chart.colours)
  behaviour?: string;
  matching?: string;
  fate?: string;
  truth?: string;
}

// A country on a map: a figure for each series, with its interval and the number of questions; null where there is none.
export interface Place {
  label: string;
  iso: number; // of ISO 3166-1; 0: no shape is known
  few?: boolean;
  values: ([number, number | null, number | null, number] | null)[];
}

// Shares of the options of a question, in ten-thousandths.
export interface Question {
  id: string;
  text: string;
  options: string[];
  answers: Record<string, number[] | null>; // of the subject, by series
  countries: Record<string, number[]>;
}

export interface Chart {
  kind: "bars" | "dose" | "lines" | "map" | "answers" | "points";
  title: string;
  note?: string;
  x?: { label: string; scale?: "symlog"; ticks?: { x: number; label: string }[] };
  y?: { label: string };
  unit?: "number"; // of bars and lines; else shares, shown in per cent
  series?: string[]; // of maps and answers
  places?: Place[]; // of maps
  questions?: Question[]; // of answers
  colours?: { key: string; label: string }[]; // of points: the ways to colour them
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

// What a study tests a subject for; `found` after Holm's correction over all claims of the report.
export interface Claim {
  study: string;
  form: string;
  says: string;
  unit?: "share" | "number";
  subject: string;
  name?: string; // what a reader calls it
  estimate: number | null;
  low?: number | null;
  high?: number | null;
  p_holm?: number | null;
  found: boolean | null;
  why?: string;
}

// One study of a suite: what its runs say together. With a single run its figures are the run's own.
export interface Section {
  study: Study;
  parameters: Record<string, unknown>;
  findings: string[];
  charts: Chart[];
  tables: Table[];
  runs: number[]; // places in Report.runs
}

export interface Run {
  study: string;
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
  spike?: boolean; // of the user's own model, not of organisms
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
  suite?: { name: string; about?: string } | null; // the rest is of several studies alone
  claims?: Claim[];
  notes?: string[];
  sections?: Section[];
}
