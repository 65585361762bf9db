// A list that is loaded page by page as it is scrolled, and whose first page is asked for again.
import { useCallback, useEffect, useRef, useState } from '../vendor/preact-htm.js';
import { ask } from '../api.js';

/**
 * `items` of all pages so far and `more` to load the next one. When the first page changes (another revision, another order),
 * the list begins anew. Until the first page of another list is there, the former one stays, and is `isOld`.
 */
export function useRows(path, every) {
  const [state, setState] = useState({});
  const loading = useRef(false);
  const isOld = state.path !== path;
  const begin = useCallback(async () => {
    try {
      const first = await ask(path);
      setState((was) =>
        was.path === path && was.first === first && !was.error
          ? was
          : { path, first, items: first.items, next: first.next_cursor },
      );
    } catch (error) {
      setState((was) => (was.path === path ? { ...was, error } : { path, error }));
    }
  }, [path]);
  useEffect(() => {
    begin();
    const timer = setInterval(() => {
      if (!document.hidden) begin();
    }, every);
    return () => clearInterval(timer);
  }, [begin, every]);
  const more = useCallback(async () => {
    if (loading.current || isOld || !state.next) return;
    loading.current = true;
    try {
      const page = await ask(`${path}&cursor=${encodeURIComponent(state.next)}`);
      setState((was) =>
        was.path === path && was.next === state.next
          ? { ...was, items: [...was.items, ...page.items], next: page.next_cursor }
          : was,
      );
    } catch (error) {
      setState((was) => (was.path === path ? { ...was, error } : was));
    } finally {
      loading.current = false;
    }
  }, [path, isOld, state.next]);
  return { ...state, isOld, more, reload: begin };
}
