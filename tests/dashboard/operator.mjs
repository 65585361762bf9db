// An operator sees who fell today, excludes an order, runs the date again, and sees the new revision.
import { accessible, ask, assert, open, see, service, tell } from './browser.mjs';

await tell(async () => {
  const summary = await ask('/v1/scores/summary');
  const fallen = (await ask('/v1/scores?moved=down&sort=change')).items;
  const page = await open('/');
  const tile = page.locator('.tile').filter({ hasText: 'fell a tier' });
  assert.equal(await tile.locator('.big').innerText(), String(summary.moves.down));
  assert.equal(summary.moves.down, fallen.length);
  assert.ok(fallen.length > 0, 'somebody fell');
  await tile.click();
  await see(page, `${fallen.length} in all`);
  const names = await page.locator('.fleet tbody th.name a').allInnerTexts();
  assert.deepEqual(
    names,
    fallen.map((card) => card.shop_id),
  );
  const saved = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as CSV' }).click();
  assert.match((await saved).suggestedFilename(), /^shopscore-shops-\d{4}-\d\d-\d\d-r1\.csv$/);

  // Excluding the order behind a bad review.
  const { shop } = service;
  await page.goto(`${service.base}/shops/${shop}`);
  await page.locator('#metric-negative_feedback_rate .opens').click();
  await page.getByRole('tab', { name: /^Numerator/ }).click();
  const record = page.locator('.records tbody tr').first();
  const order = await record.locator('bdi').first().innerText();
  await record.getByRole('button', { name: 'Exclude' }).click();
  await record.getByLabel('What').selectOption({ label: `order ${order}` });
  await record.getByLabel('Reason').fill('a sham order');
  await record.getByLabel('Decided by').fill('ops@example.org');
  await record.getByRole('button', { name: 'Exclude' }).click();
  await see(page, 'Excluded');
  const before = await ask(`/v1/shops/${shop}/metrics`);
  await record.getByRole('link', { name: 'Run the date again' }).click();

  await page.getByRole('heading', { name: 'Exclusions' }).waitFor();
  await see(page, 'a sham order');
  await accessible(page, 'the operator');
  await page.getByLabel('Date').fill(before.date);
  await page.locator('form', { hasText: 'Score this date' }).first().getByLabel('Reason').fill('an order was excluded');
  await page.getByRole('button', { name: 'Score this date' }).click();
  const listed = (name) => page.getByRole('region', { name, exact: true }).locator('tr');
  await listed('Runs').filter({ hasText: 'an order was excluded' }).getByText('published · revision 2').waitFor();

  await page.goto(`${service.base}/shops/${shop}`);
  await see(page, 'revision 2');
  const after = await ask(`/v1/shops/${shop}/metrics`);
  const count = (answer) => answer.metrics.find((metric) => metric.id === 'negative_feedback_rate').numerator;
  assert.equal(count(after), count(before) - 1);
  await see(page, `${count(after)} / `);

  // What was excluded comes back, and a fault in a form is told.
  await page.goto(`${service.base}/operator`);
  const row = listed('Exclusions').filter({ hasText: 'a sham order' });
  await row.getByRole('button', { name: 'Revoke' }).click();
  await row.getByLabel('Revoked by').fill('ops@example.org');
  await row.getByRole('button', { name: 'Revoke' }).click();
  await row.getByText('revoked', { exact: true }).waitFor();
  await page.end();

  const faulty = await open('/operator', { expected: [422] });
  const form = faulty.locator('form').filter({ hasText: 'Its id' });
  await form.getByLabel('Shop').fill('no spaces, no commas');
  await form.getByLabel('Its id').fill('o-1');
  await form.getByLabel('Reason').fill('r');
  await form.getByLabel('Decided by').fill('d');
  await form.getByRole('button', { name: 'Exclude' }).click();
  await faulty.locator('[role=alert]').filter({ hasText: '◼' }).waitFor();
  await faulty.end();
});
