// Before anything is published the page says so, and shows the first scores by itself.
import { accessible, ask, open, see, tell } from './browser.mjs';

await tell(async () => {
  const page = await open('/', { expected: [404] });
  await see(page, 'No scores yet');
  await accessible(page, 'nothing published');
  const { today } = await ask('/v1/caller');
  await ask('/v1/runs', { method: 'POST', body: JSON.stringify({ date: today }) });
  await page.getByRole('heading', { name: 'All shops' }).waitFor();
  await page.end();
});
