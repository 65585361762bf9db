// What to do: what costs most, which products it comes from, and what leaves the windows by itself.
import { html } from '../vendor/preact-htm.js';
import { segment, withQuery } from '../api.js';
import { count, points, score, shortDay, signed, value } from '../format.js';
import { t, titled } from '../language.js';
import { SELDOM } from '../use.js';
import { useRows } from './rows.js';
import { Failure, Loading, Shown } from './states.js';
import { Change } from './tier.js';

const SHOWN = 4;
const DAYS = 10;

export function Advice({ advice }) {
  return html`<${Shown} of=${advice}>${({ metrics }) =>
    metrics.length === 0
      ? html`<p>${t('nothing_costs')}</p>`
      : html`<ol class="advice">${metrics.slice(0, SHOWN).map(
          (one) => html`<li key=${one.metric.id}>
    <h3>${titled(one.metric.title)} <span class="pill bad">${signed(-one.costs, 2)}</span></h3>
    <p>${titled(one.advice)}</p>
    <p class="quiet-text">${t('at_best', { score: score(one.score_at_best) })}${one.penalties_lifted?.length > 0 && ` ${t('lifts', { penalties: one.penalties_lifted.map((penalty) => titled(penalty.title)).join(t('comma')) })}`}</p>
    ${one.worst_days?.length > 0 && html`<p class="quiet-text">${t('worst_day', { day: shortDay(one.worst_days[0].day), counts: counts(one.worst_days[0], one.metric), date: shortDay(one.worst_days[0].leaves_on) })}</p>`}
  </li>`,
        )}</ol>`}<//>`;
}

/** What a day adds to a metric, in the metric's own unit. */
function counts({ numerator, denominator }, { unit }) {
  if (unit === 'ratio') return `${count(numerator)}/${count(denominator)}`;
  return denominator ? value(numerator / denominator, unit) : '–';
}

/** The coming days: what goes out of the windows, and the score that is left. */
export function Leaving({ forecast, rules, card }) {
  const titles = new Map(rules?.metrics.map((metric) => [metric.id, titled(metric.title)]) ?? []);
  const units = new Map(rules?.metrics.map((metric) => [metric.id, metric]) ?? []);
  let before = card.score;
  const days = forecast.days.slice(0, DAYS).map((one) => {
    const by = one.score === null || before === null ? null : Number((one.score - before).toFixed(2));
    before = one.score;
    // Faults that go are what helps, so they are named.
    const gone = one.metrics
      .filter(
        (metric) =>
          metric.leaving.numerator > 0 && units.get(metric.id)?.better === 'lower' && units.get(metric.id)?.unit === 'ratio',
      )
      .map((metric) => `${titles.get(metric.id)} ${count(metric.leaving.numerator)}/${count(metric.leaving.denominator)}`);
    return { ...one, by, gone };
  });
  return html`<p class="quiet-text">${t('leaving_about')}</p>
    <div class="scrolls" tabindex="0" role="region" aria-label=${t('leaving')}><table class="list"><thead><tr>
      <th>${t('date')}</th><th class="num">${t('score')}</th><th class="num">${t('column_change')}</th>
      <th>${t('faults_leaving')}</th></tr></thead>
    <tbody>${days.map((one) => html`<tr key=${one.date}><th scope="row" class="nowrap">${shortDay(one.date)}</th>
      <td class="num">${score(one.score)}</td><td class="num"><${Change} value=${one.by} text=${signed(one.by)} /></td>
      <td class="quiet-text">${one.gone.join(t('comma')) || '–'}</td></tr>`)}</tbody></table></div>`;
}

export function Products({ base, kind }) {
  const rows = useRows(withQuery(`${base}/products`, { sort: 'bad_review_rate', limit: 10 }), SELDOM);
  if (!rows.items) return rows.error ? html`<${Failure} error=${rows.error} reload=${rows.reload} />` : html`<${Loading} />`;
  if (rows.items.length === 0) return html`<p class="quiet-text">${t('no_products')}</p>`;
  const rate = (of) =>
    html`<td class="num">${value(of.value, 'ratio')} <small>${count(of.numerator)}/${count(of.denominator)}</small></td>`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${t('products')}><table class="list"><thead><tr>
    <th>${t('product')}</th><th class="num">${t('bad_reviews')}</th><th class="num">${t('quality_returns')}</th>
    <th class="num">${t('complaints')}</th><th class="num">${t('stars')}</th><th class="num">${t('paid_orders')}</th>
    <th>${t('shelf')}</th></tr></thead>
    <tbody>${rows.items.map((one) => html`<tr key=${`${one.shop_id} ${one.product_id}`}><th scope="row">
      <bdi>${one.product_id}</bdi>${kind === 'creators' && html`<small><a href=${`/shops/${segment(one.shop_id)}`}>
      <bdi>${one.shop_id}</bdi></a>
      </small>`}</th>${rate(one.bad_review_rate)}${rate(one.quality_return_rate)}${rate(one.complaint_rate)}<td class="num">${points(one.mean_stars)}</td>
      <td class="num">${count(one.paid_orders)}</td><td>${t(one.on_shelf ? 'on_shelf' : 'off_shelf')}</td></tr>`)}</tbody>
      </table></div>
    ${rows.next && html`<button class="quiet" onClick=${rows.more}>${t('more')}</button>`}`;
}
