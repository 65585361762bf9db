// How the scores of a fleet are spread, with the lines of the penalties.
import { html } from '../vendor/preact-htm.js';
import { count, score, scoreStep } from '../format.js';
import { t } from '../language.js';
import { useWidth } from '../use.js';
import { role } from './tier.js';

const [HEIGHT, TOP, BOTTOM] = [150, 26, 20];
/** At most so many marks stand below the bars. */
const TICKS = 8;

/** Round scores between two others: a power of ten apart, or twice or five times one. */
function ticks(low, high) {
  const least = (high - low) / TICKS;
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((times) => times * power >= least);
  const first = Math.floor(low / step) + 1;
  const all = Array.from({ length: TICKS + 2 }, (_, index) => (first + index) * step);
  // Not so near the ends that the text would be cut off.
  return all.filter((at) => at > low + least / 6 && at < high - least / 6).map((at) => Number(at.toFixed(6)));
}

export function Histogram({ summary, select }) {
  const [place, width] = useWidth();
  const bars = summary.histogram;
  if (bars.length === 0) return html`<p class="quiet-text">${t('nobody_scored')}</p>`;
  const thresholds = summary.tiers.map((tier) => tier.at_least).filter((least) => least !== null);
  const last = thresholds.length;
  const [low, high] = [bars[0].from, bars[bars.length - 1].to];
  const most = Math.max(...bars.map((bar) => bar.subjects));
  const x = (value) => 2 + ((value - low) / (high - low)) * (width - 4);
  const y = (subjects) => HEIGHT - BOTTOM - (subjects / most) * (HEIGHT - TOP - BOTTOM);
  const level = (from) => thresholds.filter((threshold) => from + 1e-9 < threshold).length;
  const inside = thresholds.filter((threshold) => threshold > low && threshold < high);
  return html`<figure class="histogram" ref=${place}>
    ${
      width > 0 &&
      html`<svg width=${width} height=${HEIGHT} role="img" aria-label=${t('histogram_label', { median: score(summary.score.p50) })}>
      ${bars.map((bar) => html`<rect class="bar ${role(level(bar.from), last)}" key=${bar.from} x=${x(bar.from) + 0.5} width=${Math.max(1, x(bar.to) - x(bar.from) - 1)} y=${y(bar.subjects)} height=${HEIGHT - BOTTOM - y(bar.subjects)}>
        <title>${t('histogram_bar', { from: score(bar.from), to: score(bar.to - scoreStep()), n: count(bar.subjects) })}</title>
        </rect>`)}
      <line class="axis" x1="0" x2=${width} y1=${HEIGHT - BOTTOM + 0.5} y2=${HEIGHT - BOTTOM + 0.5} />
      ${inside.map((threshold, index) => html`<g class="line" key=${threshold}>
        <line x1=${x(threshold)} x2=${x(threshold)} y1=${14 + (index % 2) * 10} y2=${HEIGHT - BOTTOM} />
        <text x=${x(threshold)} y=${11 + (index % 2) * 10} text-anchor="middle">${score(threshold)}</text></g>`)}
      ${ticks(low, high).map((at) => html`<text key=${at} x=${x(at)} y=${HEIGHT - 5} text-anchor="middle">${at}</text>`)}
    </svg>`
    }
    <figcaption>${t('histogram_caption', { median: score(summary.score.p50), p10: score(summary.score.p10), p90: score(summary.score.p90) })}</figcaption>
    <details class="as-table"><summary>${t('as_table')}</summary>
      <table><thead><tr><th>${t('score_from')}</th><th class="num">${t(`${summary.kind}s`)}</th></tr></thead>
      <tbody>${bars.filter((bar) => bar.subjects).map((bar) => html`<tr key=${bar.from}><td>${score(bar.from)}</td>
        <td class="num">${count(bar.subjects)}</td></tr>`)}</tbody></table></details>
  </figure>`;
}
