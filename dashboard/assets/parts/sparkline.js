// A score over some dates, small: its course, and where it is now.
import { html } from '../vendor/preact-htm.js';
import { score } from '../format.js';
import { t } from '../language.js';

const [WIDTH, HEIGHT, EDGE] = [112, 28, 3];

export function Sparkline({ scores }) {
  const known = scores.map((value, index) => [index, value]).filter(([, value]) => value !== null);
  if (known.length === 0) return html`<span class="quiet-text">–</span>`;
  const values = known.map(([, value]) => value);
  // At least a tenth of a point high, so that noise does not look like a fall.
  const middle = (Math.min(...values) + Math.max(...values)) / 2;
  const half = Math.max(0.05, (Math.max(...values) - Math.min(...values)) / 2);
  const x = (index) => EDGE + (index / Math.max(1, scores.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (value) => HEIGHT / 2 - ((value - middle) / half) * (HEIGHT / 2 - EDGE);
  const path = known.map(([index, value], place) => `${place ? 'L' : 'M'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const [lastX, last] = known[known.length - 1];
  const way = last > values[0] ? 'good' : last < values[0] ? 'bad' : 'none';
  const label = t('sparkline_label', { from: score(values[0]), to: score(last) });
  return html`<svg class="sparkline ${way}" width=${WIDTH} height=${HEIGHT} role="img" aria-label=${label}><path d=${path} />
    <circle cx=${x(lastX)} cy=${y(last)} r="2.4" /></svg>`;
}
