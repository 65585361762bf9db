// Where keys are asked for: a wrong one is told, a shop's key sees that shop alone, and a key stays in its tab.
import { accessible, assert, open, see, service, tell } from './browser.mjs';

const { shop, shop_key: shopKey, admin_key: adminKey } = service;

await tell(async () => {
  const page = await open('/', { expected: [401, 404] });
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await accessible(page, 'signing in');
  await page.getByLabel('API key').fill('ssk_wrong');
  await page.getByRole('button', { name: 'Open' }).click();
  await see(page, 'does not know this key');
  await page.getByLabel('API key').fill(shopKey);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.locator('.hero').waitFor();
  assert.equal(await page.locator('h1').innerText(), shop, 'the only shop of the key is shown at once');
  assert.equal(await page.getByRole('link', { name: 'Operator' }).count(), 0);
  const kept = await page.evaluate(() => [
    JSON.stringify(localStorage),
    document.cookie,
    sessionStorage.getItem('shopscore.key'),
  ]);
  assert.deepEqual(kept, ['{}', '', shopKey]);
  await page.goto(`${service.base}/shops/${service.other}`);
  await see(page, 'Nobody is known by this id');
  await page.goto(`${service.base}/operator`);
  await page.locator('.hero').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem('shopscore.key')), null);

  await page.getByLabel('API key').fill(adminKey);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('link', { name: 'Operator' }).click();
  await page.locator('form').filter({ hasText: 'Scopes' }).getByLabel('Name').fill('made in the page');
  await page.getByLabel('scores:read').check();
  await page.getByRole('button', { name: 'Make a key' }).click();
  const secret = await page.locator('.secret').innerText();
  assert.match(secret, /^ssk_/);
  const answer = () => fetch(`${service.base}/v1/scores`, { headers: { authorization: `Bearer ${secret}` } });
  assert.equal((await answer()).status, 200);
  await accessible(page, 'keys');
  const row = page.getByRole('region', { name: 'API keys' }).locator('tr').filter({ hasText: 'made in the page' });
  await row.getByRole('button', { name: 'Revoke' }).click();
  await row.getByRole('button', { name: 'Revoke for good' }).click();
  await row.getByText('revoked').waitFor();
  await page.end();
});
