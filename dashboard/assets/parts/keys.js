// API keys: who may do what, when each was last shown, new ones and their end.
import { html, useState } from '../vendor/preact-htm.js';
import { ask } from '../api.js';
import { instant } from '../format.js';
import { t } from '../language.js';
import { SELDOM } from '../use.js';
import { List, useSending } from '../views/operator.js';
import { useRows } from './rows.js';

const SCOPES = ['events:write', 'events:relay', 'scores:read', 'webhooks', 'admin'];

export function Keys() {
  const rows = useRows('/v1/keys?limit=50', SELDOM);
  const [made, setMade] = useState(null);
  const sending = useSending(async ({ name, shop_ids: shops, ...scopes }) => {
    const bound = shops.split(/[\s,]+/).filter(Boolean);
    const body = {
      name: name || undefined,
      scopes: SCOPES.filter((scope) => scopes[scope]),
      shop_ids: bound.length ? bound : undefined,
    };
    setMade(await ask('/v1/keys', { method: 'POST', body }));
    rows.reload();
  });
  return html`<form class="filters" onSubmit=${sending.submit}>
      <label><span class="label">${t('name')}</span><input name="name" maxlength="200" /></label>
      <label class="search"><span class="label">${t('bound_to_shops')}</span>
        <input name="shop_ids" placeholder=${t('all_shops')} /></label>
      <fieldset><legend class="label">${t('scopes')}</legend>${SCOPES.map((scope) => html`<label class="check" key=${scope}>
        <input type="checkbox" name=${scope} /> <code>${scope}</code></label>`)}</fieldset>
      <button class="main" disabled=${sending.isSending}>${t('make_key')}</button></form>${sending.said}
    ${made && html`<p class="notice" role="status">${t('key_shown_once')} <code class="secret">${made.key}</code></p>`}
    <${List} rows=${rows} empty=${t('no_keys')} label=${t('keys')} head=${['name', 'scopes', 'bound_to_shops', 'last_used', 'state'].map((name) => t(name))}>
      ${(one) => html`<tr key=${one.key_id}><th scope="row"><bdi>${one.name ?? '–'}</bdi><small><code>${one.prefix}…</code>
        </small></th><td><code>${one.scopes.join(' ')}</code></td><td><bdi>${one.shop_ids?.join(', ') ?? t('all_shops')}</bdi>
        </td><td class="nowrap">${one.last_used_at ? instant(one.last_used_at) : t('never')}</td><td>
        <${End} of=${one} reload=${rows.reload} /></td></tr>`}
    <//>`;
}

function End({ of, reload }) {
  const [isSure, setSure] = useState(false);
  const [error, setError] = useState(null);
  if (of.revoked_at) return html`<span class="pill none">${t('revoked')}</span>`;
  const revoke = async () => {
    try {
      await ask(`/v1/keys/${of.key_id}`, { method: 'DELETE' });
      reload();
    } catch (failed) {
      setError(failed);
    }
  };
  return html`<span class="pill good">
    <span aria-hidden="true">●</span> ${t('active')}</span> ${isSure ? html`<button class="main bad" onClick=${revoke}>
    ${t('revoke_for_good')}</button>` : html`<button class="quiet" onClick=${() => setSure(true)}>
    ${t('revoke')}</button>`}${error && html`<p class="bad-text" role="alert">◼ ${error.message}</p>`}`;
}
