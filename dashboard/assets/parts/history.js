// The score over time above the bands of the tiers, with the coming days dashed. uPlot draws the lines.
import { html, useEffect, useRef } from '../vendor/preact-htm.js';
import { day, score } from '../format.js';
import { locale, t } from '../language.js';
import { role } from './tier.js';
import { useWidth } from '../use.js';

const HEIGHT = 320;
/** Room above the highest score and below the lowest one, as a part of the scale. */
const MARGIN = 0.024;
const seconds = (date) => Date.parse(`${date}T00:00:00Z`) / 1000;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** What stands on the paper: dates, the published scores, and the forecast, which begins at the last of them. */
function series(history, forecast) {
  const past = history.map((card) => ({ date: card.date, score: card.score }));
  const coming = forecast.map((card) => ({ date: card.date, score: card.score }));
  const dates = [...past, ...coming].map((point) => seconds(point.date));
  const known = [...past.map((point) => point.score), ...coming.map(() => null)];
  const joined = past.map((point, index) => (index === past.length - 1 ? point.score : null));
  return [dates, known, [...joined, ...coming.map((point) => point.score)]];
}

export function History({ history, forecast, thresholds, scale }) {
  const [place, width] = useWidth();
  const paper = useRef(null);
  const data = series(history, forecast);
  const stamp = JSON.stringify([data, width, thresholds, locale()]);
  const dark = matchMedia('(prefers-color-scheme: dark)');
  useEffect(() => {
    if (!width || data[0].length === 0) return undefined;
    let chart;
    const draw = () => {
      chart?.destroy();
      chart = new uPlot(options(width, data, thresholds, scale), data, paper.current);
    };
    draw();
    dark.addEventListener('change', draw);
    return () => {
      dark.removeEventListener('change', draw);
      chart.destroy();
    };
  }, [stamp]);
  return html`<figure class="history" ref=${place}>
    <div ref=${paper} role="img" aria-label=${t('history_label')}></div>
    <figcaption><span class="key solid"></span>${t('published')} <span class="key dashed"></span>${t('forecast_if_nothing')}</figcaption>
    <details class="as-table"><summary>${t('as_table')}</summary><table>
      <thead><tr><th>${t('date')}</th><th class="num">${t('score')}</th><th>${t('kind_of_score')}</th></tr></thead>
      <tbody>${[...forecast].reverse().map((card) => html`<tr key=${card.date}><td>${day(card.date)}</td>
        <td class="num">${score(card.score)}</td><td>${t('forecast')}</td></tr>`)}
      ${[...history].reverse().map((card) => html`<tr key=${card.date}><td>${day(card.date)}</td>
        <td class="num">${score(card.score)}</td><td>${t('published')}</td></tr>`)}</tbody></table></details>
  </figure>`;
}

function options(width, [, known, coming], thresholds, scale) {
  const values = [...known, ...coming].filter((value) => value !== null);
  const margin = (scale.max - scale.min) * MARGIN;
  const low = Math.max(scale.min, Math.min(...values) - margin);
  const high = Math.min(scale.max, Math.max(...values) + margin);
  const [text, grid, line] = [colour('--quiet'), colour('--rule'), colour('--accent')];
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1 } };
  const month = new Intl.DateTimeFormat(locale(), { month: 'short', day: 'numeric', timeZone: 'UTC' });
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    tzDate: (at) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC'),
    scales: { x: { time: true }, y: { range: [low, high] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, values: (_, splits) => splits.map((at) => month.format(new Date(at * 1000))) },
      { ...axis, grid: { show: false }, size: 46, values: (_, splits) => splits.map(score) },
    ],
    cursor: { y: false, drag: { x: false, y: false } },
    series: [
      {},
      { stroke: line, width: 2, spanGaps: true, points: { show: known.filter((value) => value !== null).length < 3 } },
      { stroke: text, width: 2, dash: [5, 5], spanGaps: true, points: { show: false } },
    ],
    hooks: { drawClear: [(chart) => bands(chart, thresholds, [low, high])], draw: [newest], setCursor: [tell] },
  };
}

/** The bands of the tiers, and the lines between them with their scores. */
function bands(chart, thresholds, [low, high]) {
  const { ctx, bbox } = chart;
  const last = thresholds.length;
  const edges = [high, ...thresholds.filter((threshold) => threshold > low && threshold < high), low];
  const above = thresholds.filter((threshold) => threshold >= high).length;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px ${getComputedStyle(document.body).fontFamily}`;
  for (let index = 0; index < edges.length - 1; index += 1) {
    const [top, bottom] = [chart.valToPos(edges[index], 'y', true), chart.valToPos(edges[index + 1], 'y', true)];
    ctx.fillStyle = colour(`--band-${role(above + index, last)}`);
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    if (index > 0) {
      ctx.fillStyle = colour('--quiet');
      ctx.fillRect(bbox.left, top, bbox.width, devicePixelRatio);
      ctx.textAlign = 'right';
      ctx.fillText(score(edges[index]), bbox.left + bbox.width - 4 * devicePixelRatio, top - 4 * devicePixelRatio);
    }
  }
  ctx.restore();
}

/** The newest published score, marked: what comes after is a forecast. */
function newest(chart) {
  const place = chart.data[1].findLastIndex((value) => value !== null);
  if (place < 0) return;
  const { ctx } = chart;
  const [x, y] = [chart.valToPos(chart.data[0][place], 'x', true), chart.valToPos(chart.data[1][place], 'y', true)];
  ctx.save();
  ctx.fillStyle = colour('--accent');
  ctx.beginPath();
  ctx.arc(x, y, 4 * devicePixelRatio, 0, 2 * Math.PI);
  ctx.fill();
  ctx.restore();
}

/** What the cursor points at, in words. */
function tell(chart) {
  const place = chart.cursor.idx;
  const note =
    chart.root.querySelector('.note') ??
    chart.over.appendChild(Object.assign(document.createElement('div'), { className: 'note' }));
  if (place === null || place === undefined) {
    note.textContent = '';
    return;
  }
  const date = new Date(chart.data[0][place] * 1000).toISOString().slice(0, 10);
  const known = chart.data[1][place];
  const value = known ?? chart.data[2][place];
  note.textContent = value === null ? '' : `${day(date)}  ${score(value)}${known === null ? ` (${t('forecast')})` : ''}`;
}
