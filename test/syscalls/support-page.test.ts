import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SYSCALL_NAMES } from '../../abi/syscall-numbers.js';
import { renderSupportPage } from '../../kernel-core/syscalls/support-page.js';
import { SYSCALLS } from '../../kernel-core/syscalls/table.js';

test('docs/syscalls.md is what the table says (else: npm run docs:syscalls)', () => {
  const root = import.meta.dirname.replace(/([\\/]dist)?[\\/]test[\\/]syscalls$/, '');
  assert.is(readFileSync(join(root, 'docs', 'syscalls.md'), 'utf8'), renderSupportPage(SYSCALLS));
});

test('every row bears the name that Linux gives its number', () => {
  for (const [number, row] of SYSCALLS.entries()) {
    const name = SYSCALL_NAMES.get(number);
    if (name !== undefined) assert.is(row.name, name);
  }
});

test('what is done in part says what is missing, what is complete does not', () => {
  for (const { name, support, note } of SYSCALLS) {
    if (support === 'partial') assert.ok(note, name);
    if (support === 'full') assert.is(note, undefined, name);
  }
});

test.run();
