// Who changed what, the newest first.
import { html, useState } from '../vendor/preact-htm.js';
import { withQuery } from '../api.js';
import { instant } from '../format.js';
import { t } from '../language.js';
import { SELDOM } from '../use.js';
import { List } from '../views/operator.js';
import { useRows } from './rows.js';

export function Audit() {
  const [asked, setAsked] = useState({});
  const rows = useRows(withQuery('/v1/audit', { limit: 20, ...asked }), SELDOM);
  const submit = (event) => {
    event.preventDefault();
    const form = Object.fromEntries(new FormData(event.target));
    setAsked(Object.fromEntries(Object.entries(form).filter(([, text]) => text !== '')));
  };
  const head = ['audit_when', 'audit_who', 'what', 'audit_of', 'audit_change'].map((name) => t(name));
  return html`<form class="filters" onSubmit=${submit}>
      <label><span class="label">${t('shop')}</span><input name="subject" maxlength="128" /></label>
      <label><span class="label">${t('audit_key')}</span><input name="actor" inputmode="numeric" pattern="[0-9]+" /></label>
      <label><span class="label">${t('audit_from')}</span><input type="date" name="from" /></label>
      <button class="quiet">${t('audit_show')}</button></form>
    <${List} rows=${rows} empty=${t('no_audit')} label=${t('audit')} head=${head}>
      ${(one) => html`<tr key=${one.entry_id}><th scope="row" class="nowrap">${instant(one.at)}</th><td>${who(one.actor)}</td>
        <td><code>${one.action}</code></td><td><bdi>${one.subject_id ?? one.target ?? '–'}</bdi></td><td><${Change} of=${one} /></td></tr>`}
    <//>`;
}

const who = ({ kind, key_id: id, key_name: name }) =>
  kind === 'key' ? html`<bdi>${name ?? t('audit_unnamed')}</bdi><small>${t('audit_key')} ${id}</small>` : t(`actor_${kind}`);

/** The members that are other than before. */
function Change({ of }) {
  const [before, after] = [of.before ?? {}, of.after ?? {}];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const text = (value) => (value === null || value === undefined ? '–' : typeof value === 'object' ? JSON.stringify(value) : String(value));
  const changed = names.filter((name) => text(before[name]) !== text(after[name]));
  if (changed.length === 0) return '–';
  return html`<ul class="plain">${changed.slice(0, 6).map((name) => html`<li key=${name}><code>${name}</code>${' '}
    <bdi>${of.before ? `${text(before[name])} → ` : ''}${text(after[name])}</bdi></li>`)}</ul>`;
}
