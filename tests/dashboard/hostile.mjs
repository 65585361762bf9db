// Names and reasons that somebody means to do harm with are shown as what they are.
import { accessible, assert, fits, open, service, tell } from './browser.mjs';

await tell(async () => {
  for (const [id, name] of Object.entries(service.names)) {
    const page = await open('/');
    await page.getByLabel('Find').fill(id);
    const link = page.locator('.fleet tbody a');
    await page.waitForFunction(
      (wanted) =>
        document.querySelectorAll('.fleet tbody a').length === 1 &&
        document.querySelector('.fleet tbody a').textContent === wanted,
      name,
    );
    await fits(page, name);
    await link.click();
    await page.locator('.hero, .notice').first().waitFor();
    await page.waitForFunction((wanted) => document.querySelector('h1 bdi').textContent === wanted, name);
    await page.waitForLoadState('networkidle');
    await fits(page, name);
    assert.equal(await page.evaluate(() => window.harmed), undefined);
    await accessible(page, name);
    await page.end();
  }
});
