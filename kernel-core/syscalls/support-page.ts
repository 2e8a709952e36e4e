/** The page that says which system calls there are and how far they go, written from the rows themselves. */
import { SYSCALL_NAMES } from '../../abi/syscall-numbers.js';
import type { SyscallRow } from './row.js';

const HEAD = `# System calls

What of Linux x86-64 is built, one line per system call. This page is written from the system call table by
\`npm run docs:syscalls\`; a test checks that it is up to date.

`;

/** Names in one paragraph, wrapped at 120 columns. */
function paragraph(words: readonly string[]): string {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > 120) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join('\n');
}

/** @param table rows by number */
export function renderSupportPage(table: readonly SyscallRow[]): string {
  const built: string[] = [];
  const missing: string[] = [];
  const counts = { full: 0, partial: 0, none: 0 };
  const numbers = new Set([...SYSCALL_NAMES.keys(), ...Object.keys(table).map(Number)]);
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const row = table[number];
    if (row.name === 'syscall') continue;
    counts[row.support]++;
    if (row.support === 'none') missing.push(`\`${row.name}\``);
    else built.push(`| ${number} | \`${row.name}\` | ${row.support} | ${row.note ?? ''} |`);
  }
  const summary = `${counts.full} are complete, ${counts.partial} in part, ${counts.none} answer ENOSYS.\n\n`;
  const header = '| number | name | support | what is missing |\n| ---: | --- | --- | --- |\n';
  return `${HEAD}${summary}${header}${built.join('\n')}\n\n## Not built: ENOSYS\n\n${paragraph(missing)}\n`;
}
