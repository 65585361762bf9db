// An operator subscribes to what happens, sees whether it arrives, sends again what did not, and sees who changed what.
import { accessible, ask, assert, open, see, service, tell } from './browser.mjs';

await tell(async () => {
  const page = await open('/operator', { expected: [422] });
  const form = page.locator('form').filter({ hasText: 'run.late' });
  await form.getByLabel('URL').fill('https://10.0.0.1/hook');
  await form.getByLabel('tier.changed').check();
  await form.getByRole('button', { name: 'Subscribe' }).click();
  await page.locator('[role=alert]').filter({ hasText: 'no address on the internet' }).waitFor();
  await form.getByLabel('URL').fill(service.good);
  await form.getByRole('button', { name: 'Subscribe' }).click();
  assert.match(await page.locator('.secret').innerText(), /^whsec_/);
  await form.getByLabel('URL').fill(service.gone);
  await form.getByLabel('tier.changed').check();
  await form.getByRole('button', { name: 'Subscribe' }).click();
  const row = (url) => page.getByRole('region', { name: 'Webhooks' }).locator('tr').filter({ hasText: url });
  await row(service.gone).waitFor();

  await row(service.good).getByRole('button', { name: 'Send a test' }).click();
  await row(service.good).getByRole('button', { name: 'Deliveries' }).click();
  const list = page.getByRole('region', { name: 'Deliveries' });
  await list.getByText('delivered').waitFor();
  await list.getByText('thanks').waitFor();
  await row(service.good).getByRole('button', { name: 'Deliveries' }).click();

  await row(service.gone).getByRole('button', { name: 'Send a test' }).click();
  await row(service.gone).getByRole('button', { name: 'Deliveries' }).click();
  await list.getByText('given up').waitFor();
  await list.getByText('410').waitFor();
  const webhooks = (await ask('/v1/webhooks')).items;
  assert.equal(webhooks.find((one) => one.url === service.gone).enabled, false);
  await page.reload();
  await row(service.gone).getByText('told nothing any more').waitFor();
  await accessible(page, 'webhooks');
  await row(service.gone).getByRole('button', { name: 'Delete' }).click();
  await row(service.gone).getByRole('button', { name: 'Delete for good' }).click();
  await row(service.gone).waitFor({ state: 'detached' });

  await see(page, 'Who changed what');
  await page.reload();
  const trail = page.getByRole('region', { name: 'Who changed what' });
  await trail.getByText('webhook.deleted').waitFor();
  assert.equal(await trail.locator('tbody tr').count(), (await ask('/v1/audit?limit=20')).items.length);
  await page.end();
});
