// Excluding a record from scores: the operator says why, and who decided.
import { html, useState } from '../vendor/preact-htm.js';
import { ask } from '../api.js';
import { t } from '../language.js';

/** What of a record can be excluded: the part that a fact names, else the whole. */
function targets(record) {
  const found = [];
  for (const { data } of record.facts) {
    for (const part of ['review', 'aftersale', 'complaint']) {
      const id = data[`${part}_id`];
      if (id && !found.some((one) => one.target === part && one.id === id))
        found.push({ target: part, id, order_id: record.order_id ?? data.order_id });
    }
  }
  if (record.order_id) found.push({ target: 'order', id: record.order_id });
  if (record.session_id) found.push({ target: 'session', id: record.session_id });
  return found;
}

export function Exclude({ record }) {
  const [isOpen, setOpen] = useState(false);
  const [state, setState] = useState({});
  const all = targets(record);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    const wanted = all[Number(form.get('target'))];
    setState({ isSending: true });
    try {
      await ask('/v1/exclusions', {
        method: 'POST',
        body: { ...wanted, shop_id: record.shop_id, reason: form.get('reason'), decided_by: form.get('decided_by') },
      });
      setState({ isDone: true });
    } catch (error) {
      setState({ error });
    }
  };
  if (state.isDone)
    return html`<span class="pill good" role="status">
      <span aria-hidden="true">●</span> ${t('excluded')}</span> <a href="/operator">${t('run_to_see')}</a>`;
  if (!isOpen) return html`<button class="quiet" onClick=${() => setOpen(true)}>${t('exclude')}</button>`;
  return html`<form class="inline-form" onSubmit=${submit}>
    <label><span class="label">${t('what')}</span>
      <select name="target">${all.map((one, index) => html`<option key=${index} value=${index}>
      ${t(`record_${one.target}`)} ${one.id}</option>`)}</select></label>
    <label><span class="label">${t('reason')}</span><input name="reason" required maxlength="500" /></label>
    <label><span class="label">${t('decided_by')}</span><input name="decided_by" required maxlength="200" /></label>
    ${state.error && html`<p class="bad-text" role="alert">◼ ${state.error.message || t('error_other')}</p>`}
    <div><button class="main" disabled=${state.isSending}>
      ${t('exclude')}</button> <button class="quiet" type="button" onClick=${() => setOpen(false)}>${t('cancel')}</button></div>
  </form>`;
}
