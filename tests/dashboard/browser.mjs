// A real browser on the dashboard, and what must never happen in it: an error in its console, a breach of its policy, a request to
// anywhere else, or a finding of axe.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

/** The service: its address, and the keys that the test made. */
export const service = JSON.parse(process.env.SHOPSCORE_STORY);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const PROGRAMS = [process.env.SHOPSCORE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** Two cores run other tests beside this one. */
const PATIENCE = 30_000;
const STORY_MAX = 300_000;

let browser;

/** Runs a story in a browser of its own, and fails if anything happened that must not. */
export async function tell(story) {
  setTimeout(() => {
    console.error('the story took too long');
    process.exit(1);
  }, STORY_MAX).unref();
  const program = PROGRAMS.find((path) => path && existsSync(path));
  assert.ok(program, 'no Chromium: apt-get install chromium, or name one in SHOPSCORE_CHROMIUM');
  browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
  try {
    await story();
  } finally {
    await browser.close();
  }
}

/** A page with its watchers. `expected` are statuses that the story provokes; `base` is another address of the service. */
export async function open(path, { expected = [], base = service.base, width = 1360, height = 900, ...options } = {}) {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width, height }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const wrong = [];
  page.on('pageerror', (error) => wrong.push(`error: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    const status = /the server responded with a status of (\d+)/.exec(message.text())?.[1];
    const isExpected = expected.includes(Number(status)) || (expected.includes(0) && message.text().includes('net::ERR_'));
    if (!isExpected) wrong.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (!['data:', 'blob:'].includes(protocol) && origin !== new URL(base).origin) wrong.push(`request to ${request.url()}`);
  });
  page.on('dialog', (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(base + path);
  /** Fails if anything went wrong so far. */
  page.check = () => assert.deepEqual(wrong, []);
  page.end = async () => {
    page.check();
    await context.close();
  };
  return page;
}

/** Waits until a text is somewhere in the page. */
export const see = (page, text) => page.getByText(text).first().waitFor();

/** Fails unless axe finds nothing. */
export async function accessible(page, about) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes
        .slice(0, 3)
        .map((node) => node.html.slice(0, 200))
        .join(' | ')}`,
  );
  assert.deepEqual(found, [], about);
}

/** Fails if the page is wider than the screen. */
export async function fits(page, about) {
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= screen, `${about}: ${content} pixels wide on a screen of ${screen}`);
}

/** Asks the service as the page does. */
export async function ask(path, { key, ...options } = {}) {
  const headers = {
    ...(key ? { authorization: `Bearer ${key}` } : {}),
    ...(options.body ? { 'content-type': 'application/json' } : {}),
  };
  const response = await fetch(service.base + path, { ...options, headers });
  const answer = await response.json();
  assert.ok(response.ok, `${path}: ${JSON.stringify(answer)}`);
  return answer;
}

export { assert };
