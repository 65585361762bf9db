// Numbers, dates and spans of time as people read them, in the business time zone.
import { locale, t } from './language.js';

let zone;
export const setZone = (name) => {
  zone = name;
};
/** The zone as people call it. */
export const zoneName = () =>
  new Intl.DateTimeFormat(locale(), { timeZone: zone, timeZoneName: 'long' })
    .formatToParts(new Date())
    .find((part) => part.type === 'timeZoneName').value;

export const NONE = '–';
const MINUS = '−';

const number = (value, places) =>
  new Intl.NumberFormat(locale(), { minimumFractionDigits: places, maximumFractionDigits: places }).format(value);

export const count = (value) => (value === null || value === undefined ? NONE : number(value, 0));

let scorePlaces = 2;
/** The decimals with which the rule set that is shown publishes scores. */
export const setScorePlaces = (places) => {
  scorePlaces = places;
};

/** A score, with the decimals that it is published with. */
export const score = (value) => (value === null || value === undefined ? NONE : number(value, scorePlaces));
/** The smallest difference between two scores. */
export const scoreStep = () => Number((10 ** -scorePlaces).toFixed(scorePlaces));

/** The points of a metric: two decimals. */
export const points = (value) => (value === null || value === undefined ? NONE : number(value, 2));

/** A difference with its sign. What rounds to nothing has none. */
export function signed(value, places = scorePlaces) {
  if (value === null || value === undefined) return NONE;
  const text = number(Math.abs(value), places);
  if (Number(Math.abs(value).toFixed(places)) === 0) return number(0, places);
  return (value < 0 ? MINUS : '+') + text;
}

/** The value of a metric in its own unit. */
export function value(amount, unit) {
  if (amount === null || amount === undefined) return NONE;
  if (unit === 'ratio') return `${number(amount * 100, 2)}%`;
  if (unit === 'seconds') return duration(amount);
  return number(amount, 2);
}

export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (seconds < 120) return t('seconds', { n: Math.round(seconds) });
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor((minutes % 1440) / 60), minutes % 60];
  if (days > 0) return t('days_hours', { d: days, h: hours });
  return hours > 0 ? t('hours_minutes', { h: hours, m: rest }) : t('minutes', { n: rest });
}

export const percent = (fraction) => `${number(fraction * 100, 1)}%`;

/** A calendar date (YYYY-MM-DD), which has no zone. */
export const day = (date, style = 'medium') =>
  date ? new Intl.DateTimeFormat(locale(), { dateStyle: style, timeZone: 'UTC' }).format(new Date(`${date}T00:00:00Z`)) : NONE;

export const shortDay = (date) =>
  new Intl.DateTimeFormat(locale(), { month: 'short', day: 'numeric', timeZone: 'UTC' }).format(new Date(`${date}T00:00:00Z`));

/** An instant, as the clocks of the business show it. */
export const instant = (time) =>
  time
    ? new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23', timeZone: zone }).format(
        new Date(time),
      )
    : NONE;

export const clock = (time) =>
  time
    ? new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone: zone }).format(
        new Date(time),
      )
    : NONE;

export function age(time, now = Date.now()) {
  const minutes = Math.max(0, Math.round((now - new Date(time)) / 60000));
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  if (minutes < 60) return format.format(-minutes, 'minute');
  return minutes < 2880 ? format.format(-Math.round(minutes / 60), 'hour') : format.format(-Math.round(minutes / 1440), 'day');
}
