// The table of a fleet. Only the rows that can be seen are in the page, however many are loaded.
import { html, useEffect, useRef, useState } from '../vendor/preact-htm.js';
import { segment } from '../api.js';
import { count, score, signed } from '../format.js';
import { t } from '../language.js';
import { Sparkline } from './sparkline.js';
import { Empty, Failure, Loading } from './states.js';
import { Change, TierBadge } from './tier.js';

const ROW = 48;
/** Rows that are drawn above and below what can be seen. */
const SPARE = 8;
/** How near the end the next page is loaded. */
const NEAR_END = 40;

/** Columns in their order: the sort of a first click and of a second one. */
const COLUMNS = [
  { name: 'name', sorts: ['id'] },
  { name: 'category' },
  { name: 'score', sorts: ['score', '-score'], num: true },
  { name: 'change', sorts: ['change', '-change'], num: true },
  { name: 'tier' },
  { name: 'gap', sorts: ['gap'], num: true },
  { name: 'margin', sorts: ['margin'], num: true },
  { name: 'history' },
  { name: 'orders', num: true },
];

export function FleetTable({ rows, kind, sort, last, change }) {
  const room = useRef(null);
  const [from, setFrom] = useState(0);
  const items = rows.items ?? [];
  const visible = Math.ceil((room.current?.clientHeight ?? 600) / ROW);
  const first = Math.max(0, Math.min(from, items.length) - SPARE);
  const shown = items.slice(first, first + visible + 2 * SPARE);
  const scroll = () => {
    const top = Math.floor(room.current.scrollTop / ROW);
    if (top !== from) setFrom(top);
    if (top + visible + NEAR_END > items.length) rows.more();
  };
  useEffect(() => {
    if (room.current) room.current.scrollTop = 0;
    setFrom(0);
  }, [rows.path]);
  if (!rows.items) return rows.error ? html`<${Failure} error=${rows.error} reload=${rows.reload} />` : html`<${Loading} />`;
  if (items.length === 0) return html`<${Empty}>${t('nobody_found')}<//>`;
  const header = ({ name, sorts, num }) => {
    const falling = sorts?.indexOf(sort);
    const label = t(name === 'name' ? (kind === 'shops' ? 'shop' : 'creator') : `column_${name}`);
    return html`<th key=${name} class="${name} ${num ? 'num' : ''}" scope="col" aria-sort=${falling === undefined || falling < 0 ? undefined : falling === 0 ? 'ascending' : 'descending'}>
      ${sorts ? html`<button class="sort" onClick=${() => change({ sort: sorts[(falling + 1) % sorts.length] })}>
        ${label}<span aria-hidden="true">${falling === 0 ? ' ▾' : falling === 1 ? ' ▴' : ''}</span></button>` : label}</th>`;
  };
  return html`<div class="table-room ${rows.isOld ? 'old' : ''}" aria-busy=${rows.isOld} ref=${room} onScroll=${scroll} tabindex="0" role="region" aria-label=${t('table_label')}>
    <table class="fleet" aria-rowcount=${rows.next ? -1 : items.length + 1}>
      <thead><tr>${COLUMNS.map(header)}</tr></thead>
      <tbody>
        <tr class="space" aria-hidden="true"><td colspan=${COLUMNS.length} style=${{ height: `${first * ROW}px` }}></td></tr>
        ${shown.map((card, index) => html`<${Row} key=${card.shop_id ?? card.creator_id} card=${card} kind=${kind} last=${last} place=${first + index + 2} />`)}
        <tr class="space" aria-hidden="true">
          <td colspan=${COLUMNS.length} style=${{ height: `${Math.max(0, items.length - first - shown.length) * ROW}px` }}></td>
          </tr>
      </tbody>
    </table></div>
    <p class="quiet-text" role="status">${rows.next ? t('loaded_more', { n: count(items.length) }) : t('loaded_all', { n: count(items.length) })}</p>`;
}

function Row({ card, kind, last, place }) {
  const id = card.shop_id ?? card.creator_id;
  return html`<tr aria-rowindex=${place}>
    <th scope="row" class="name"><a href=${`/${kind}/${segment(id)}`}><bdi>${card.name ?? id}</bdi>
      </a>${card.name && html`<small><bdi>${id}</bdi></small>`}</th>
    <td class="category">${card.category_id ?? t('no_category')}</td>
    <td class="num score">${score(card.score)}</td>
    <td class="num change"><${Change} value=${card.change} text=${signed(card.change)} /></td>
    <td class="tier"><${TierBadge} level=${card.tier_level} last=${last} /></td>
    <td class="num gap">${card.gap === null ? '–' : score(card.gap)}</td>
    <td class="num margin">${card.margin === null ? '–' : score(card.margin)}</td>
    <td class="history"><${Sparkline} scores=${card.history} /></td>
    <td class="num orders">${count(card.signed_orders)}</td>
  </tr>`;
}
