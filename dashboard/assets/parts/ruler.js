// One ruler for everything about thresholds: where the score stands, all lines, and how far the next ones are.
import { html } from '../vendor/preact-htm.js';
import { day, score as shown } from '../format.js';
import { t, titled } from '../language.js';
import { useWidth } from '../use.js';
import { role } from './tier.js';

const SIDE = 14;
/** Labels of lines that are nearer than this, in pixels, stand one above the other. */
const NEAR = 36;

export function Ruler({ score, thresholds, scale, tier }) {
  const [place, width] = useWidth();
  const [low, high] = [scale.min, scale.max];
  const x = (value) => SIDE + ((value - low) / (high - low)) * (width - 2 * SIDE);
  const last = thresholds.length;
  const rising = [...thresholds].sort((one, other) => one - other);
  const edges = [low, ...rising, high];
  let before = -Infinity;
  let row = 0;
  const labels = rising.map((threshold) => {
    row = x(threshold) - before < NEAR ? 1 - row : 0;
    before = x(threshold);
    return { threshold, row };
  });
  const words = [
    tier.next_up && t('gap_up', { gap: shown(tier.next_up.gap), line: shown(tier.next_up.at_least) }),
    tier.next_down &&
      t(tier.next_down.margin ? 'margin_down' : 'on_line', {
        margin: shown(tier.next_down.margin),
        line: shown(tier.next_down.below),
      }),
  ]
    .filter(Boolean)
    .join(' · ');
  return html`<figure class="ruler" ref=${place}>
    ${
      width > 0 &&
      html`<svg width=${width} height="86" role="img" aria-label=${t('ruler_label', { score: shown(score), words })}>
      ${edges.slice(0, -1).map((from, index) => html`<rect class="band ${role(last - index, last)}" x=${x(from)} y="34" width=${Math.max(0, x(edges[index + 1]) - x(from))} height="12" />`)}
      ${labels.map(({ threshold, row }) => html`<g class="line">
        <line x1=${x(threshold)} x2=${x(threshold)} y1="30" y2=${52 + row * 14} />
        <text x=${x(threshold)} y=${64 + row * 14} text-anchor="middle">${shown(threshold)}</text></g>`)}
      ${rising.every((threshold) => x(threshold) - SIDE > NEAR) && html`<text class="end" x=${SIDE} y="64">${shown(low)}</text>`}
      ${rising.every((threshold) => width - SIDE - x(threshold) > NEAR) && html`<text class="end" x=${width - SIDE} y="64" text-anchor="end">${shown(high)}</text>`}
      <g class="mark"><path d=${`M${x(score)} 46l-7-14h14z`} />
        <text x=${Math.min(width - 24, Math.max(24, x(score)))} y="24" text-anchor="middle">${shown(score)}</text></g>
    </svg>`
    }
    <figcaption>${words}</figcaption>
  </figure>`;
}

/** The lines in words, with what each brings, and whether it is in force since when. */
export function Lines({ ruleSet, penalties }) {
  const same = (one, other) => one.code === other.code && one.below === other.below && one.dimension === other.dimension;
  const since = (line) => penalties.find((penalty) => same(penalty, line))?.since;
  const dimension = (line) => ruleSet.dimensions.find((one) => one.id === line.dimension)?.title;
  return html`<ul class="lines">${ruleSet.penalties.map(
    (penalty) => html`<li class=${since(penalty) ? 'on' : 'off'} key=${`${penalty.code} ${penalty.dimension ?? ''} ${penalty.below}`}>
    <span class="num">${dimension(penalty) ? `${titled(dimension(penalty))} ` : ''}${'<'} ${shown(penalty.below)}</span>
    <span>${titled(penalty.title)}</span>
    <span class="since">${since(penalty) ? html`<span class="pill bad">
      <span aria-hidden="true">◼</span> ${t('in_force_since', { date: day(since(penalty)) })}</span>` : html`<span class="pill good">
      <span aria-hidden="true">●</span> ${t('not_in_force')}</span>`}</span>
  </li>`,
  )}</ul>`;
}
