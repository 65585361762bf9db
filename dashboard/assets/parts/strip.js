// Where a value stands among its peers: from the 10th to the 90th percentile, the middle half, the median, and its own mark.
import { html } from '../vendor/preact-htm.js';
import { value as shown } from '../format.js';
import { t } from '../language.js';

const [WIDTH, HEIGHT, EDGE] = [150, 22, 8];

export function Strip({ metric, peers }) {
  if (!peers || metric.value === null)
    return html`<span class="quiet-text">${metric.assessed ? t('by_value') : t('not_assessed')}</span>`;
  const spread = Math.max(peers.p90 - peers.p10, Math.abs(peers.p50) * 0.02, 1e-9);
  // The better end is on the right, whichever way the metric goes.
  const flip = metric.better === 'lower';
  const x = (amount) => {
    const share = Math.min(1.12, Math.max(-0.12, (amount - peers.p10) / spread));
    const inner = WIDTH - 2 * EDGE;
    const from = EDGE + inner * 0.12 + (flip ? 1 - share : share) * inner * 0.76;
    return Math.min(WIDTH - EDGE, Math.max(EDGE, from));
  };
  const span = (from, to) => ({ x: Math.min(x(from), x(to)), width: Math.max(1, Math.abs(x(to) - x(from))) });
  const [outer, inner] = [span(peers.p10, peers.p90), span(peers.p25, peers.p75)];
  const isWorse = flip ? metric.value > peers.p75 : metric.value < peers.p25;
  const isBetter = flip ? metric.value <= peers.p25 : metric.value >= peers.p75;
  const way = isWorse ? 'bad' : isBetter ? 'good' : 'none';
  const label = t('strip_label', { better: metric.better_peers, peers: metric.peers - 1, median: shown(peers.p50, metric.unit) });
  return html`<svg class="strip" width=${WIDTH} height=${HEIGHT} role="img" aria-label=${label}>
    <title>${label}</title>
    <rect class="outer" x=${outer.x} y="9" width=${outer.width} height="4" rx="2" />
    <rect class="inner" x=${inner.x} y="7" width=${inner.width} height="8" rx="2" />
    <line class="median" x1=${x(peers.p50)} x2=${x(peers.p50)} y1="5" y2="17" />
    <path class="own ${way}" d=${`M${x(metric.value)} 4l5.5 7-5.5 7-5.5-7z`} />
  </svg>`;
}
