/** docs/benchmarks.md: the measured part between two markers is written from results, the rest by hand. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plot } from './plot.js';
import { figure, type Results, slowerThanQemu, summaries, tableCells } from './report.js';

const BEGIN = '<!-- results: written by `npm run bench -- --docs` -->';
const END = '<!-- end of results -->';

const escapeCell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function markdownTable(cells: readonly string[][]): string[] {
  const [header, ...rows] = cells;
  const line = (row: readonly string[]) => `| ${row.map(escapeCell).join(' | ')} |`;
  return [line(header!), `|${header!.map((_, i) => (i < 2 ? ' --- |' : ' ---: |')).join('')}`, ...rows.map(line)];
}

function measuredPart(results: Results): string {
  const { machine, commit, time, engines, quick } = results;
  const lines = [
    `Measured ${time.slice(0, 10)}, commit ${commit}, ${quick ? 'a quick run' : 'a full run'} at a load average of ${machine['load']}: ${machine['cpu']}, ${machine['cpus']} CPUs, Linux ${machine['kernel']}, ` +
      `${machine['gcc']}, ${machine['qemu']}; ${engines.join('; ')}.`,
    '',
    '![Time of each row against native, Banos and qemu-user](bench.svg)',
    '',
    ...markdownTable(tableCells(results)),
    '',
  ];
  engines.forEach((name, engine) => {
    for (const { name: group, worst } of summaries(results)) {
      if (worst[engine] !== null) lines.push(`- Worst of ${group}, ${name}: ${figure(worst[engine])}.`);
    }
    const slower = slowerThanQemu(results, engine);
    lines.push(`- Slower than qemu-user, ${name}: ${slower.length === 0 ? 'none' : slower.join(', ')}.`);
  });
  for (const text of results.missing) lines.push(`- Not measured: ${text}.`);
  for (const text of results.failures) lines.push(`- Failed: ${escapeCell(text)}.`);
  return lines.join('\n');
}

/**
 * Replaces the measured part of benchmarks.md in `folder`, and its plot.
 * @throws Error when the page or its markers are gone
 */
export function writeDocs(results: Results, folder: string): void {
  const page = join(folder, 'benchmarks.md');
  const text = existsSync(page) ? readFileSync(page, 'utf8') : '';
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${page}: the markers of the measured part are gone`);
  writeFileSync(page, `${text.slice(0, begin)}${BEGIN}\n\n${measuredPart(results)}\n\n${text.slice(end)}`);
  writeFileSync(join(folder, 'bench.svg'), plot(results));
}
