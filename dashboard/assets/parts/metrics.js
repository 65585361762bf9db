// Every metric as a row: its value, its counts, where it stands among its peers, and what it costs. A row opens the records.
import { html, useState } from '../vendor/preact-htm.js';
import { count, points, shortDay, signed, value } from '../format.js';
import { t, titled } from '../language.js';
import { Records } from './records.js';
import { Strip } from './strip.js';
import { Change } from './tier.js';

/** What a metric did to the score since the date before; nothing where it did nothing. */
function Moved({ by }) {
  const shown = by === null || by === undefined ? null : Number(by.toFixed(3));
  return shown ? html`<${Change} value=${shown} text=${signed(by, 3)} />` : html`<span class="quiet-text">–</span>`;
}

export function Metrics({ answer, changes, costs, rules, base, kind, caller }) {
  const [open, setOpen] = useState(null);
  const peers = new Map(answer.peers.map((one) => [one.id, one]));
  const moved = new Map(changes?.metrics.map((one) => [one.id, one]) ?? []);
  // A metric that is assessed and not listed costs nothing.
  const cost = (metric) => (costs && metric.assessed ? (costs.get(metric.id) ?? 0) : null);
  const dimensions = rules?.dimensions ?? [...new Set(answer.metrics.map((metric) => metric.dimension))].map((id) => ({ id }));
  const worst = Math.max(0.0001, ...answer.metrics.map((metric) => cost(metric) ?? 0));
  return html`<table class="metrics"><thead><tr>
      <th>${t('metric')}</th><th class="num">${t('value')}</th><th class="num counts">${t('counts')}</th>
        <th class="peers">${t('among_peers')}</th><th class="num points">${t('points')}</th>
        <th class="num costs">${t('costs')}</th>
        <th class="num change">${changes ? t('since_before', { date: shortDay(changes.from.date) }) : t('column_change')}</th>
    </tr></thead>
    ${dimensions.map(
      (dimension) => html`<tbody key=${dimension.id}>
      <tr class="group"><th colspan="7" scope="rowgroup">${dimension.title ? titled(dimension.title) : dimension.id}</th></tr>
      ${answer.metrics
        .filter((metric) => metric.dimension === dimension.id)
        .map(
          (metric) => html`
        <tr id=${`metric-${metric.id}`} class=${open === metric.id ? 'open' : ''}>
          <th scope="row">
            <button class="opens" aria-expanded=${open === metric.id} onClick=${() => setOpen(open === metric.id ? null : metric.id)}>
            ${titled(metric.title)}</button>
            <small>${t(metric.better === 'higher' ? 'higher_better' : 'lower_better')}</small></th>
          <td class="num">${value(metric.value, metric.unit)}</td>
          <td class="num counts">${metric.unit === 'ratio' ? html`${count(metric.numerator)} / ${count(metric.denominator)}` : t('of_n', { n: count(metric.denominator) })}</td>
          <td class="peers"><${Strip} metric=${metric} peers=${peers.get(metric.id)} /></td>
          <td class="num points">${points(metric.points)}</td>
          <td class="num costs">${cost(metric) === null ? '–' : html`<span class="cost">
            <span class="cost-bar" aria-hidden="true" style=${{ width: `${(cost(metric) / worst) * 100}%` }}>
            </span>${cost(metric) < 0.0005 ? '0' : signed(-cost(metric), 3)}</span>`}</td>
          <td class="num change"><${Moved} by=${moved.get(metric.id)?.total} /></td>
        </tr>
        ${open === metric.id && html`<tr class="drawer"><td colspan="7">
          <${Records} metric=${metric} answer=${answer} changes=${changes} base=${base} kind=${kind} caller=${caller} rule=${rules?.metrics.find((one) => one.id === metric.id)} />
          </td></tr>`}`,
        )}
    </tbody>`,
    )}
  </table>`;
}
