// How the scores of a fleet are spread, with the lines of the penalties.
import { html } from '../vendor/preact-htm.js';
import { count, score } from '../format.js';
import { t } from '../language.js';
import { useWidth } from '../use.js';
import { role } from './tier.js';

const [HEIGHT, TOP, BOTTOM] = [150, 26, 20];
const BAR = 0.05;

/** Round scores between two others, a fifth of a point apart, or half a point where there are many. */
function ticks(low, high) {
  const step = high - low > 1.6 ? 5 : 2;
  const tenths = Array.from({ length: 51 }, (_, tenth) => tenth);
  return tenths
    .filter((tenth) => tenth % step === 0 && tenth / 10 > low + 0.02 && tenth / 10 < high - 0.02)
    .map((tenth) => tenth / 10);
}

export function Histogram({ summary, select }) {
  const [place, width] = useWidth();
  const bars = summary.histogram;
  if (bars.length === 0) return html`<p class="quiet-text">${t('nobody_scored')}</p>`;
  const thresholds = summary.tiers.map((tier) => tier.at_least).filter((least) => least !== null);
  const last = thresholds.length;
  const [low, high] = [bars[0].from, bars[bars.length - 1].from + BAR];
  const most = Math.max(...bars.map((bar) => bar.subjects));
  const x = (value) => 2 + ((value - low) / (high - low)) * (width - 4);
  const y = (subjects) => HEIGHT - BOTTOM - (subjects / most) * (HEIGHT - TOP - BOTTOM);
  const level = (from) => thresholds.filter((threshold) => from + 1e-9 < threshold).length;
  const inside = thresholds.filter((threshold) => threshold > low && threshold < high);
  return html`<figure class="histogram" ref=${place}>
    ${
      width > 0 &&
      html`<svg width=${width} height=${HEIGHT} role="img" aria-label=${t('histogram_label', { median: score(summary.score.p50) })}>
      ${bars.map((bar) => html`<rect class="bar ${role(level(bar.from), last)}" key=${bar.from} x=${x(bar.from) + 0.5} width=${Math.max(1, x(bar.from + BAR) - x(bar.from) - 1)} y=${y(bar.subjects)} height=${HEIGHT - BOTTOM - y(bar.subjects)}>
        <title>${t('histogram_bar', { from: score(bar.from), to: score(bar.from + BAR - 0.01), n: count(bar.subjects) })}</title>
        </rect>`)}
      <line class="axis" x1="0" x2=${width} y1=${HEIGHT - BOTTOM + 0.5} y2=${HEIGHT - BOTTOM + 0.5} />
      ${inside.map((threshold, index) => html`<g class="line" key=${threshold}>
        <line x1=${x(threshold)} x2=${x(threshold)} y1=${14 + (index % 2) * 10} y2=${HEIGHT - BOTTOM} />
        <text x=${x(threshold)} y=${11 + (index % 2) * 10} text-anchor="middle">${score(threshold)}</text></g>`)}
      ${ticks(low, high).map((at) => html`<text key=${at} x=${x(at)} y=${HEIGHT - 5} text-anchor="middle">${at.toFixed(1)}</text>`)}
    </svg>`
    }
    <figcaption>${t('histogram_caption', { median: score(summary.score.p50), p10: score(summary.score.p10), p90: score(summary.score.p90) })}</figcaption>
    <details class="as-table"><summary>${t('as_table')}</summary>
      <table><thead><tr><th>${t('score_from')}</th><th class="num">${t(`${summary.kind}s`)}</th></tr></thead>
      <tbody>${bars.filter((bar) => bar.subjects).map((bar) => html`<tr key=${bar.from}><td>${score(bar.from)}</td>
        <td class="num">${count(bar.subjects)}</td></tr>`)}</tbody></table></details>
  </figure>`;
}
