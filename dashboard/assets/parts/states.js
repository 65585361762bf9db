// Every state that a view can be in, drawn.
import { html } from '../vendor/preact-htm.js';
import { count, instant, clock, day, zoneName, age } from '../format.js';
import { t } from '../language.js';

export const Loading = () =>
  html`<div class="state" role="status"><span class="spinner" aria-hidden="true"></span>${t('loading')}</div>`;

export const Empty = ({ children }) => html`<div class="state">${children}</div>`;

/** What went wrong, and what to do. */
export function Failure({ error, reload }) {
  const known = {
    0: 'error_offline',
    401: 'error_key',
    403: 'error_forbidden',
    404: 'error_missing',
    429: 'error_busy',
    503: 'error_busy',
  };
  const text = t(known[error.status] ?? 'error_other');
  const detail = error.status === 0 ? null : error.message;
  return html`<div class="state bad" role="alert"><strong>${text}</strong>
    ${detail && html`<p class="quiet-text">${detail}</p>`}
    ${reload && html`<button onClick=${reload}>${t('again')}</button>`}</div>`;
}

/** An answer's state, or what `children` makes of it. */
export function Shown({ of, children }) {
  if (of.answer) return children(of.answer);
  if (of.error) return html`<${Failure} error=${of.error} reload=${of.reload} />`;
  return html`<${Loading} />`;
}

/** From when the figures are: the same line on every view. */
export function AsOf({ answer, caller, children }) {
  const due = caller.next_slot;
  // The date that should be published by now: today's from the slot on, and yesterday's before.
  const late = daysBetween(answer.date, caller.today) - (dateIn(caller.time_zone, due) === caller.today ? 1 : 0);
  const isOld = late > 1 || (late === 1 && new Date(due) - Date.now() < 23 * HOUR);
  return html`<p class="as-of">
    <span>${t('as_of', { date: day(answer.date), time: clock(answer.published_at) })}</span>
    <span>${t('revision', { n: answer.revision })}</span>
    <span title=${instant(answer.published_at)}>${age(answer.published_at)}</span>
    <span>${t('next_run', { time: instant(due) })}</span>
    <span>${zoneName()}</span>
    ${isOld && html`<span class="pill warn">▲ ${t('stale', { n: count(late) })}</span>`}
    ${children}
  </p>`;
}

const HOUR = 3_600_000;
const dateIn = (zone, time) => new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(new Date(time));
const daysBetween = (one, other) => Math.round((new Date(other) - new Date(one)) / 86_400_000);
