// For operators: runs, exclusions, keys, webhooks, who changed what, and how well events come in.
import { html, useEffect, useState } from '../vendor/preact-htm.js';
import { ask, key, segment } from '../api.js';
import { count, day, instant, percent, zoneName } from '../format.js';
import { t } from '../language.js';
import { SELDOM } from '../use.js';
import { Audit } from '../parts/audit.js';
import { Ingest } from '../parts/ingest.js';
import { Keys } from '../parts/keys.js';
import { useRows } from '../parts/rows.js';
import { Failure, Loading } from '../parts/states.js';
import { Webhooks } from '../parts/webhooks.js';

const SOON = 3_000;

export function Operator({ caller }) {
  useEffect(() => {
    document.title = `${t('operator')} · shopscore`;
    return () => {
      document.title = 'shopscore';
    };
  }, []);
  return html`<h1 class="title">${t('operator')}</h1>
    <p class="as-of"><span>${t('today', { date: day(caller.today) })}</span>
      <span>${t('next_run', { time: instant(caller.next_slot) })}</span><span>${zoneName()}</span></p>
    <section class="card"><h2>${t('ingest')}</h2><${Ingest} /></section>
    <section class="card"><h2>${t('runs')}</h2><${Runs} caller=${caller} /></section>
    <section class="card"><h2>${t('exclusions')}</h2><${Exclusions} /></section>
    <section class="card"><h2>${t('keys')}</h2>${key() ? html`<${Keys} />` : html`<p class="quiet-text">${t('keys_off')}</p>`}</section>
    <section class="card"><h2>${t('webhooks')}</h2><${Webhooks} /></section>
    <section class="card"><h2>${t('audit')}</h2><${Audit} /></section>`;
}

/** A list of some kind: its failure, its wait, its emptiness, its table, and its further pages. */
export function List({ rows, empty, head, children, label }) {
  if (!rows.items) return rows.error ? html`<${Failure} error=${rows.error} reload=${rows.reload} />` : html`<${Loading} />`;
  if (rows.items.length === 0) return html`<p class="quiet-text">${empty}</p>`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${label}><table class="list"><thead>
    <tr>${head.map((name) => html`<th key=${name}>${name}</th>`)}</tr></thead><tbody>${rows.items.map(children)}</tbody></table>
    </div>
    ${rows.next && html`<button class="quiet" onClick=${rows.more}>${t('more')}</button>`}`;
}

/** A form that sends something, says what went wrong, and is done. */
export function useSending(send) {
  const [state, setState] = useState({});
  const submit = async (event) => {
    event.preventDefault();
    const form = event.target;
    setState({ isSending: true });
    try {
      setState({ done: (await send(Object.fromEntries(new FormData(form)))) ?? true });
      form.reset();
    } catch (error) {
      setState({ error });
    }
  };
  const said = state.error ? html`<p class="bad-text" role="alert">◼ ${faults(state.error)}</p>` : null;
  return { ...state, submit, said };
}

const faults = (error) =>
  [error.message || t('error_other'), ...(error.problem?.errors ?? []).map((fault) => fault.detail)].join(' ');

function Runs({ caller }) {
  const rows = useRows('/v1/runs?limit=10', SOON);
  const sending = useSending(async ({ date, reason }) => {
    await ask('/v1/runs', { method: 'POST', body: { date, reason: reason || undefined } });
    rows.reload();
  });
  const state = (run) => {
    if (run.state === 'published')
      return html`<span class="pill good"><span aria-hidden="true">●</span> ${t('published_as', { n: run.revision })}</span>`;
    if (run.state === 'failed')
      return html`<span class="pill bad" title=${run.error}><span aria-hidden="true">◼</span> ${t('failed')}</span>`;
    const share = run.subjects_total ? run.subjects_done / run.subjects_total : 0;
    return html`<span class="pill warn"><span aria-hidden="true">▲</span> ${t(run.state)} ${percent(share)}</span>`;
  };
  return html`<form class="filters" onSubmit=${sending.submit}>
      <label><span class="label">${t('date')}</span>
        <input type="date" name="date" required max=${caller.today} value=${caller.today} /></label>
      <label class="search"><span class="label">${t('reason')}</span><input name="reason" maxlength="500" /></label>
      <button class="main" disabled=${sending.isSending}>${t('run_now')}</button></form>${sending.said}
    <${List} rows=${rows} empty=${t('no_runs')} label=${t('runs')} head=${['date', 'state', 'trigger', 'subjects', 'published', 'reason'].map((name) => t(name))}>
      ${(run) => html`<tr key=${run.run_id}><th scope="row" class="nowrap">${day(run.date)}</th><td>${state(run)}</td>
        <td>${t(`trigger_${run.trigger}`)}${run.late && html` <span class="pill warn">${t('late')}</span>`}</td>
        <td class="num">${count(run.subjects_total)}</td><td class="nowrap">${instant(run.published_at)}</td>
        <td>${run.error ?? run.reason ?? '–'}</td></tr>`}
    <//>`;
}

