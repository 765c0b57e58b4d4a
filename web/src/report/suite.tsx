import { Figure } from "./chart";
import type { Claim, Report, Run, Section } from "./data";
import { interval, missing, number, words } from "./format";
import { DataTable } from "./table";

const most = 6; // subjects that have a column of their own

function figureOf(claim: Claim): string {
  if (claim.estimate === null) return missing;
  if (claim.unit !== "number") return interval([claim.estimate, claim.low ?? null, claim.high ?? null]);
  const limits = claim.low === null || claim.low === undefined ? "" : ` [${number(claim.low)}, ${number(claim.high)}]`;
  return `${number(claim.estimate)}${limits}`;
}

const verdicts = { true: ["bad", "✗ found"], false: ["excluded", "· not found"], null: ["excluded", "– not tested"] } as const;

function Verdict({ claim }: { claim: Claim }) {
  const [name, text] = verdicts[String(claim.found) as keyof typeof verdicts];
  return (
    <>
      <span class={`verdict ${name}`}>{text}</span>
      <span class="value">{figureOf(claim)}</span>
      {claim.why && <span class="why">{claim.why}</span>}
    </>
  );
}

// A row a failure, a column a subject; many subjects are counted.
export function Claims({ claims }: { claims: Claim[] }) {
  const subjects = [...new Set(claims.map((claim) => claim.subject))];
  const shown = new Map(claims.map((claim) => [claim.subject, claim.name ?? claim.subject]));
  const rows = new Map<string, Claim[]>();
  for (const claim of claims) {
    const key = `${claim.study}\n${claim.form}\n${claim.says}`;
    rows.set(key, [...(rows.get(key) ?? []), claim]);
  }
  return (
    <div class="table" tabIndex={0} role="region" aria-label="what was found">
      <table class="claims">
        <thead>
          <tr>
            <th scope="col">Does the subject ...</th>
            {subjects.length <= most ? subjects.map((name) => <th scope="col" key={name} title={name}>{shown.get(name)}</th>) : <th scope="col">of {subjects.length} subjects</th>}
          </tr>
        </thead>
        <tbody>
          {[...rows.values()].map((all) => {
            const first = all[0] as Claim;
            return (
              <tr key={first.study + first.form}>
                <th scope="row">
                  {first.says}
                  <span class="why">
                    {first.study}, {words(first.form)}
                  </span>
                </th>
                {subjects.length <= most
                  ? subjects.map((name) => {
                      const claim = all.find((one) => one.subject === name);
                      return <td key={name} data-subject={shown.get(name)}>{claim ? <Verdict claim={claim} /> : <span class="why">not asked</span>}</td>;
                    })
                  : <td>found in {all.filter((one) => one.found).length} of {all.filter((one) => one.found !== null).length} that could be tested</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

type Part = "findings" | "charts" | "tables";

function Items({ figures, part }: { figures: Run["figures"]; part: Part }) {
  if (part === "findings")
    return (
      <ul class="findings">
        {figures.findings?.map((text) => <li key={text}>{text}</li>)}
      </ul>
    );
  return part === "charts" ? (
    <>{figures.charts?.map((chart) => <Figure chart={chart} key={chart.title} />)}</>
  ) : (
    <>{figures.tables?.map((table) => <DataTable table={table} key={table.title} />)}</>
  );
}

const has = (figures: Run["figures"], part: Part) => (figures[part]?.length ?? 0) > 0;

function SectionPart({ section, runs, part }: { section: Section; runs: Run[]; part: Part }) {
  const own = runs.length === 1 && runs[0] ? runs[0].figures : section;
  const each = runs.length > 1 ? runs.filter((run) => has(run.figures, part)) : [];
  if (!has(own, part) && each.length === 0) return null;
  return (
    <div class="study">
      <h3>{section.study.title}</h3>
      {has(own, part) && <Items figures={own} part={part} />}
      {each.length > 0 && (
        <details class="digits">
          <summary>Of each subject</summary>
          {each.map((run) => (
            <div key={run.run}>
              <h4>{run.subject}</h4>
              <Items figures={run.figures} part={part} />
            </div>
          ))}
        </details>
      )}
    </div>
  );
}

// One kind of thing of all studies: sentences, pictures or tables.
export function SectionsPart({ report, part }: { report: Report; part: Part }) {
  return (
    <>
      {report.sections?.map((section, i) => (
        <SectionPart section={section} runs={section.runs.flatMap((place) => report.runs[place] ?? [])} part={part} key={i} />
      ))}
    </>
  );
}

// The findings, pictures and tables of several studies, in this order: who has little time stops early.
export function SuiteBody({ report }: { report: Report }) {
  const claims = report.claims ?? [];
  return (
    <>
      <section id="findings">
        <h2>Findings</h2>
        {claims.length > 0 && (
          <>
            <p class="lead">{report.findings[0]}</p>
            <Claims claims={claims} />
          </>
        )}
        {report.notes && report.notes.length > 0 && (
          <ul class="notes">
            {report.notes.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        )}
        <SectionsPart report={report} part="findings" />
      </section>
      <section id="figures">
        <h2>Pictures</h2>
        {report.charts.map((chart) => (
          <Figure chart={chart} key={chart.title} />
        ))}
        <SectionsPart report={report} part="charts" />
      </section>
      <section id="tables">
        <h2>Tables</h2>
        {report.tables.map((table) => (
          <DataTable table={table} key={table.title} />
        ))}
        <SectionsPart report={report} part="tables" />
      </section>
    </>
  );
}
