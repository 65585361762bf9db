// Takes the pictures of the README and of docs/dashboard.md: runs the demo, and looks at it. Arguments: the program, and the folder.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const [, , program, folder] = process.argv;
const PICTURES = [
  ['fleet', '/', {}],
  ['shop', '/shops/shop-falling', { height: 1240 }],
  ['shop-records', '/shops/shop-falling', { height: 1000, open: '#metric-service_bad_review_rate .opens' }],
  ['operator', '/operator', { height: 1000 }],
  ['fleet-zh', '/', { locale: 'zh-CN', colorScheme: 'dark' }],
  ['shop-zh', '/shops/shop-recovering', { locale: 'zh-CN', height: 1240 }],
  ['shop-phone-zh', '/shops/shop-falling', { locale: 'zh-CN', width: 390, height: 844, colorScheme: 'dark' }],
];

const demo = spawn(program, ['demo', '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
let base;
let isReady;
const ready = new Promise((resolve) => {
  isReady = resolve;
});
createInterface({ input: demo.stdout }).on('line', (line) => {
  base ??= /http:\/\/[\d.:]+/.exec(line)?.[0];
  if (line.includes('The service stays up')) isReady();
});
demo.on('exit', (status) => {
  if (status) process.exit(status);
});
await ready;
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({
  executablePath: [process.env.SHOPSCORE_CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
    (path) => path && existsSync(path),
  ),
  args: ['--no-sandbox'],
});
for (const [name, path, { width = 1360, height = 900, open, ...options }] of PICTURES) {
  const page = await browser.newPage({ viewport: { width, height }, locale: 'en-US', colorScheme: 'light', ...options });
  await page.goto(base + path);
  await page.waitForLoadState('networkidle');
  if (open) {
    await page.click(open);
    await page.waitForLoadState('networkidle');
    await page.locator(open).evaluate((element) => element.scrollIntoView({ block: 'start' }));
  }
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.close();
}
await browser.close();
demo.kill('SIGINT');
