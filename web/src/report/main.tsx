import { render } from "preact";
import { CertificatePage } from "./certificate";
import { Figure } from "./chart";
import type { Report, Run } from "./data";
import { plain, words } from "./format";
import { Hedges } from "./hedges";
import { Samples } from "./samples";
import { SuiteBody } from "./suite";
import style from "./style.css?inline";
import { DataTable } from "./table";

function Facts({ title, facts }: { title: string; facts: Record<string, unknown> }) {
  const rows = Object.entries(facts);
  if (rows.length === 0) return null;
  return (
    <div class="facts">
      <h4>{title}</h4>
      <dl>
        {rows.map(([key, value]) => (
          <>
            <dt>{words(key)}</dt>
            <dd>{plain(value)}</dd>
          </>
        ))}
      </dl>
    </div>
  );
}

function RunFacts({ run, open, several }: { run: Run; open: boolean; several: boolean }) {
  return (
    <details class="run" open={open}>
      <summary>
        Run {run.run}: {several ? `${run.study} on ` : ""}
        {run.subject}
      </summary>
      <div class="columns">
        <Facts title="This run" facts={{ seed: run.seed, state: run.state, samples: run.sample_count, ...run.facts }} />
        <Facts title="Parameters" facts={run.parameters} />
        {run.audit && <Facts title="Token audit" facts={run.audit} />}
      </div>
    </details>
  );
}

function App({ report }: { report: Report }) {
  const suite = report.sections !== undefined;
  const planted = report.runs.length > 0 && report.runs.every((run) => run.dose !== null && run.dose !== undefined);
  const own = report.runs.length === 1 ? report.runs[0]?.figures : undefined;
  const charts = [...report.charts, ...(own?.charts ?? [])];
  const tables = [...report.tables, ...(own?.tables ?? [])];
  const findings = [...report.findings, ...(own?.findings ?? [])];
  return (
    <>
      <a class="skip" href="#findings">
        To the findings
      </a>
      <header>
        <p class="brand">assay</p>
        <h1>{report.title}</h1>
        {(report.study?.about ?? report.suite?.about) && <p class="about">{report.study?.about ?? report.suite?.about}</p>}
        <nav aria-label="parts of the report">
          {report.runs.length > 0 && <a href="#findings">Findings</a>}
          {(charts.length > 0 || tables.length > 0) && <a href="#figures">{suite ? "Pictures" : "Figures"}</a>}
          {suite && <a href="#tables">Tables</a>}
          {report.certificate && <a href="#certificate">{report.certificate.spike ? "Spikes" : "Certificate"}</a>}
          {report.study?.name !== "growth" && <a href="#hedges">What it proves</a>}
          {report.runs.some((run) => run.samples.length > 0) && <a href="#transcripts">Transcripts</a>}
          {report.runs.length > 0 && <a href="#runs">Runs</a>}
        </nav>
      </header>
      <main>
        {suite && <SuiteBody report={report} />}
        {!suite && report.runs.length > 0 && (
          <section id="findings">
            <h2>Findings</h2>
            {findings.length > 0 ? (
              <ul class="findings">
                {findings.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ul>
            ) : (
              <p>The study states no findings for these runs.</p>
            )}
          </section>
        )}
        {!suite && (charts.length > 0 || tables.length > 0) && (
          <section id="figures">
            <h2>Figures</h2>
            {charts.map((chart) => (
              <Figure chart={chart} key={chart.title} />
            ))}
            {tables.map((table) => (
              <DataTable table={table} key={table.title} />
            ))}
          </section>
        )}
        {report.certificate && <CertificatePage certificate={report.certificate} />}
        {report.study?.name !== "growth" && <Hedges planted={planted} certified={report.certificate !== null && !report.certificate.provisional} spiked={report.certificate?.spike === true} />}
        {!suite && report.runs.length > 1 && (
          <section id="each">
            <h2>Each run</h2>
            {report.runs.map((run) => (
              <details class="run" key={run.run}>
                <summary>
                  Run {run.run}: {run.subject}
                </summary>
                {run.figures.findings && (
                  <ul class="findings">
                    {run.figures.findings.map((text) => (
                      <li key={text}>{text}</li>
                    ))}
                  </ul>
                )}
                {run.figures.charts?.map((chart) => <Figure chart={chart} key={chart.title} />)}
                {run.figures.tables?.map((table) => <DataTable table={table} key={table.title} />)}
              </details>
            ))}
          </section>
        )}
        <Samples runs={report.runs} />
        {report.runs.length > 0 && (
          <section id="runs">
            <h2>How it was measured</h2>
            {report.study?.paper && <p>After {report.study.paper}.</p>}
            {report.sections?.map(({ study }) => study.paper && (
              <p key={study.name}>
                {study.title}: after {study.paper}.
              </p>
            ))}
            {report.runs.map((run) => (
              <RunFacts run={run} open={report.runs.length === 1} several={suite} key={run.run} />
            ))}
          </section>
        )}
      </main>
      <footer>
        Made by assay {report.assay} on {report.made}. This file needs no network.
      </footer>
    </>
  );
}

function start() {
  const source = document.getElementById("assay-data");
  const place = document.getElementById("report");
  if (!source?.textContent || !place) return;
  const sheet = document.createElement("style");
  sheet.textContent = style;
  document.head.append(sheet);
  render(<App report={JSON.parse(source.textContent) as Report} />, place);
}

start();
