// All shops or creators: how they stand, who moved, and a table to find one in.
import { html, useEffect, useState } from '../vendor/preact-htm.js';
import { ruleSetOf, SCALE, withQuery } from '../api.js';
import { saveCsv } from '../parts/csv.js';
import { FleetTable } from '../parts/fleet_table.js';
import { Histogram } from '../parts/histogram.js';
import { AsOf, Empty, Failure, Loading } from '../parts/states.js';
import { role, shape } from '../parts/tier.js';
import { count, day, percent, score, scoreStep, setScorePlaces } from '../format.js';
import { t, titled } from '../language.js';
import { go, OFTEN, useAddress, useAnswer } from '../use.js';
import { useRows } from '../parts/rows.js';

/** How often a run that is under way is looked at, in milliseconds. */
const SOON = 3_000;
/** What of the address the service is asked for. */
const FILTERS = ['q', 'category_id', 'tier_level', 'status', 'moved', 'below', 'sort'];

export function Fleet({ caller, kind }) {
  const { query } = useAddress();
  const summary = useAnswer(withQuery('/v1/scores/summary', { kind, category_id: query.get('category_id') }), OFTEN);
  const rules = useAnswer(summary.answer ? ruleSetOf(summary.answer) : null);
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? undefined]));
  const change = (changed) => {
    const next = { kind: kind === 'creators' ? kind : undefined, ...filters, ...changed };
    go(withQuery('/', next), { replace: true });
  };
  if (summary.isLoading) return html`<${Loading} />`;
  if (!summary.answer) {
    return summary.error.kind === 'score-not-published'
      ? html`<${NothingYet} caller=${caller} />`
      : html`<${Failure} error=${summary.error} reload=${summary.reload} />`;
  }
  const figures = summary.answer;
  const scale = rules.answer?.scale ?? SCALE;
  setScorePlaces(rules.answer?.score_places ?? 2);
  return html`<h1 class="title">${t(kind === 'shops' ? 'all_shops' : 'all_creators')}</h1>
    <${AsOf} answer=${figures} caller=${caller}>${caller.scopes.includes('admin') && html`<${RunUnderWay} />`}<//>
    <div class="figures">
      <${Tiers} figures=${figures} filters=${filters} change=${change} />
      <${Moves} figures=${figures} filters=${filters} change=${change} />
      <section class="card wide"><h2>${t('spread')}</h2><${Histogram} summary=${figures} /></section>
    </div>
    <${Listed} figures=${figures} kind=${kind} filters=${filters} change=${change} scale=${scale} />`;
}

/** Before the first run: what is missing, and how far a run is. */
function NothingYet({ caller }) {
  return html`<${Empty}><h1>${t('nothing_published')}</h1><p>${t('nothing_published_about')}</p>
    ${caller.scopes.includes('admin') && html`<${RunUnderWay} />`}<//>`;
}

/** How far a run is that is under way. */
function RunUnderWay() {
  const [isUnderWay, setUnderWay] = useState(false);
  const runs = useAnswer('/v1/runs?limit=5', isUnderWay ? SOON : OFTEN);
  const run = runs.answer?.items.find((one) => one.state === 'running' || one.state === 'queued');
  useEffect(() => setUnderWay(Boolean(run)), [Boolean(run)]);
  if (!run) return null;
  const share = run.subjects_total ? run.subjects_done / run.subjects_total : 0;
  return html`<span class="pill warn" role="status">▲ ${t('run_under_way', { date: day(run.date), share: percent(share) })}</span>`;
}

function Tiers({ figures, filters, change }) {
  const last = figures.tiers.length - 1;
  const scored = Math.max(1, figures.scored);
  const toggle = (level) => change({ tier_level: filters.tier_level === String(level) ? undefined : level, status: undefined });
  return html`<section class="card"><h2>${t('tiers')}</h2>
    <p class="big"><span class="num">${count(figures.scored)}</span> <small>${t('scored_of', { n: count(figures.subjects) })}</small></p>
    <ul class="tiers">${figures.tiers.map(
      (
        tier,
      ) => html`<li key=${tier.level}>
        <button class="row" aria-pressed=${filters.tier_level === String(tier.level)} onClick=${() => toggle(tier.level)} title=${tier.penalties.map((penalty) => titled(penalty.title)).join(', ')}>
      <span class="name">
        <span class="dot ${role(tier.level, last)}" aria-hidden="true">${shape(tier.level, last)}</span> <b>${tier.level}</b> ${range(tier)}</span>
      <span class="bar-room">
        <span class="bar ${role(tier.level, last)}" style=${{ width: `${(tier.subjects / scored) * 100}%` }}></span></span>
      <span class="num">${count(tier.subjects)}</span>
    </button></li>`,
    )}
    ${figures.growth > 0 && html`<${OfStatus} status="growth" title=${t('growth')} subjects=${figures.growth} filters=${filters} change=${change} />`}
    <${OfStatus} status="insufficient_volume" title=${t('too_few_orders')} subjects=${figures.insufficient_volume} filters=${filters} change=${change} /></ul>
  </section>`;
}

