// One shop or creator: where it stands, where it goes, why it moved, and what to do.
import { html, useEffect } from '../vendor/preact-htm.js';
import { ruleSetOf, SCALE, segment, withQuery } from '../api.js';
import { count, day, score as shown, setScorePlaces, shortDay, signed } from '../format.js';
import { language, t, titled } from '../language.js';
import { Advice, Leaving, Products } from '../parts/advice.js';
import { History } from '../parts/history.js';
import { Metrics } from '../parts/metrics.js';
import { Lines, Ruler } from '../parts/ruler.js';
import { AsOf, Empty, Failure, Loading, Shown } from '../parts/states.js';
import { Change, TierBadge } from '../parts/tier.js';
import { Waterfall } from '../parts/waterfall.js';
import { WhatIf } from '../parts/what_if.js';
import { OFTEN, useAnswer } from '../use.js';

const HISTORY_DAYS = 90;
const FORECAST_DAYS = 30;

export function Subject({ caller, kind, id }) {
  const base = `/v1/${kind}/${segment(id)}`;
  const score = useAnswer(`${base}/score`, OFTEN);
  const registered = useAnswer(base);
  const name = registered.answer?.name;
  useEffect(() => {
    document.title = `${name ?? id} · shopscore`;
    return () => {
      document.title = 'shopscore';
    };
  }, [name, id]);
  if (score.isLoading) return html`<${Loading} />`;
  const title = html`<h1 class="title"><bdi>${name ?? id}</bdi>${name && html` <small><bdi>${id}</bdi></small>`}</h1>`;
  if (!score.answer) {
    if (score.error.kind === 'score-not-published')
      return html`${title}<${Empty}><strong>${t('no_score_yet')}</strong><p>${t('no_score_yet_about')}</p><//>`;
    if (score.error.kind === 'subject-not-found')
      return html`${title}<${Empty}><strong>${t('unknown_subject')}</strong><p><a href="/">${t('to_fleet')}</a></p><//>`;
    return html`${title}<${Failure} error=${score.error} reload=${score.reload} />`;
  }
  const card = score.answer;
  return html`${title}
    <p class="sub">${t(kind === 'shops' ? 'shop' : 'creator')} · ${card.category_id ?? t('no_category')}</p>
    <${AsOf} answer=${card} caller=${caller} />
    ${card.score === null ? html`<${TooFew} card=${card} />` : null}
    <${Card} key=${card.run_id} card=${card} base=${base} kind=${kind} caller=${caller} />`;
}

function TooFew({ card }) {
  return html`<div class="card notice"><strong>${t('too_few_title')}</strong>
    <p>${t('too_few_about', { have: count(card.volume.count), need: count(card.needed ?? 0) })}</p></div>`;
}

function Growth({ card }) {
  const { count: have, minimum } = card.volume;
  return html`<div class="card notice"><strong>${t('growth_title')}</strong>
    <p>${t('growth_about', { have: count(have), need: count(minimum), score: shown(card.score) })}</p></div>`;
}

/** What the platform added and took off. */
function Adjustments({ card }) {
  if (!card.adjustments.length) return null;
  return html`<section class="card"><h2>${t('adjustments')}</h2><ul class="lines">${card.adjustments.map(
    (one) => html`<li key=${one.code}><span class="num ${one.points < 0 ? 'bad-text' : 'good-text'}">${signed(one.points)}</span>
      <span>${titled(one.title)}</span><span class="quiet-text">× ${count(one.count)}</span></li>`,
  )}</ul></section>`;
}

