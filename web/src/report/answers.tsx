import { useEffect, useMemo, useState } from "preact/hooks";
import type { Chart, Question } from "./data";
import { number, way } from "./format";
import { chosenCountry } from "./map";

const unit = 10000;
const most = 200; // questions in the list at once

// 1 less the Jensen-Shannon distance, base 2; as src/stats/similarity.c has it.
function similarity(p: number[], q: number[]): number {
  const total = (list: number[]) => list.reduce((sum, x) => sum + x, 0);
  const [a, b] = [total(p), total(q)];
  let sum = 0;
  p.forEach((x, k) => {
    const [u, v] = [x / a, (q[k] ?? 0) / b];
    const m = (u + v) / 2;
    sum += (u > 0 ? (u * Math.log2(u / m)) / 2 : 0) + (v > 0 ? (v * Math.log2(v / m)) / 2 : 0);
  });
  return 1 - Math.sqrt(Math.max(0, Math.min(1, sum)));
}

// Countries by their likeness to the subject's plain answer.
function ranked(question: Question, series: string): [string, number][] {
  const own = question.answers[series];
  const all = Object.entries(question.countries).map(([name, shares]): [string, number] => [name, own ? similarity(own, shares) : NaN]);
  return all.sort((x, y) => y[1] - x[1] || x[0].localeCompare(y[0]));
}

function Bars({ question, series, picked }: { question: Question; series: string[]; picked: string[] }) {
  const plain = question.answers[series[0] ?? ""];
  const columns: { name: string; shares: number[] | null | undefined; own: boolean }[] = [
    ...series.map((name) => ({ name: name === "default" ? "the subject" : way(name), shares: question.answers[name], own: true })),
    ...picked.map((name) => ({ name, shares: question.countries[name], own: false })),
  ];
  return (
    <div class="table" tabIndex={0} role="region" aria-label="shares of the options">
      <table class="answers">
        <thead>
          <tr>
            <th scope="col">Option</th>
            {columns.map((column) => (
              <th scope="col" key={column.name}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {question.options.map((option, k) => (
            <tr key={k}>
              <th scope="row">{option}</th>
              {columns.map((column) => {
                const share = column.shares ? (column.shares[k] ?? 0) / unit : null;
                return (
                  <td key={column.name}>
                    {share === null ? (
                      "–"
                    ) : (
                      <div class={column.own ? "bar own" : "bar"}>
                        <i style={{ width: `${100 * share}%` }} />
                        <span>{(100 * share).toFixed(0)} %</span>
                      </div>
                    )}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row">Similarity to the plain answer</th>
            {columns.map((column, i) => (
              <td key={column.name}>{i === 0 || !plain || !column.shares ? "" : number(similarity(plain, column.shares))}</td>
            ))}
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

// A page for each question, addressed by the name of the question in the address.
export function Answers({ chart }: { chart: Chart }) {
  const questions = chart.questions ?? [];
  const series = chart.series ?? [];
  const [id, choose] = useState(() => {
    const wanted = decodeURIComponent(location.hash.slice(1));
    return questions.some((question) => question.id === wanted) ? wanted : (questions[0]?.id ?? "");
  });
  const [sought, seek] = useState("");
  const [wanted, want] = useState<(string | null)[]>([null, null, null]);
  useEffect(() => {
    const chosen = (event: Event) => want((old) => [(event as CustomEvent<string>).detail, old[1] ?? null, old[2] ?? null]);
    window.addEventListener(chosenCountry, chosen);
    return () => window.removeEventListener(chosenCountry, chosen);
  }, []);
  const found = useMemo(() => {
    const word = sought.trim().toLowerCase();
    return word ? questions.filter((question) => question.text.toLowerCase().includes(word)) : questions;
  }, [sought, questions]);
  const at = Math.max(0, found.findIndex((question) => question.id === id));
  const question = found[at];
  const order = question ? ranked(question, series[0] ?? "") : [];
  const usual = [order[0]?.[0], order[1]?.[0], order.length > 2 ? order[order.length - 1]?.[0] : undefined];
  const picked = wanted.map((name, i) => (name && question?.countries[name] ? name : usual[i])).filter((name): name is string => name !== undefined);
  const go = (next: Question | undefined) => {
    if (!next) return;
    choose(next.id);
    history.replaceState(null, "", `#${encodeURIComponent(next.id)}`);
  };
  return (
    <div class="questions">
      <div class="filters">
        <label>
          Words of the question
          <input type="search" value={sought} onInput={(event) => seek(event.currentTarget.value)} />
        </label>
        <label>
          Question
          <select value={question?.id} onChange={(event) => go(found.find((one) => one.id === event.currentTarget.value))}>
            {found.slice(Math.max(0, at - most / 2), Math.max(0, at - most / 2) + most).map((one) => (
              <option value={one.id} key={one.id}>
                {one.text.replace(/\s+/g, " ").slice(0, 90)}
              </option>
            ))}
          </select>
        </label>
        {[0, 1, 2].map((i) => (
          <label key={i}>
            Compared with
            <select value={picked[i] ?? ""} onChange={(event) => want(wanted.map((old, k) => (k === i ? event.currentTarget.value : old)))}>
              {order.map(([name, value]) => (
                <option value={name} key={name}>
                  {name}
                  {Number.isNaN(value) ? "" : ` (${number(value)})`}
                </option>
              ))}
            </select>
          </label>
        ))}
      </div>
      {question ? (
        <article id={question.id}>
          <p class="question">{question.text}</p>
          <Bars question={question} series={series} picked={[...new Set(picked)]} />
          <p class="count">
            Question {at + 1} of {found.length}, answered in {order.length} {order.length === 1 ? "country" : "countries"}.{" "}
          </p>
          <button type="button" disabled={at === 0} onClick={() => go(found[at - 1])}>
            Previous
          </button>{" "}
          <button type="button" disabled={at + 1 >= found.length} onClick={() => go(found[at + 1])}>
            Next
          </button>
        </article>
      ) : (
        <p>No question has these words.</p>
      )}
    </div>
  );
}
