// Both languages say the same things: equal names, equal places to fill in.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import en from '../../dashboard/assets/messages/en.js';
import zh from '../../dashboard/assets/messages/zh.js';

assert.deepEqual(Object.keys(zh).sort(), Object.keys(en).sort());
const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
for (const name of Object.keys(en)) {
  assert.deepEqual(places(zh[name]), places(en[name]), name);
  assert.match(zh[name], /[\u3000-\u9fff]|^API$/, `${name} is not Chinese`);
}

// Every message is used, and every one that is used is there.
const folder = new URL('../../dashboard/assets/', import.meta.url);
const sources = ['.', 'parts', 'views'].flatMap((part) =>
  readdirSync(new URL(`${part}/`, folder))
    .filter((file) => file.endsWith('.js'))
    .map((file) => readFileSync(new URL(`${part}/${file}`, folder), 'utf8')),
);
const code = sources.join('\n');
const patterns = [...code.matchAll(/`(\w+_)\$\{/g)].map(([, start]) => start);
for (const name of Object.keys(en)) {
  assert.ok(
    code.includes(`'${name}'`) ||
      patterns.some((start) => name.startsWith(start)) ||
      (code.includes(`\`\${summary.kind}s\``) && /^(shops|creators)$/.test(name)),
    `${name} is not used`,
  );
}
for (const [, name] of code.matchAll(/[^\w.]t\('(\w+)'/g)) assert.ok(name in en, `${name} has no text`);
