// 100,000 shops: the table stays quick, and only what can be seen is in the page.
import { assert, fits, open, see, service, tell } from './browser.mjs';

await tell(async () => {
  const began = Date.now();
  const page = await open('/');
  await page.locator('.fleet tbody a').first().waitFor();
  const times = { first: Date.now() - began };
  const painted = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  times.painted = Math.round(painted);
  assert.ok((await page.locator('.big.num, .big .num').first().innerText()).replaceAll(',', '') >= 100_000);
  const room = page.locator('.table-room');
  const step = async (name, act, until) => {
    const start = Date.now();
    await act();
    await page.waitForFunction(until[0], until[1]);
    times[name] = Date.now() - start;
  };
  const rows = () => Number(/[\d,]+/.exec(document.querySelector('.listed > p').textContent)[0].replaceAll(',', ''));
  for (let turn = 1; turn <= 12; turn += 1) {
    await step(
      `page_${turn}`,
      () =>
        room.evaluate((place) => {
          place.scrollTop = place.scrollHeight;
        }),
      [
        (least) => Number(/[\d,]+/.exec(document.querySelector('.listed > p').textContent)[0].replaceAll(',', '')) > least,
        turn * 100,
      ],
    );
    assert.ok((await page.locator('.fleet tbody tr').count()) < 80, 'only what can be seen is drawn');
  }
  assert.ok((await page.evaluate(rows)) > 1_200);
  await step('find', () => page.getByLabel('Find').fill('many-77777'), [
    () => document.querySelectorAll('.fleet tbody a').length === 1 && !document.querySelector('.old'),
  ]);
  await step('all_again', () => page.getByLabel('Find').fill(''), [
    () => document.querySelectorAll('.fleet tbody a').length > 5 && !document.querySelector('.old'),
  ]);
  await step('sort', () => page.getByRole('button', { name: 'Before drop' }).click(), [
    () => document.querySelector('th.margin').getAttribute('aria-sort') === 'ascending' && !document.querySelector('.old'),
  ]);
  await step('tier', () => page.locator('.tiers button').nth(2).click(), [
    () => location.search.includes('tier_level=2') && !document.querySelector('.old'),
  ]);
  await fits(page, 'the fleet');
  await see(page, 'tier 2');
  console.log(JSON.stringify(times));
  await page.end();
});
