// What views are made with: answers that stay current, and the address.
import { useCallback, useEffect, useRef, useState } from './vendor/preact-htm.js';
import { ask, onReach } from './api.js';

/** How often an answer is asked for again, in milliseconds. */
export const OFTEN = 15_000;
export const SELDOM = 60_000;

/**
 * The answer at a path, asked for again as long as the page is looked at. `path` of null asks nothing. What was shown stays
 * while a newer answer cannot be had: then `error` is there beside `answer`.
 */
export function useAnswer(path, every = SELDOM) {
  const [state, setState] = useState({});
  const asked = useRef(0);
  const load = useCallback(async () => {
    if (!path) return;
    const turn = ++asked.current;
    const keep = (now) => {
      if (turn === asked.current) setState((was) => now(was));
    };
    try {
      const answer = await ask(path);
      keep((was) => (was.path === path && was.answer === answer && !was.error ? was : { path, answer }));
    } catch (error) {
      keep((was) => (was.path === path ? { ...was, error } : { path, error }));
    }
  }, [path]);
  useEffect(() => {
    load();
    const look = () => {
      if (!document.hidden) load();
    };
    const timer = every ? setInterval(look, every) : undefined;
    addEventListener('visibilitychange', look);
    addEventListener('online', look);
    return () => {
      asked.current += 1;
      clearInterval(timer);
      removeEventListener('visibilitychange', look);
      removeEventListener('online', look);
    };
  }, [load, every]);
  const current = state.path === path ? state : {};
  return { ...current, isLoading: Boolean(path) && !current.answer && !current.error, reload: load };
}

/** Whether the service is within reach. */
export function useReach() {
  const [reachable, setReachable] = useState(true);
  useEffect(() => onReach(setReachable), []);
  return reachable;
}

const addressListeners = new Set();

export function go(address, { replace = false } = {}) {
  history[replace ? 'replaceState' : 'pushState'](null, '', address);
  addressListeners.forEach((callback) => callback());
}

/** The path and the query of the address; renders again when they change. */
export function useAddress() {
  const [, render] = useState(0);
  useEffect(() => {
    const callback = () => render((n) => n + 1);
    addressListeners.add(callback);
    addEventListener('popstate', callback);
    return () => {
      addressListeners.delete(callback);
      removeEventListener('popstate', callback);
    };
  }, []);
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** Links within the page do not load it again. */
export function followLinks(event) {
  const link = event.target.closest?.('a[href]');
  const isPlain =
    !event.defaultPrevented && event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !isPlain || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (!/^\/($|shops\/|creators\/|operator$)/.test(link.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search);
  scrollTo(0, 0);
}

/** The width of an element, which charts are drawn to. */
export function useWidth() {
  const place = useRef(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!place.current) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  return [place, width];
}
