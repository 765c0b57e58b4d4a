// What planted organisms can and cannot show; after the calibration page of the design.
export function Hedges({ planted, certified, spiked }: { planted: boolean; certified: boolean; spiked: boolean }) {
  return (
    <section id="hedges">
      <h2>What a planted organism does and does not prove</h2>
      <ul>
        <li>
          An organism is a small model that was made to fail on a known share of its cases. When a study reads that share back, the whole
          chain works: the planting took, the model was asked the right thing, its text was read correctly, and the counting is right.
        </li>
        <li>
          In sycophancy, the planted dose and the reading count the same event. A slope of one is therefore an <em>instrument check</em>,
          not a finding: it says nothing on whether this count is the right idea of sycophancy.
        </li>
        <li>
          The failure was put there by examples with a simple rule behind them. A failure that grew by itself may look different, depend on other
          things, or hide; the study may read it less well than a planted one.
        </li>
        <li>
          The organisms speak the plain English of a made-up town. Another model has another language, other formats, other lengths, and
          may refuse. A reading of it is as good as the study fits that model, which organisms cannot tell.
        </li>
        {spiked && (
          <li>
            A series of spikes on this very model stands above: it tells how much of a failure <em>of the twin&rsquo;s kind</em> this study finds in its
            answers. A twin fails on request; a failure that looks otherwise may be read less well.
          </li>
        )}
        {!planted && !spiked && (
          <li>
            <strong>Not validated on this model.</strong> No series of known spikes was run on it, so nothing shows how much of a failure in
            its answers this study would find.
          </li>
        )}
        {!certified && (
          <li>This report carries no certificate: false positives, limits of detection and repeatability of the reading are not stated here.</li>
        )}
      </ul>
    </section>
  );
}
