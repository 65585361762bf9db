// The orders, cases and sessions behind a count: all of either side, or those that made the difference since the date before.
import { html, useState } from '../vendor/preact-htm.js';
import { withQuery } from '../api.js';
import { count, day, duration, instant, shortDay } from '../format.js';
import { t, titled } from '../language.js';
import { SELDOM } from '../use.js';
import { Exclude } from './exclude.js';
import { useRows } from './rows.js';
import { Failure, Loading } from './states.js';

const STARS = ['product_stars', 'service_stars', 'logistics_stars'];
const LISTS = ['changes', 'numerator', 'denominator'];

export function Records({ metric, answer, changes, base, kind, caller, rule }) {
  const known = changes?.metrics.find((one) => one.id === metric.id);
  const hasChanged =
    known?.before &&
    known.after &&
    (known.before.numerator !== known.after.numerator || known.before.denominator !== known.after.denominator);
  const [list, setList] = useState(hasChanged ? 'changes' : 'numerator');
  const [filter, setFilter] = useState({});
  const lists = changes ? LISTS : LISTS.slice(1);
  const label = (name) =>
    name === 'changes'
      ? t('records_changes', { date: shortDay(changes.from.date) })
      : `${t(`records_${name}`)} (${amount(metric[name], metric, name)})`;
  return html`<div class="records">
    ${rule && html`<p class="definition">${titled(rule.definition)}</p>`}
    <p class="quiet-text">${t('window', { from: day(metric.window.from), to: day(metric.window.to) })}</p>
    <div class="tabs" role="tablist">${lists.map(
      (name) =>
        html`<button key=${name} role="tab" aria-selected=${list === name} onClick=${() => {
          setList(name);
          setFilter({});
        }}>${label(name)}</button>`,
    )}</div>
    ${
      list !== 'changes' &&
      html`<div class="filters small">
      <label><span class="label">${t('day')}</span>
        <input type="date" min=${metric.window.from} max=${metric.window.to} value=${filter.day ?? ''} onChange=${(event) => setFilter({ ...filter, day: event.target.value || undefined })} />
        </label>
      <label><span class="label">${t('product')}</span>
        <input type="text" maxlength="128" value=${filter.product_id ?? ''} onChange=${(event) => setFilter({ ...filter, product_id: event.target.value.trim() || undefined })} />
        </label>
    </div>`
    }
    ${
      list === 'changes'
        ? ['numerator', 'denominator'].map(
            (side) =>
              html`<${Changed} key=${side} side=${side} metric=${metric} answer=${answer} changes=${changes} base=${base} kind=${kind} caller=${caller} />`,
          )
        : html`<${Listed} key=${list + JSON.stringify(filter)} side=${list} filter=${filter} metric=${metric} answer=${answer} base=${base} kind=${kind} caller=${caller} />`
    }
  </div>`;
}

function Listed({ side, filter, metric, answer, base, kind, caller }) {
  const path = withQuery(`${base}/metrics/${metric.id}/records`, {
    side,
    date: answer.date,
    revision: answer.revision,
    ...filter,
    limit: 20,
  });
  const rows = useRows(path, SELDOM);
  if (!rows.items) return rows.error ? html`<${Failure} error=${rows.error} reload=${rows.reload} />` : html`<${Loading} />`;
  const total = amount(rows.first.total, metric, side);
  return html`<p class="quiet-text">${t('records_total', { total })}</p>
    <${Table} rows=${rows} metric=${metric} side=${side} kind=${kind} caller=${caller} />`;
}

function Changed({ side, metric, answer, changes, base, kind, caller }) {
  const path = withQuery(`${base}/metrics/${metric.id}/records/changes`, {
    side,
    date: answer.date,
    revision: answer.revision,
    from: changes.from.date,
    from_revision: changes.from.revision,
    limit: 20,
  });
  const rows = useRows(path, SELDOM);
  if (!rows.items) return rows.error ? html`<${Failure} error=${rows.error} reload=${rows.reload} />` : html`<${Loading} />`;
  const { total, total_before: before } = rows.first;
  return html`<h3>${t(`side_${side}`)}: ${amount(before, metric, side)} → ${amount(total, metric, side)}</h3>
    ${rows.items.length === 0 ? html`<p class="quiet-text">${t('no_record_changed')}</p>` : html`<${Table} rows=${rows} metric=${metric} side=${side} kind=${kind} caller=${caller} withReason />`}`;
}

/** Sums of time read as spans, everything else as counts. */
const amount = (number, metric, side) => (metric.unit === 'seconds' && side === 'numerator' ? duration(number) : count(number));

function Table({ rows, metric, side, kind, caller, withReason }) {
  const isOperator = caller.scopes.includes('admin');
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${t('records_label')}><table class="list"><thead><tr>
      ${withReason && html`<th>${t('reason')}</th>`}<th>${t('record')}</th><th>${t('day')}</th>
        <th class="num">${t('amount')}</th><th>${t('facts')}</th>${isOperator && html`<th>
        <span class="hidden">${t('exclude')}</span></th>`}
    </tr></thead><tbody>${rows.items.map(
      (
        record,
      ) => html`<tr key=${`${record.shop_id} ${record.order_id ?? record.session_id} ${record.aftersale_id} ${record.time}`}>
      ${withReason && html`<td><span class="pill none">${t(`reason_${record.reason}`)}</span></td>`}
      <td><strong><bdi>${record.aftersale_id ?? record.order_id ?? record.session_id}</bdi></strong>
        <small>${t(`record_${record.kind}`)}${record.product_id && html` · <bdi>${record.product_id}</bdi>`}${kind === 'creators' && html` · <bdi>${record.shop_id}</bdi>`}</small>
        </td>
      <td class="nowrap">${day(record.day)}</td>
      <td class="num">${withReason ? html`${amount(record.amount_before, metric, side)} → ${amount(record.amount, metric, side)}` : amount(record.amount, metric, side)}</td>
      <td><ul class="facts">${record.facts.map((fact) => html`<li key=${fact.event_id}><time datetime=${fact.time}>
        ${instant(fact.time)}</time> <code>${fact.type}</code> ${words(fact.data)}</li>`)}</ul></td>
      ${isOperator && html`<td><${Exclude} record=${record} /></td>`}
    </tr>`,
    )}</tbody></table></div>
    ${rows.next && html`<button class="quiet" onClick=${rows.more}>${t('more')}</button>`}`;
}

/** What a fact says beside the ids of its record. */
function words(data) {
  const said = Object.entries(data).filter(([name]) => !['order_id', 'session_id', 'product_id', 'creator_id'].includes(name));
  const stars = said.filter(([name]) => STARS.includes(name));
  const rest = said.filter(([name]) => !STARS.includes(name));
  return html`${stars.map(([name, is]) => html`<span class="stars" key=${name}>
    ${t(`stars_${name.replace('_stars', '')}`)} ★${is}</span> `)}
    <span class="quiet-text">${rest.map(([name, is]) => `${name}=${typeof is === 'object' ? JSON.stringify(is) : is}`).join(' ')}</span>`;
}
