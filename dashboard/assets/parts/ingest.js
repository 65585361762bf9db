// How well events come in, from the figures that the service shows to monitoring.
import { html, useEffect, useState } from '../vendor/preact-htm.js';
import { count } from '../format.js';
import { t } from '../language.js';

const EVERY = 10_000;
const OUTCOMES = ['accepted', 'duplicate', 'conflict', 'rejected'];

/** The samples of a page of figures: name, labels, number. */
function samples(text) {
  const line = /^([a-z_]+)(?:\{(.*)\})? ([-+.\deE]+|NaN)$/;
  const label = /(\w+)="((?:[^"\\]|\\.)*)"/g;
  return text
    .split('\n')
    .map((one) => line.exec(one))
    .filter(Boolean)
    .map(([, name, labels, number]) => ({
      name,
      labels: Object.fromEntries([...(labels ?? '').matchAll(label)].map(([, key, value]) => [key, value])),
      number: Number(number),
    }));
}

export function Ingest() {
  const [figures, setFigures] = useState(null);
  useEffect(() => {
    const look = async () => {
      try {
        setFigures(samples(await (await fetch('/metrics', { cache: 'no-store' })).text()));
      } catch {
        setFigures(null);
      }
    };
    look();
    const timer = setInterval(look, EVERY);
    return () => clearInterval(timer);
  }, []);
  if (!figures) return html`<p class="quiet-text">${t('no_figures')}</p>`;
  const sum = (name, labels = {}) =>
    figures
      .filter((one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value))
      .reduce((total, one) => total + one.number, 0);
  const rejections = figures
    .filter((one) => one.name === 'shopscore_event_rejections_total' && one.number > 0)
    .sort((one, other) => other.number - one.number);
  return html`<div class="tiles many">${OUTCOMES.map((outcome) => {
    const number = sum('shopscore_events_total', { outcome });
    return html`<div class="tile ${['rejected', 'conflict'].includes(outcome) && number ? 'bad' : 'none'}" key=${outcome}>
      <span class="big num">${count(number)}</span><span>${t(`outcome_${outcome}`)}</span></div>`;
  })}</div>
  <p class="quiet-text">${t('since_start')}</p>
  ${rejections.length > 0 && html`<table class="list"><thead><tr><th>${t('rejected_why')}</th>
    <th class="num">${t('events')}</th></tr></thead>
    <tbody>${rejections.slice(0, 8).map((one) => html`<tr key=${one.labels.code}><td><code>${one.labels.code}</code></td>
    <td class="num">${count(one.number)}</td></tr>`)}</tbody></table>`}`;
}
