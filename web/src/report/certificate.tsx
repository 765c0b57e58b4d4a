import { Figure } from "./chart";
import type { Certificate, Gate } from "./data";
import { DataTable } from "./table";

function verdictOf(passed: boolean | null): string {
  return passed === null ? "not measured" : passed ? "✓ met" : "✗ not met";
}

function GateTable({ title, gates }: { title: string; gates: Gate[] }) {
  return (
    <DataTable
      table={{
        title,
        columns: [
          { key: "name", label: "gate" },
          { key: "required", label: "required" },
          { key: "found", label: "found" },
          { key: "passed", label: "verdict" },
        ],
        rows: gates.map((gate) => ({ ...gate, passed: verdictOf(gate.passed) })),
      }}
    />
  );
}

// What was missed or never measured stands in front; what was met is there to be looked up.
function Gates({ gates }: { gates: Gate[] }) {
  const met = gates.filter((gate) => gate.passed);
  const open = gates.filter((gate) => !gate.passed);
  return (
    <>
      {open.length > 0 && <GateTable title={`Gates that are not met: ${open.length} of ${gates.length}`} gates={open} />}
      {met.length > 0 && (
        <details class="digits">
          <summary>
            {met.length} of {gates.length} gates that an instrument must pass are met
          </summary>
          <GateTable title="Gates that are met" gates={met} />
        </details>
      )}
    </>
  );
}

// What is known about the instrument itself.
export function CertificatePage({ certificate }: { certificate: Certificate }) {
  return (
    <section id="certificate">
      <h2>{certificate.spike ? "Spike recovery on this model" : "Certificate of the instrument"}</h2>
      <p>
        {certificate.title}, from {certificate.records} {certificate.spike ? "items, each answered by the model and by its twin," : "readings"} by assay {certificate.version}: <strong>{certificate.verdict}</strong>.
      </p>
      {certificate.statements && (
        <ul class="findings">
          {certificate.statements.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      {certificate.charts?.map((chart) => <Figure chart={chart} key={chart.title} />)}
      {certificate.gates && <Gates gates={certificate.gates} />}
      {certificate.tables?.map((table) => <DataTable table={table} key={table.title} />)}
    </section>
  );
}