function Exclusions() {
  const rows = useRows('/v1/exclusions?limit=20', SELDOM);
  const [target, setTarget] = useState('order');
  const add = useSending(async (form) => {
    const body = Object.fromEntries(Object.entries(form).filter(([, text]) => text !== ''));
    await ask('/v1/exclusions', { method: 'POST', body });
    rows.reload();
  });
  return html`<form class="filters" onSubmit=${add.submit}>
      <label><span class="label">${t('shop')}</span><input name="shop_id" required maxlength="128" /></label>
      <label><span class="label">${t('what')}</span>
        <select name="target" value=${target} onChange=${(event) => setTarget(event.target.value)}>
        ${['order', 'session', 'review', 'aftersale', 'complaint'].map((one) => html`<option key=${one} value=${one}>
        ${t(`record_${one}`)}</option>`)}</select></label>
      <label><span class="label">${t('its_id')}</span><input name="id" required maxlength="128" /></label>
      ${['review', 'aftersale', 'complaint'].includes(target) && html`<label><span class="label">${t('order_id')}</span>
        <input name="order_id" required maxlength="128" /></label>`}
      <label><span class="label">${t('reason')}</span><input name="reason" required maxlength="500" /></label>
      <label><span class="label">${t('decided_by')}</span><input name="decided_by" required maxlength="200" /></label>
      <button class="main" disabled=${add.isSending}>${t('exclude')}</button></form>${add.said}
    <p class="quiet-text">${t('exclusions_about')}</p>
    <${List} rows=${rows} empty=${t('no_exclusions')} label=${t('exclusions')} head=${['what', 'shop', 'reason', 'decided_by', 'state'].map((name) => t(name))}>
      ${(one) => html`<tr key=${one.exclusion_id}>
        <th scope="row">${t(`record_${one.target}`)} <bdi>${one.id}</bdi>${one.order_id && html`<small>
        <bdi>${one.order_id}</bdi></small>`}</th><td><a href=${`/shops/${segment(one.shop_id)}`}><bdi>${one.shop_id}</bdi></a>
        </td><td><bdi>${one.reason}</bdi></td><td><bdi>${one.decided_by}</bdi><small>${instant(one.created_at)}</small></td><td>
        <${Revocation} of=${one} reload=${rows.reload} /></td></tr>`}
    <//>`;
}

function Revocation({ of, reload }) {
  const [isOpen, setOpen] = useState(false);
  const sending = useSending(async (form) => {
    await ask(`/v1/exclusions/${of.exclusion_id}`, { method: 'DELETE', body: form });
    setOpen(false);
    reload();
  });
  if (!of.active)
    return html`<span class="pill none">${t('revoked')}</span><small><bdi>${of.revoked_by}</bdi> ${instant(of.revoked_at)}</small>`;
  const missing = of.matched ? null : html` <span class="pill warn"><span aria-hidden="true">▲</span> ${t('not_matched')}</span>`;
  if (!isOpen)
    return html`<span class="pill good">
      <span aria-hidden="true">●</span> ${t('active')}</span>${missing} <button class="quiet" onClick=${() => setOpen(true)}>
      ${t('revoke')}</button>`;
  return html`<form class="inline-form" onSubmit=${sending.submit}><label><span class="label">${t('revoked_by')}</span>
    <input name="revoked_by" required maxlength="200" /></label>${sending.said}<div>
    <button class="main">${t('revoke')}</button> <button type="button" class="quiet" onClick=${() => setOpen(false)}>
    ${t('cancel')}</button></div></form>`;
}
