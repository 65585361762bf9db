// Every view on a phone and on a wide screen, in light and dark, in both languages: it fits, it is accessible, nothing goes wrong.
// And every state: nothing published, too few orders, nobody of that name.
import { accessible, fits, open, see, service, tell } from './browser.mjs';

const VIEWS = ['/', '/?kind=creators', `/shops/${service.shop}`, `/creators/${service.creator}`, '/operator'];

await tell(async () => {
  for (const [width, colorScheme, locale] of [
    [390, 'light', 'zh-CN'],
    [390, 'dark', 'en-US'],
    [1360, 'dark', 'zh-CN'],
  ]) {
    for (const path of VIEWS) {
      const page = await open(path, { width, colorScheme, locale });
      await page.locator('h1').waitFor();
      await page.waitForLoadState('networkidle');
      const about = `${path} at ${width}, ${colorScheme}, ${locale}`;
      await fits(page, about);
      await accessible(page, about);
      await page.end();
    }
  }
  const few = await open(`/shops/${service.few}`);
  await see(few, 'Too few orders for a score');
  await accessible(few, 'too few orders');
  await few.end();
  // An id with a space is none: some of the page's requests are answered with 400, maybe after the state is shown.
  const nobody = await open('/shops/nobody%2Fat%20all', { expected: [400, 404, 422] });
  await nobody.locator('.state').waitFor();
  await nobody.end();
});
