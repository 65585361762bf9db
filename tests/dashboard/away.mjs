// The service goes away and comes back: what was shown stays, the page says so, and goes on by itself. Unchanged answers cost a 304.
import http from 'node:http';
import { assert, open, see, service, tell } from './browser.mjs';

/** A door to the service that can be shut. Counts the statuses that went through it. */
function door() {
  const statuses = [];
  const target = new URL(service.base);
  let server;
  const pass = (request, response) => {
    const headers = { ...request.headers, host: target.host };
    delete headers.origin;
    const onward = http.request(
      { host: target.hostname, port: target.port, path: request.url, method: request.method, headers },
      (answer) => {
        statuses.push([request.url, answer.statusCode]);
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
  const listen = (port) =>
    new Promise((resolve) => {
      server = http.createServer(pass).listen(port, '127.0.0.1', () => resolve(server.address().port));
    });
  const shut = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { statuses, listen, shut };
}

await tell(async () => {
  const { statuses, listen, shut } = door();
  const port = await listen(0);
  const page = await open('/', { base: `http://127.0.0.1:${port}`, expected: [0] });
  await page.locator('.fleet tbody a').first().waitFor();
  const first = page.locator('.fleet tbody tr').nth(1);
  const shown = await first.innerText();
  const poll = () => page.evaluate(() => dispatchEvent(new Event('online')));
  const again = page.waitForResponse((response) => response.url().includes('/v1/scores/summary'));
  await poll();
  await again;
  const asked = statuses.filter(([path]) => path.startsWith('/v1/scores/summary')).map(([, status]) => status);
  assert.deepEqual(asked, [200, 304]);
  await shut();
  await poll();
  await see(page, 'No connection');
  assert.equal(await first.innerText(), shown, 'what was shown stays');
  await listen(port);
  await poll();
  await page.getByText('No connection').waitFor({ state: 'detached' });
  await page.end();
  await shut();
});
