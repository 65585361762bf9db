// Where the service asks for a key: type one, once for this tab.
import { html, useState } from '../vendor/preact-htm.js';
import { t } from '../language.js';

export function SignIn({ refused, signIn }) {
  const [text, setText] = useState('');
  const submit = (event) => {
    event.preventDefault();
    if (text.trim()) signIn(text.trim());
  };
  return html`<form class="card sign-in" onSubmit=${submit}>
    <h1>${t('sign_in')}</h1>
    <p>${t('sign_in_about')}</p>
    <label for="key">${t('api_key')}</label>
    <input id="key" type="password" autocomplete="off" spellcheck="false" autofocus aria-invalid=${refused} aria-describedby=${refused ? 'refused' : undefined} value=${text} onInput=${(event) => setText(event.target.value)} />
    ${refused && html`<p id="refused" class="bad-text" role="alert">◼ ${t('key_refused')}</p>`}
    <button class="main" type="submit">${t('open')}</button>
  </form>`;
}
