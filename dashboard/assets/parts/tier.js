// A tier by word, shape and colour: never by colour alone.
import { html } from '../vendor/preact-htm.js';
import { t } from '../language.js';

/** How bad a tier is among all: good, warn or bad. */
export function role(level, last) {
  if (level === null || level === undefined) return 'none';
  if (level === 0) return 'good';
  return level * 2 <= last ? 'warn' : 'bad';
}

const SHAPES = { good: '●', warn: '▲', bad: '◼', none: '○' };

export const shape = (level, last) => SHAPES[role(level, last)];

export function TierBadge({ level, last }) {
  const text = level === null || level === undefined ? t('too_few') : level === 0 ? t('tier_0') : t('tier_n', { n: level });
  return html`<span class="pill ${role(level, last)}"><span aria-hidden="true">${shape(level, last)}</span> ${text}</span>`;
}

/** A change with its sign, an arrow and a colour. */
export function Change({ value, text }) {
  if (value === null || value === undefined) return html`<span class="change none">–</span>`;
  const way = value > 0 ? 'good' : value < 0 ? 'bad' : 'none';
  return html`<span class="change ${way}">${text}<span aria-hidden="true">${value > 0 ? ' ▲' : value < 0 ? ' ▼' : ''}</span></span>`;
}
