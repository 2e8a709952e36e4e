/** What the documentation points at exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  ...readdirSync('docs', { recursive: true }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

test('every path in docs/WHERE.md exists', () => {
  const paths = [...readFileSync('docs/WHERE.md', 'utf8').matchAll(/`([\w./-]+\/[\w./-]*|[\w./-]+\.(?:ts|cjs))`/g)];
  assert.ok(paths.length > 40);
  assert.equal(
    paths.map(([, path]) => path).filter((path) => !existsSync(path)),
    [],
  );
});

test('every link between pages leads somewhere', () => {
  for (const page of pages) {
    for (const [, target] of readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)\)/g)) {
      assert.ok(existsSync(join(dirname(page), target)), `${page} → ${target}`);
    }
  }
});

test('every test that a promise of the driver interface names is there', () => {
  let count = 0;
  for (const line of readFileSync('docs/driver-promises.md', 'utf8').split('\n')) {
    let file = '';
    for (const [, path, title] of line.matchAll(/`(test\/[\w./-]+\.ts)`|"([^"]+)"/g)) {
      if (path !== undefined) file = path;
      else {
        assert.ok(file !== '' && readFileSync(file, 'utf8').includes(title), `${file}: ${title}`);
        count++;
      }
    }
  }
  assert.ok(count > 40, `${count} tests are named`);
});

test('every decision is in the index', () => {
  const index = readFileSync('docs/decisions/README.md', 'utf8');
  for (const name of readdirSync('docs/decisions'))
    if (name !== 'README.md') assert.ok(index.includes(`(${name})`), name);
});

test.run();
