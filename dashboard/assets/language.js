// The language of the page: the browser's, or the one that was chosen here.
import en from './messages/en.js';
import zh from './messages/zh.js';

const CHOICE = 'shopscore.language';
const TEXTS = { en, zh };

const ofBrowser = () => ((navigator.languages?.[0] ?? navigator.language ?? 'en').toLowerCase().startsWith('zh') ? 'zh' : 'en');

let current = sessionStorage.getItem(CHOICE) ?? ofBrowser();

export const language = () => current;
/** As Intl and the lang attribute want it. */
export const locale = () => (current === 'zh' ? 'zh-CN' : 'en');

export function setLanguage(choice) {
  current = choice;
  sessionStorage.setItem(CHOICE, choice);
}

/** A message, with what stands in braces filled in. */
export function t(name, values = {}) {
  const text = TEXTS[current][name] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, value) => String(values[value] ?? ''));
}

/** The text of a title that the service gives in both languages. */
export const titled = (title) => title?.[current] ?? title?.en ?? '';