/** Everything about one published card. It is made anew for each revision. */
function Card({ card, base, kind, caller }) {
  const at = (route, parameters) => withQuery(`${base}/${route}`, parameters);
  const isScored = card.score !== null;
  const ruleSet = useAnswer(ruleSetOf(card));
  const metrics = useAnswer(at('metrics', { revision: card.revision, date: card.date }));
  const penalties = useAnswer(isScored ? at('penalties', { revision: card.revision, date: card.date }) : null);
  const history = useAnswer(at('scores', { from: earlier(card.date, HISTORY_DAYS), to: card.date }));
  const advice = useAnswer(isScored ? at('score/advice', { revision: card.revision, date: card.date }) : null);
  const costs = advice.answer && new Map(advice.answer.metrics.map((one) => [one.metric.id, one.costs]));
  const forecast = useAnswer(isScored ? at('score/forecast', { days: FORECAST_DAYS }) : null);
  // Only where there is an earlier card there is a change to explain.
  const hasEarlier = history.answer?.scores.some((past) => past.date < card.date);
  const changes = useAnswer(hasEarlier ? at('score/changes', { date: card.date }) : null);
  const thresholds = [...new Set(ruleSet.answer?.penalties.filter((penalty) => penalty.dimension === null).map((penalty) => penalty.below) ?? [])];
  const rules = ruleSet.answer;
  const scale = rules?.scale ?? SCALE;
  setScorePlaces(rules?.score_places ?? 2);
  return html`
    ${card.status === 'growth' && html`<${Growth} card=${card} />`}
    ${
      isScored &&
      html`<section class="card hero" aria-label=${t('score')}>
      <div class="standing"><span class="score num">${shown(card.score)}</span>
        <div><${Moved} changes=${changes.answer} />
          <${TierBadge} level=${card.tier.level} last=${thresholds.length || card.tier.level} /></div></div>
      <div>${rules ? html`<${Ruler} score=${card.score} tier=${card.tier} thresholds=${thresholds} scale=${rules.scale} />` : html`<${Loading} />`}
      <${Headline} card=${card} changes=${changes.answer} metrics=${metrics.answer} advice=${advice.answer} forecast=${forecast.answer} />
      <${InForce} penalties=${penalties.answer} /></div>
    </section>`
    }
    <${Dimensions} card=${card} rules=${rules} />
    <${Adjustments} card=${card} />
    ${
      isScored &&
      html`<section class="card half"><h2>${t('history')}</h2><${Shown} of=${history}>
        ${(past) => html`<${History} history=${past.scores} forecast=${forecast.answer?.days ?? []} thresholds=${thresholds} scale=${scale} />`}<//>
        </section>
    <section class="card half">
      <h2>${t('why_moved')}</h2><${Why} changes=${changes} metrics=${metrics.answer} isKnown=${!history.answer || hasEarlier} />
      </section>`
    }
    <section class="card"><h2>${t('metrics')}</h2><p class="quiet-text">${t('metrics_about')}</p>
      <${Shown} of=${metrics}>
        ${(answer) => html`<${Metrics} answer=${answer} changes=${changes.answer} costs=${costs} rules=${rules} base=${base} kind=${kind} caller=${caller} />`}<//>
        </section>
    ${
      isScored &&
      html`<section class="card half"><h2>${t('advice')}</h2><${Advice} advice=${advice} /></section>
    <section class="card half">
      <h2>${t('what_if')}</h2>${metrics.answer && html`<${WhatIf} base=${base} card=${card} metrics=${metrics.answer} costs=${costs} thresholds=${thresholds} scale=${scale} />`}</section>
    <section class="card half"><h2>${t('penalties')}</h2>${rules && html`<${Shown} of=${penalties}>
      ${(answer) => html`<${Lines} ruleSet=${rules} penalties=${answer.penalties} />`}<//>`}</section>
    <section class="card half"><h2>${t('leaving')}</h2><${Shown} of=${forecast}>
      ${(answer) => html`<${Leaving} forecast=${answer} rules=${rules} card=${card} />`}<//></section>`
    }
    <section class="card"><h2>${t('products')}</h2><p class="quiet-text">${t('products_about')}</p>
      <${Products} base=${base} kind=${kind} /></section>`;
}

const earlier = (date, days) => new Date(Date.parse(`${date}T00:00:00Z`) - (days - 1) * 86_400_000).toISOString().slice(0, 10);

function Moved({ changes }) {
  if (!changes || changes.change === null) return html`<span class="quiet-text">${t('no_change_known')}</span>`;
  const by = changes.to.score - changes.from.score;
  return html`<${Change} value=${Number(by.toFixed(2))} text=${t('since_date', { by: signed(by), date: shortDay(changes.from.date) })} />`;
}

/** What matters in a sentence or two: what moved the score, and the line that comes next. */
function Headline({ card, changes, metrics, advice, forecast }) {
  const titles = new Map(metrics?.metrics.map((metric) => [metric.id, titled(metric.title)]) ?? []);
  const said = [];
  const most = [...(changes?.metrics ?? [])]
    .filter((one) => one.total)
    .sort((one, other) => Math.abs(other.total) - Math.abs(one.total))[0];
  if (most && Math.abs(most.total) >= 0.0005) {
    const why = Math.abs(most.own) < Math.abs(most.peers) / 10 ? t('only_peers') : '';
    said.push(
      t(most.total < 0 ? 'mostly_down' : 'mostly_up', {
        date: shortDay(changes.from.date),
        metric: titles.get(most.id) ?? most.id,
        by: signed(most.total, 3),
        why,
      }),
    );
  }
  const costly = advice?.metrics[0];
  if (costly && costly.costs >= 0.005 && costly.metric.id !== most?.id)
    said.push(t('costs_most', { metric: titled(costly.metric.title), by: signed(-costly.costs, 2) }));
  const crossing = forecast?.days.find((one) => one.tier && one.tier.level !== card.tier.level);
  if (crossing) {
    const worse = crossing.tier.level > card.tier.level;
    const line = worse ? card.tier.next_down.below : card.tier.next_up.at_least;
    const end = forecast.days.findLast((one) => one.score !== null);
    said.push(
      t(worse ? 'will_fall' : 'will_rise', {
        date: shortDay(crossing.date),
        score: shown(crossing.score),
        line: shown(line),
        end: shown(end.score),
        until: shortDay(end.date),
      }),
    );
  } else if (forecast) {
    const lowest = [...forecast.days].filter((one) => one.score !== null).sort((one, other) => one.score - other.score)[0];
    if (lowest) said.push(t('stays', { n: forecast.days.length, low: shown(lowest.score), date: shortDay(lowest.date) }));
  }
  const without = forecast?.days.find((one) => one.score === null);
  if (without) said.push(t('no_volume', { date: shortDay(without.date) }));
  return html`<p class="headline">${said.join(language() === 'zh' ? '' : ' ')}</p>`;
}

/** What the tier means: the penalties that are in force. */
function InForce({ penalties }) {
  if (!penalties?.penalties.length) return null;
  return html`<p class="in-force">
    <span class="label">${t('in_force')}</span> ${penalties.penalties.map((penalty) => html`<span class="pill bad" key=${penalty.code}>
    <span aria-hidden="true">◼</span> ${titled(penalty.title)}</span> `)}</p>`;
}

function Dimensions({ card, rules }) {
  const titles = new Map(rules?.dimensions.map((dimension) => [dimension.id, titled(dimension.title)]) ?? []);
  const { min, max } = rules?.scale ?? SCALE;
  return html`<section class="dimensions" aria-label=${t('dimensions')}>${card.dimensions.map(
    (dimension) => html`<div class="card dimension" key=${dimension.id}>
    <h2>${titles.get(dimension.id) ?? dimension.id} · ${t('weight', { share: `${Number((dimension.weight * 100).toFixed(1))}%` })}</h2><p class="big num">${shown(dimension.score)}</p>
    <span class="bar-room" aria-hidden="true">
      <span class="bar accent" style=${{ width: `${dimension.score === null ? 0 : ((dimension.score - min) / (max - min)) * 100}%` }}>
      </span></span></div>`,
  )}</section>`;
}

function Why({ changes, metrics, isKnown }) {
  if (!isKnown) return html`<p class="quiet-text">${t('first_date')}</p>`;
  return html`<${Shown} of=${changes}>${(answer) => {
    if (answer.change === null) return html`<p class="quiet-text">${answer.untold ? titled(answer.untold) : t('no_change_known')}</p>`;
    const titles = new Map(metrics?.metrics.map((metric) => [metric.id, titled(metric.title)]) ?? []);
    const moved = answer.metrics
      .filter((one) => Math.abs(one.total) >= 0.00005)
      .sort((one, other) => Math.abs(other.total) - Math.abs(one.total));
    return html`<p class="quiet-text">${t('why_about', { from: day(answer.from.date), to: day(answer.to.date), by: signed(answer.change, 4) })}</p>
      <${Waterfall} changes=${answer} />
      ${
        moved.length === 0
          ? html`<p>${t('nothing_moved')}</p>`
          : html`<table class="parts"><thead><tr>
            <th>${t('metric')}</th>${['own', 'peers', 'weights', 'total'].map((part) => html`<th class="num" key=${part}>
            ${t(`part_${part}`)}</th>`)}</tr></thead>
      <tbody>${moved.map((one) => html`<tr key=${one.id}><th scope="row"><a href=${`#metric-${one.id}`}>
        ${titles.get(one.id) ?? one.id}</a>
        </th>${['own', 'peers', 'weights', 'total'].map((part) => html`<td key=${part} class="num ${one[part] <= -0.00005 ? 'bad-text' : one[part] >= 0.00005 ? 'good-text' : 'quiet-text'}">${signed(one[part], 4)}</td>`)}
        </tr>`)}
      <tr class="sum">
        <th scope="row">${t('sum')}</th>${['own', 'peers', 'weights'].map((part) => html`<td class="num" key=${part}>
        ${signed(answer.parts[part], 4)}</td>`)}<td class="num">${signed(answer.change - answer.parts.adjustments, 4)}</td></tr></tbody></table>`
      }`;
  }}<//>`;
}
