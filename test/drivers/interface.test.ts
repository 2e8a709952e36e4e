/** The C headers and the rows of exported functions say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXPORTS } from '../../kernel-core/drivers/exports/index.js';
import { MACHINE_CODE } from '../../kernel-core/drivers/exports/machine-code.js';
import { symbolOf } from '../../kernel-core/drivers/row.js';

const FOLDER = 'drivers/include/banos';

/** Prototypes as headers declare them, with single blanks. */
function declared(): string[] {
  const prototypes: string[] = [];
  for (const file of readdirSync(FOLDER)) {
    const text = readFileSync(`${FOLDER}/${file}`, 'utf8')
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/^#.*(\\\n.*)*$/gm, '')
      .replace(/__attribute__\s*\(\(format\([^)]*\)\)\)/g, '');
    for (const [, prototype] of text.matchAll(/^((?:const )?[\w ]+?[ *]+\w+\s*\((?:[^()]|\([^()]*\))*\))\s*;/gm)) {
      if (!prototype.startsWith('typedef')) prototypes.push(prototype.replace(/\s+/g, ' ').trim());
    }
  }
  return prototypes;
}

test('every function of the headers is exported with the same prototype, and every exported one is in a header', () => {
  const rows = [...EXPORTS, ...MACHINE_CODE].map(({ prototype }) => prototype.replace(/\s+/g, ' '));
  const headers = declared();
  assert.ok(headers.length > 50, `${headers.length} prototypes found`);
  assert.equal(
    rows.filter((row) => !headers.includes(row)),
    [],
    'not in a header',
  );
  assert.equal(
    headers.filter((header) => !rows.includes(header)),
    [],
    'not exported',
  );
});

test('no two exports have one name, and each takes as many arguments as its prototype says', () => {
  const names = [...EXPORTS.map(symbolOf), ...MACHINE_CODE.map(({ name }) => name)];
  assert.is(new Set(names).size, names.length);
  for (const { name, prototype, fn } of EXPORTS) {
    const list = prototype.slice(prototype.indexOf('(') + 1, -1);
    const depth = [...list].reduce<[number, number]>(
      ([commas, open], c) => [commas + (c === ',' && open === 0 ? 1 : 0), open + (c === '(' ? 1 : c === ')' ? -1 : 0)],
      [0, 0],
    )[0];
    const count = list === 'void' ? 0 : depth + 1;
    assert.ok(prototype.includes(`${name}(`), prototype);
    assert.ok(fn.length - 1 <= count, `${name}: ${fn.length - 1} arguments are read, ${count} are passed`);
  }
});

test.run();
