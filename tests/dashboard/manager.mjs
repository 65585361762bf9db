// A manager finds the shop, sees why it moved, opens the orders behind it, and tries what would help. In both languages.
import { accessible, ask, assert, open, see, service, tell } from './browser.mjs';

const shop = service.shop;
const two = (number) => number.toFixed(2);

await tell(async () => {
  const score = await ask(`/v1/shops/${shop}/score`);
  const metrics = await ask(`/v1/shops/${shop}/metrics`);
  const page = await open('/');
  await page.getByRole('heading', { name: 'All shops' }).waitFor();
  await accessible(page, 'the fleet');
  await page.getByLabel('Find').fill(shop.toUpperCase());
  const row = page.getByRole('row').filter({ has: page.getByRole('link', { name: shop, exact: true }) });
  await row.waitFor();
  assert.match(await row.innerText(), new RegExp(two(score.score)), 'the fleet shows the same score');
  await row.getByRole('link').click();

  const standing = page.locator('.hero .standing .score');
  await standing.waitFor();
  assert.equal(await standing.innerText(), two(score.score));
  await page.locator('.waterfall svg').waitFor();
  await page.locator('.history canvas').waitFor();
  await page.locator('.advice li, .advice + *').first().waitFor();
  await accessible(page, 'a shop');

  // Why it moved: the parts of the table are those of the answer.
  const changes = await ask(`/v1/shops/${shop}/score/changes`);
  const sum = await page.locator('.parts .sum td').last().innerText();
  assert.equal(Number(sum.replace('−', '-').replace('+', '')), Number(changes.change.toFixed(4)));

  // The records behind a metric: as many as the count says.
  const metric = metrics.metrics.find((one) => one.id === 'negative_feedback_rate');
  await page.locator('#metric-negative_feedback_rate .opens').click();
  await page.getByRole('tab', { name: `Numerator (${metric.numerator})` }).click();
  await see(page, `Sum: ${metric.numerator}`);
  const listed = await page.locator('.records tbody tr').count();
  assert.equal(listed, Math.min(20, metric.numerator));
  await accessible(page, 'open records');
  const first = await page.locator('.records tbody tr').first().locator('bdi').first().innerText();
  const [record] = (await ask(`/v1/shops/${shop}/metrics/negative_feedback_rate/records`)).items;
  assert.equal(first, record.order_id);
  await page.getByRole('tab', { name: 'All that count' }).click();
  await page.locator('.records input[type=date]').fill(record.day);
  await page.waitForFunction(
    (day) =>
      [...document.querySelectorAll('.records tbody tr td:nth-child(2)')].every((cell) => cell.textContent === day) &&
      document.querySelector('.records tbody tr'),
    new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(record.day)),
  );

  // What if: without its faults the metric is better, and the score with it.
  const slider = page.locator('.what-if .slider').filter({ hasText: metric.title.en }).locator('input');
  await slider.fill('0');
  const set = { negative_feedback_rate: { numerator: 0, denominator: metric.denominator } };
  const better = await ask(`/v1/shops/${shop}/score/what-if`, { method: 'POST', body: JSON.stringify({ set }) });
  assert.ok(better.score > score.score, 'a shop without negative feedback scores better');
  await page.waitForFunction((wanted) => document.querySelector('.outcome .score').textContent === wanted, two(better.score));
  await page.getByLabel('Good orders to reach').fill(two(score.score + 0.01));
  await page.getByRole('button', { name: 'Work out' }).click();
  await page.locator('.target strong').waitFor();

  // The same in Chinese.
  await page.getByRole('button', { name: '中文' }).click();
  await page.getByRole('heading', { name: '变动原因' }).waitFor();
  await see(page, metric.title.zh);
  assert.equal(await page.locator('html').getAttribute('lang'), 'zh-CN');
  assert.equal(await standing.innerText(), two(score.score));
  await page.locator('.history canvas').waitFor();
  await accessible(page, 'a shop in Chinese');
  await page.end();

  const chinese = await open('/', { locale: 'zh-CN' });
  await chinese.getByRole('heading', { name: '全部店铺' }).waitFor();
  await chinese.end();
});
