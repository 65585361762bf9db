// The score under an assumption: more good orders, or fewer faults. And how many good orders reach the next line.
import { html, useEffect, useState } from '../vendor/preact-htm.js';
import { ask } from '../api.js';
import { count, day, score, scoreStep, signed, value } from '../format.js';
import { t, titled } from '../language.js';
import { Failure } from './states.js';
import { Change, TierBadge } from './tier.js';

/** Metrics whose faults can be thought away, those that cost most first, as many as this. */
const SLIDERS = 4;
const ORDERS_MAX = 1000;
const WAIT = 200;

export function WhatIf({ base, card, metrics, costs, thresholds, scale }) {
  const [orders, setOrders] = useState(0);
  const [faults, setFaults] = useState({});
  const [result, setResult] = useState({});
  const costly = metrics.metrics
    .filter((metric) => metric.assessed && metric.unit === 'ratio' && metric.better === 'lower' && metric.numerator > 0)
    .sort((one, other) => (costs?.get(other.id) ?? 0) - (costs?.get(one.id) ?? 0))
    .slice(0, SLIDERS);
  const changed = Object.entries(faults).filter(
    ([id, numerator]) => metrics.metrics.find((metric) => metric.id === id)?.numerator !== numerator,
  );
  const isChanged = orders > 0 || changed.length > 0;
  const stamp = JSON.stringify([orders, changed]);
  useEffect(() => {
    if (!isChanged) {
      setResult({});
      return undefined;
    }
    const set = Object.fromEntries(
      changed.map(([id, numerator]) => [
        id,
        { numerator, denominator: metrics.metrics.find((metric) => metric.id === id).denominator },
      ]),
    );
    const body = { ...(orders ? { add: { signed_orders: orders } } : {}), ...(changed.length ? { set } : {}) };
    const stopper = new AbortController();
    const timer = setTimeout(async () => {
      try {
        setResult({
          answer: await ask(`${base}/score/what-if?date=${card.date}&revision=${card.revision}`, {
            method: 'POST',
            body,
            signal: stopper.signal,
          }),
        });
      } catch (error) {
        if (error.name !== 'AbortError') setResult({ error });
      }
    }, WAIT);
    return () => {
      clearTimeout(timer);
      stopper.abort();
    };
  }, [stamp]);
  const { answer } = result;
  const now = answer ?? { score: card.score, tier: card.tier };
  return html`<div class="what-if">
    <p class="outcome" aria-live="polite">
      <span class="score num">${score(now.score)}</span> <${Change} value=${answer ? Number((now.score - card.score).toFixed(2)) : 0} text=${answer ? signed(now.score - card.score) : t('as_published')} /> ${now.tier && html`<${TierBadge} level=${now.tier.level} last=${thresholds.length} />`}</p>
    ${result.error && html`<${Failure} error=${result.error} />`}
    <label class="slider"><span>${t('more_good_orders')}</span><output class="num">+${count(orders)}</output>
      <input type="range" min="0" max=${ORDERS_MAX} step="5" value=${orders} onInput=${(event) => setOrders(Number(event.target.value))} />
      </label>
    ${costly.map((metric) => {
      const numerator = faults[metric.id] ?? metric.numerator;
      return html`<label class="slider" key=${metric.id}><span>${titled(metric.title)}</span>
        <output class="num">${count(numerator)} / ${count(metric.denominator)} = ${value(numerator / metric.denominator, 'ratio')}</output>
        <input type="range" min="0" max=${metric.numerator} step="1" value=${numerator} onInput=${(event) => setFaults({ ...faults, [metric.id]: Number(event.target.value) })} />
        </label>`;
    })}
    ${
      isChanged &&
      html`<button class="quiet" onClick=${() => {
        setOrders(0);
        setFaults({});
      }}>${t('reset')}</button>`
    }
    <${Target} base=${base} card=${card} thresholds=${thresholds} scale=${scale} />
    <p class="quiet-text">${t('what_if_about')}</p>
  </div>`;
}

/** How many good orders it takes to reach a score. */
function Target({ base, card, thresholds, scale }) {
  const next = card.tier.next_up?.at_least ?? Math.min(scale.max, card.score + (scale.max - scale.min) / 100);
  const [wanted, setWanted] = useState(String(Number(next.toFixed(2))));
  const [state, setState] = useState({});
  const look = async (event) => {
    event?.preventDefault();
    setState({ isAsking: true });
    try {
      const answer = await ask(`${base}/score/what-if?date=${card.date}&revision=${card.revision}`, {
        method: 'POST',
        body: { target_score: Number(wanted) },
      });
      setState({ target: answer.target });
    } catch (error) {
      setState({ error });
    }
  };
  const { target, error } = state;
  return html`<form class="target" onSubmit=${look}><label for="target">${t('orders_to')}</label>
    <input id="target" type="number" min=${scale.min} max=${scale.max} step=${scoreStep()} required list="lines" value=${wanted} onInput=${(event) => setWanted(event.target.value)} />
    <datalist id="lines">${thresholds.map((line) => html`<option key=${line} value=${line}></option>`)}</datalist>
    <button class="main" disabled=${state.isAsking}>${t('work_out')}</button>
    <p role="status">${error ? error.message : target && (target.reachable ? html`<strong>${t('orders_needed', { n: count(target.signed_orders) })}</strong> ${target.earliest_date ? t('orders_pace', { pace: target.recent_orders_a_day, date: day(target.earliest_date) }) : t('orders_no_pace')}` : html`<strong>${t('unreachable')}</strong>`)}
      </p></form>`;
}
