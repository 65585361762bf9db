// Asking the service. Nothing but its public API, with the key that was typed in (kept for this tab only), and with the tag of
// what is known already: an unchanged answer costs the service a 304.
import { language } from './language.js';

const KEY = 'shopscore.key';
const KNOWN_MAX = 300;

/** Answers by path, each with its tag. */
const known = new Map();
const listeners = new Set();
let reachable = true;

export const key = () => sessionStorage.getItem(KEY);

export function setKey(text) {
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
  known.clear();
}

/** What went wrong: `status` is 0 where the service could not be reached. */
export class AskError extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? problem?.title ?? '');
    this.status = status;
    this.problem = problem ?? {};
    this.kind = String(this.problem.type ?? '')
      .split(':')
      .pop();
  }
}

/** Calls back whenever the service comes within reach or out of it. */
export function onReach(callback) {
  listeners.add(callback);
  callback(reachable);
  return () => listeners.delete(callback);
}

function noteReach(now) {
  if (now === reachable) return;
  reachable = now;
  listeners.forEach((callback) => callback(now));
}

/** Asks, and gives the JSON of the answer. An answer that is as it was is the same object as before. */
export async function ask(path, { method = 'GET', body, signal } = {}) {
  const headers = { accept: 'application/json', 'accept-language': language() };
  if (key()) headers.authorization = `Bearer ${key()}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const before = method === 'GET' ? known.get(path) : undefined;
  if (before) headers['if-none-match'] = before.tag;
  let response;
  try {
    const text = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(path, { method, headers, body: text, signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    noteReach(false);
    throw new AskError(0);
  }
  noteReach(true);
  if (response.status === 304) return before.answer;
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw new AskError(response.status, answer);
  if (method === 'GET' && response.headers.get('etag')) {
    known.delete(path);
    known.set(path, { tag: response.headers.get('etag'), answer });
    if (known.size > KNOWN_MAX) known.delete(known.keys().next().value);
  }
  return answer;
}

/** A text that stands for itself in a path. */
export const segment = encodeURIComponent;

/** A path with the parameters that have a value. */
export function withQuery(path, parameters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, value);
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/** The path of the rule set that made an answer. */
export const ruleSetOf = (answer) => withQuery(`/v1/rule-sets/${segment(answer.rule_set)}`, { version: answer.rule_set_version });

/** The scale of scores until the rule set has said its own. */
export const SCALE = { min: 0, max: 5 };
