// Webhooks: who is told what, whether it arrives, and what to send again.
import { html, useState } from '../vendor/preact-htm.js';
import { ask } from '../api.js';
import { count, instant } from '../format.js';
import { t } from '../language.js';
import { SELDOM } from '../use.js';
import { List, useSending } from '../views/operator.js';
import { useRows } from './rows.js';

const EVENTS = [
  'score.published',
  'tier.changed',
  'metric.alert',
  'run.published',
  'run.failed',
  'run.late',
  'event.rejected',
];
const SOON = 3_000;

export function Webhooks() {
  const rows = useRows('/v1/webhooks?limit=50', SELDOM);
  const [made, setMade] = useState(null);
  const [shown, setShown] = useState(null);
  const sending = useSending(async ({ url, shop_ids: shops, ...events }) => {
    const named = shops.split(/[\s,]+/).filter(Boolean);
    const body = { url, events: EVENTS.filter((event) => events[event]), shop_ids: named.length ? named : undefined };
    setMade(await ask('/v1/webhooks', { method: 'POST', body }));
    rows.reload();
  });
  const head = ['webhook_url', 'webhook_events', 'bound_to_shops', 'state', 'actions'].map((name) => t(name));
  return html`<form class="filters" onSubmit=${sending.submit}>
      <label class="search"><span class="label">${t('webhook_url')}</span>
        <input name="url" type="url" required maxlength="2000" placeholder="https://" /></label>
      <label class="search"><span class="label">${t('bound_to_shops')}</span>
        <input name="shop_ids" placeholder=${t('all_shops')} /></label>
      <fieldset><legend class="label">${t('webhook_events')}</legend>${EVENTS.map((event) => html`<label class="check" key=${event}>
        <input type="checkbox" name=${event} /> <code>${event}</code></label>`)}</fieldset>
      <button class="main" disabled=${sending.isSending}>${t('subscribe')}</button></form>${sending.said}
    ${made && html`<p class="notice" role="status">${t('secret_shown_once')} <code class="secret">${made.secret}</code></p>`}
    <${List} rows=${rows} empty=${t('no_webhooks')} label=${t('webhooks')} head=${head}>
      ${(one) => html`<tr key=${one.webhook_id}><th scope="row"><bdi>${one.url}</bdi>${one.description && html`<small>
        <bdi>${one.description}</bdi></small>`}</th><td><code>${one.events.join(' ')}</code></td>
        <td><bdi>${one.shop_ids?.join(', ') ?? t('all_shops')}</bdi></td><td><${State} of=${one} /></td><td>
        <${Actions} of=${one} reload=${rows.reload} isShown=${shown === one.webhook_id}
          show=${() => setShown(shown === one.webhook_id ? null : one.webhook_id)} /></td></tr>`}
    <//>
    ${shown && html`<${Deliveries} key=${shown} of=${shown} />`}`;
}

function State({ of }) {
  if (!of.enabled)
    return html`<span class="pill none">${t('webhook_disabled')}</span><small>${of.disabled_reason}</small>`;
  if (of.failing_since)
    return html`<span class="pill bad"><span aria-hidden="true">◼</span> ${t('webhook_failing')}</span>
      <small>${instant(of.failing_since)}</small>`;
  return html`<span class="pill good"><span aria-hidden="true">●</span> ${t('active')}</span>`;
}

function Actions({ of, reload, isShown, show }) {
  const [isSure, setSure] = useState(false);
  const [error, setError] = useState(null);
  const act = (method, path) => async () => {
    try {
      await ask(`/v1/webhooks/${of.webhook_id}${path}`, { method });
      setError(null);
      reload();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<button class="quiet" aria-expanded=${isShown} onClick=${show}>${t('deliveries')}</button>
    ${of.enabled && html` <button class="quiet" onClick=${act('POST', '/test')}>${t('send_test')}</button>`}
    ${isSure ? html` <button class="main bad" onClick=${act('DELETE', '')}>${t('delete_for_good')}</button>` : html` <button class="quiet" onClick=${() => setSure(true)}>
      ${t('delete')}</button>`}${error && html`<p class="bad-text" role="alert">◼ ${error.message}</p>`}`;
}

function Deliveries({ of }) {
  const [state, setState] = useState('');
  const rows = useRows(`/v1/webhooks/${of}/deliveries?limit=20${state && `&state=${state}`}`, SOON);
  const [said, setSaid] = useState(null);
  const retry = (path, body) => async () => {
    try {
      const answer = await ask(`/v1/webhooks/${of}${path}`, { method: 'POST', body });
      setSaid(t('sent_again', { n: count(answer.deliveries ?? 1) }));
      rows.reload();
    } catch (failed) {
      setSaid(failed.message);
    }
  };
  const head = ['what', 'webhook_about', 'state', 'attempts', 'actions'].map((name) => t(name));
  return html`<h3>${t('deliveries')}</h3><div class="filters"><label><span class="label">${t('state')}</span>
      <select value=${state} onChange=${(event) => setState(event.target.value)}><option value="">${t('all_states')}</option>
      ${['pending', 'delivered', 'failed'].map((one) => html`<option key=${one} value=${one}>${t(`delivery_${one}`)}</option>`)}</select></label>
      <button class="quiet" onClick=${retry('/retry-failed')}>${t('retry_failed')}</button></div>
    ${said && html`<p class="notice" role="status">${said}</p>`}
    <${List} rows=${rows} empty=${t('no_deliveries')} label=${t('deliveries')} head=${head}>
      ${(one) => html`<tr key=${one.delivery_id}><th scope="row"><code>${one.event}</code><small>${instant(one.created_at)}</small></th>
        <td><bdi>${one.subject_id ?? '–'}</bdi></td><td><${Outcome} of=${one} /></td><td><${Attempts} of=${one.attempts} /></td>
        <td>${one.state === 'failed' && html`<button class="quiet" onClick=${retry(`/deliveries/${one.delivery_id}/retry`)}>
        ${t('send_again')}</button>`}</td></tr>`}
    <//>`;
}

const LOOKS = { delivered: ['good', '●'], pending: ['warn', '▲'], failed: ['bad', '◼'] };

function Outcome({ of }) {
  const [look, sign] = LOOKS[of.state];
  return html`<span class=${`pill ${look}`}><span aria-hidden="true">${sign}</span> ${t(`delivery_${of.state}`)}</span>
    ${of.next_attempt_at && of.attempts.length > 0 && html`<small>${t('next_attempt', { time: instant(of.next_attempt_at) })}</small>`}`;
}

function Attempts({ of }) {
  const last = of.at(-1);
  if (!last) return '–';
  return html`${count(of.length)} · ${last.status ?? last.error}<small>${instant(last.at)}, ${count(last.duration_ms)} ms</small>
    ${last.answer && html`<small><bdi>${last.answer.slice(0, 80)}</bdi></small>`}`;
}
