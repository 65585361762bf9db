// The dashboard: who looks (a key, if the service asks for one), in which language, and which view the address names.
import { html, render, useEffect, useState } from './vendor/preact-htm.js';
import { key, setKey } from './api.js';
import { setZone } from './format.js';
import { locale, setLanguage, language, t } from './language.js';
import { followLinks, OFTEN, useAddress, useAnswer, useReach } from './use.js';
import { Failure, Loading } from './parts/states.js';
import { Fleet } from './views/fleet.js';
import { Subject } from './views/subject.js';
import { Operator } from './views/operator.js';
import { SignIn } from './views/sign_in.js';

function App() {
  const [spoken, setSpoken] = useState(language());
  // Asked again and again, since the day and the next slot go on while the page stays open.
  const { answer, error, reload } = useAnswer('/v1/caller', OFTEN);
  const needsKey = error?.status === 401;
  const caller = needsKey ? undefined : answer;
  if (caller) setZone(caller.time_zone);
  useEffect(() => {
    document.documentElement.lang = locale();
  }, [spoken]);
  const speak = (choice) => {
    setLanguage(choice);
    setSpoken(choice);
  };
  const signIn = (text) => {
    setKey(text);
    reload();
  };
  return html`<div class="page" onClick=${followLinks} key=${spoken}>
    <a class="skip" href="#content">${t('skip')}</a>
    <${Header} caller=${caller} speak=${speak} signOut=${key() && caller ? () => signIn(null) : null} />
    <main id="content" tabindex="-1">
      ${
        needsKey
          ? html`<${SignIn} refused=${Boolean(key())} signIn=${signIn} />`
          : caller
            ? html`<${View} caller=${caller} />`
            : error
              ? html`<${Failure} error=${error} />`
              : html`<${Loading} />`
      }
    </main>
    <footer>${t('footer')} · <a href="/docs">${t('api')}</a></footer>
  </div>`;
}

function Header({ caller, speak, signOut }) {
  const { path, query } = useAddress();
  const reachable = useReach();
  const here = (is) => (is ? 'page' : undefined);
  const creators = path.startsWith('/creators/') || query.get('kind') === 'creators';
  const mayRead = caller?.scopes.includes('scores:read');
  return html`<header class="top">
    <a class="brand" href="/"><svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
      <rect width="32" height="32" rx="7" class="mark" /><path d="M7 21 13 14l5 4 7-9" class="mark-line" /></svg>shopscore</a>
    <nav aria-label=${t('views')}>
      ${
        mayRead &&
        html`<a href="/" aria-current=${here(path !== '/operator' && !creators)}>${t('shops')}</a>
      <a href="/?kind=creators" aria-current=${here(creators)}>${t('creators')}</a>`
      }
      ${caller?.scopes.includes('admin') && html`<a href="/operator" aria-current=${here(path === '/operator')}>${t('operator')}</a>`}
    </nav>
    <div class="tools">
      ${!reachable && html`<span class="pill bad" role="alert">◼ ${t('offline')}</span>`}
      <button class="quiet" lang=${language() === 'zh' ? 'en' : 'zh-CN'} onClick=${() => speak(language() === 'zh' ? 'en' : 'zh')}>
        ${language() === 'zh' ? 'English' : '中文'}</button>
      ${signOut && html`<button class="quiet" onClick=${signOut}>${t('sign_out')}</button>`}
    </div>
  </header>`;
}

function View({ caller }) {
  const { path, query } = useAddress();
  const subject = /^\/(shops|creators)\/(.+)$/.exec(path);
  if (path === '/operator' && caller.scopes.includes('admin')) return html`<${Operator} caller=${caller} />`;
  if (!caller.scopes.includes('scores:read')) return html`<${Failure} error=${{ status: 403 }} />`;
  if (subject) return html`<${Subject} key=${path} caller=${caller} kind=${subject[1]} id=${decodeURIComponent(subject[2])} />`;
  const only = caller.shop_ids?.length === 1 && !caller.creator_ids?.length && !query.has('kind') ? caller.shop_ids[0] : null;
  if (only) return html`<${Subject} key=${only} caller=${caller} kind="shops" id=${only} />`;
  return html`<${Fleet} key=${query.get('kind')} caller=${caller} kind=${query.get('kind') === 'creators' ? 'creators' : 'shops'} />`;
}

const place = document.getElementById('app');
place.replaceChildren();
render(html`<${App} />`, place);