/** Those who have no score of metrics. */
function OfStatus({ status, title, subjects, filters, change }) {
  const isChosen = filters.status === status;
  return html`<li>
    <button class="row" aria-pressed=${isChosen} onClick=${() => change({ status: isChosen ? undefined : status, tier_level: undefined })}>
      <span class="name"><span class="dot none" aria-hidden="true">○</span> ${title}</span><span></span>
      <span class="num">${count(subjects)}</span></button></li>`;
}

const range = ({ at_least: least, below }) =>
  below === null
    ? t('from_score', { least: score(least) })
    : least === null
      ? t('below_score', { below: score(below) })
      : `${score(least)} – ${score(below - scoreStep())}`;

function Moves({ figures, filters, change }) {
  const { moves, previous_date: before } = figures;
  const toggle = (moved) => change({ moved: filters.moved === moved ? undefined : moved });
  const tile = (
    moved,
    number,
    way,
    sign,
  ) => html`<button class="tile ${number ? way : 'none'}" aria-pressed=${filters.moved === moved} onClick=${() => toggle(moved)}>
    <span class="big num">${count(number)}</span><span>${sign} ${t(`moved_${moved}`)}</span></button>`;
  return html`<section class="card"><h2>${t('moves')}</h2>
    ${
      before
        ? html`<p class="quiet-text">${t('since', { date: day(before) })}</p>
    <div class="tiles">${tile('down', moves.down, 'bad', '▼')}${tile('up', moves.up, 'good', '▲')}</div>
    <p class="quiet-text">${t('entered_left', { entered: count(moves.entered), left: count(moves.left) })}</p>`
        : html`<p class="quiet-text">${t('first_date')}</p>`
    }
  </section>`;
}

function Listed({ figures, kind, filters, change, scale }) {
  const sort = filters.sort ?? 'change';
  const path = withQuery('/v1/scores', { kind, ...filters, sort, history: 30, limit: 100 });
  const rows = useRows(path, OFTEN);
  return html`<section class="card listed">
    <div class="filters">
      <${Search} value=${filters.q ?? ''} change=${(q) => change({ q })} kind=${kind} />
      <label><span class="label">${t('category')}</span>
        <select value=${filters.category_id ?? ''} onChange=${(event) => change({ category_id: event.target.value || undefined })}>
        <option value="">${t('all_categories')}</option>
        ${filters.category_id && !figures.categories.some((one) => one.category_id === filters.category_id) && html`<option value=${filters.category_id}>
          ${filters.category_id}</option>`}
        ${figures.categories.filter((one) => one.category_id).map((one) => html`<option key=${one.category_id} value=${one.category_id}>
          ${one.category_id} (${count(one.subjects)})</option>`)}
      </select></label>
      <label><span class="label">${t('below')}</span>
        <input type="number" min=${scale.min} max=${scale.max} step=${scoreStep()} inputmode="decimal" value=${filters.below ?? ''} onChange=${(event) => change({ below: event.target.value || undefined })} />
        </label>
      ${FILTERS.some((name) => filters[name] && name !== 'sort') && html`<button class="quiet" onClick=${() => change(Object.fromEntries(FILTERS.map((name) => [name, name === 'sort' ? filters.sort : undefined])))}>
        ${t('clear_filters')}</button>`}
      <button class="quiet push" disabled=${!rows.items?.length} onClick=${() => saveCsv(rows.items, figures)}>${t('save_csv')}</button>
    </div>
    <${FleetTable} rows=${rows} kind=${kind} sort=${sort} last=${figures.tiers.length - 1} change=${change} />
  </section>`;
}

/** Text that is looked for once nobody has typed for a moment. */
function Search({ value, change, kind }) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text.trim() === value) return undefined;
    const timer = setTimeout(() => change(text.trim() || undefined), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<label class="search"><span class="label">${t('find')}</span>
    <input type="search" maxlength="128" placeholder=${t(kind === 'shops' ? 'find_shop' : 'find_creator')} value=${text} onInput=${(event) => setText(event.target.value)} />
    </label>`;
}
