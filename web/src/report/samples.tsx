import { useMemo, useState } from "preact/hooks";
import type { Run, Sample } from "./data";
import { words } from "./format";

const page = 12;
const marks: Record<string, string> = { good: "✓", bad: "✗", unreadable: "?", refused: "⊘", excluded: "·", failed: "!" };

function verdictOf(sample: Sample): string {
  return sample.problem ? "failed" : sample.verdict ?? "unreadable";
}

function Verdict({ name }: { name: string }) {
  return (
    <span class={`verdict ${name}`}>
      <span aria-hidden="true">{marks[name] ?? "·"}</span> {name}
    </span>
  );
}

function Fact({ name, text }: { name: string; text: string | undefined }) {
  if (!text) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{text}</dd>
    </>
  );
}

function Transcript({ sample }: { sample: Sample }) {
  return (
    <details class="sample">
      <summary>
        <Verdict name={verdictOf(sample)} />
        {sample.group && <span class="group">{words(sample.group)}</span>}
        <span class="asked">{sample.asked ?? sample.turns.find((turn) => turn.role === "user")?.text ?? `sample ${sample.index}`}</span>
      </summary>
      <div class="transcript">
        <dl>
          <Fact name="Answered" text={sample.answered} />
          <Fact name="Expected" text={sample.expected} />
          <Fact name="How it was scored" text={sample.scored} />
          <Fact name="What went wrong" text={sample.problem} />
          <Fact name="Sample" text={String(sample.index)} />
        </dl>
        <ol class="turns" aria-label="transcript">
          {sample.turns.map((turn, i) => (
            <li class={`turn ${turn.role}${turn.anew ? " anew" : ""}`} key={i}>
              {turn.anew && <span class="break">another conversation</span>}
              <span class="speaker">
                {turn.role}
                {turn.to ? ` (${turn.to})` : ""}
              </span>
              <p>{turn.text}</p>
            </li>
          ))}
        </ol>
      </div>
    </details>
  );
}

function Choice(props: { label: string; value: string; options: [string, string][]; set: (value: string) => void }) {
  return (
    <label>
      {props.label}
      <select value={props.value} onChange={(event) => props.set((event.target as HTMLSelectElement).value)}>
        {props.options.map(([value, text]) => (
          <option value={value} key={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function counted(samples: Sample[], of: (sample: Sample) => string, all: string): [string, string][] {
  const counts = new Map<string, number>();
  for (const sample of samples) counts.set(of(sample), (counts.get(of(sample)) ?? 0) + 1);
  return [["", `${all} (${samples.length})`], ...[...counts].map(([name, n]) => [name, `${words(name)} (${n})`] as [string, string])];
}

export function Samples({ runs }: { runs: Run[] }) {
  const [chosen, setRun] = useState(0);
  const [group, setGroup] = useState("");
  const [verdict, setVerdict] = useState("");
  const [search, setSearch] = useState("");
  const [shown, setShown] = useState(page);
  const several = new Set(runs.map((one) => one.study)).size > 1;
  const run = runs[chosen] ?? runs[0];
  const samples = run?.samples ?? [];
  const matching = useMemo(() => {
    const needle = search.toLowerCase();
    return samples.filter(
      (sample) =>
        (!group || sample.group === group) &&
        (!verdict || verdictOf(sample) === verdict) &&
        (!needle || JSON.stringify(sample).toLowerCase().includes(needle)),
    );
  }, [samples, group, verdict, search]);
  if (!run || runs.every((one) => one.samples.length === 0)) return null;
  const choose = (set: (value: string) => void) => (value: string) => {
    set(value);
    setShown(page);
  };
  return (
    <section id="transcripts">
      <h2>Transcripts</h2>
      <p>
        A sample of what was asked and answered
        {run.sample_count > samples.length ? `: ${samples.length} of ${run.sample_count}, drawn evenly over kinds and verdicts, so their shares are not those of the run` : ""}. Open one to read it.
      </p>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        {runs.length > 1 && <Choice label={several ? "Run" : "Subject"} value={String(chosen)} options={runs.map((one, i) => [String(i), several ? `${words(one.study)}: ${one.subject}` : one.subject])} set={(value) => { setRun(Number(value)); setShown(page); }} />}
        <Choice label="Kind" value={group} options={counted(samples, (sample) => sample.group ?? "", "all")} set={choose(setGroup)} />
        <Choice label="Verdict" value={verdict} options={counted(samples, verdictOf, "all")} set={choose(setVerdict)} />
        <label>
          Search
          <input type="search" value={search} onInput={(event) => choose(setSearch)((event.target as HTMLInputElement).value)} />
        </label>
      </form>
      <p class="count" role="status">
        {matching.length} {matching.length === 1 ? "transcript" : "transcripts"}
      </p>
      {matching.slice(0, shown).map((sample) => (
        <Transcript sample={sample} key={`${chosen}-${sample.index}`} />
      ))}
      {matching.length > shown && (
        <button type="button" onClick={() => setShown(shown + page)}>
          Show {Math.min(page, matching.length - shown)} more
        </button>
      )}
    </section>
  );
}
