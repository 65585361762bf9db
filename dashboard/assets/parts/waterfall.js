// Why a score moved: from the score before, through its own counts, its peers and the weights, to the score now.
import { html } from '../vendor/preact-htm.js';
import { score, signed } from '../format.js';
import { t } from '../language.js';
import { useWidth } from '../use.js';

const [HEIGHT, TOP, BOTTOM] = [150, 24, 34];

/** The parts of a change that are shown: adjustments only where there are any. */
const changePartsOf = ({ parts }) => ['own', 'peers', 'weights', ...(parts.adjustments ? ['adjustments'] : [])];

export function Waterfall({ changes }) {
  const [place, width] = useWidth();
  const { from, to, parts } = changes;
  const names = changePartsOf(changes);
  const steps = names.map((name) => ({ name, by: parts[name] }));
  let at = from.unrounded;
  const bars = steps.map(({ name, by }) => {
    const start = at;
    at += by;
    return { name, by, start, end: at };
  });
  const all = [from.unrounded, to.unrounded, ...bars.flatMap((bar) => [bar.start, bar.end])];
  const margin = Math.max(0.02, (Math.max(...all) - Math.min(...all)) * 0.35);
  const [low, high] = [Math.min(...all) - margin, Math.max(...all) + margin * 0.4];
  const y = (value) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const columns = [
    { label: t('score_before'), text: score(from.score), from: low, to: from.unrounded, kind: 'total' },
    ...bars.map((bar) => ({
      label: t(`part_${bar.name}`),
      text: signed(bar.by, 4),
      from: bar.start,
      to: bar.end,
      kind: bar.by < 0 ? 'bad' : bar.by > 0 ? 'good' : 'none',
    })),
    { label: t('score_now'), text: score(to.score), from: low, to: to.unrounded, kind: 'total' },
  ];
  const step = width / columns.length;
  const bar = Math.min(64, step * 0.62);
  const center = (index) => step * (index + 0.5);
  const told = names.map((name) => `${t(`part_${name}`)} ${signed(parts[name], 4)}`).join(t('comma'));
  const label = t('waterfall_label', { from: score(from.score), to: score(to.score), parts: told });
  return html`<figure class="waterfall" ref=${place}>${
    width > 0 &&
    html`<svg width=${width} height=${HEIGHT} role="img" aria-label=${label}>
    ${columns.map((column, index) => {
      const [top, bottom] = [y(Math.max(column.from, column.to)), y(Math.min(column.from, column.to))];
      return html`<g key=${index} class=${column.kind}>
        <rect x=${center(index) - bar / 2} y=${top} width=${bar} height=${Math.max(2, bottom - top)} rx="2" />
        ${index < columns.length - 1 && html`<line class="joint" x1=${center(index) + bar / 2} x2=${center(index + 1) - bar / 2} y1=${y(column.to)} y2=${y(column.to)} />`}
        <text class="amount" x=${center(index)} y=${top - 6} text-anchor="middle">${column.text}</text>
        <text class="name" x=${center(index)} y=${HEIGHT - 14} text-anchor="middle">${column.label}</text>
      </g>`;
    })}</svg>`
  }</figure>`;
}
