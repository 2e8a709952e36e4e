/** Writes docs/syscalls.md from the compiled system call table. Run after a build: `npm run docs:syscalls`. */
// @ts-check
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const compiled = join(root, 'dist', 'kernel-core', 'syscalls');
const { SYSCALLS } = await import(join(compiled, 'table.js'));
const { renderSupportPage } = await import(join(compiled, 'support-page.js'));
writeFileSync(join(root, 'docs', 'syscalls.md'), renderSupportPage(SYSCALLS));
