/** The numbers of `--stats` as people read them. */
import type { CpuStatistics } from '../kernel-core/index.js';

const LABEL_WIDTH = 28;

/** One number a line, what belongs to another number indented below it. */
export function formatStatistics(statistics: CpuStatistics): string {
  const { instructions, interpreted, syscalls, exits, translator } = statistics;
  const lines: [label: string, value: number | string][] = [
    ['instructions', instructions],
    ['  interpreted', interpreted],
  ];
  if (translator !== undefined) lines.push(['  translated', translator.instructions]);
  lines.push(
    ['system calls', syscalls],
    ['returns to the scheduler', Object.values(exits).reduce((sum, count) => sum + count, 0)],
    ...indented(exits),
    ['decoded instructions', statistics.decodedInstructions],
    ['pages of code', statistics.codePages],
    ['translation look-up misses', statistics.tlbMisses],
  );
  if (translator !== undefined) {
    lines.push(
      ['regions', translator.regions],
      ['  from the cache', translator.cacheHits],
      ['modules', translator.modules],
      ['bytes of WebAssembly', translator.codeBytes],
      ['translation time, ms', translator.milliseconds.toFixed(1)],
      ['exits of translated code', Object.values(translator.exits).reduce((sum, count) => sum + count, 0)],
      ...indented(translator.exits),
    );
  }
  return lines.map(([label, value]) => `${label.padEnd(LABEL_WIDTH)}${String(value).padStart(14)}\n`).join('');
}

const indented = (counts: Record<string, number>): [string, number][] =>
  Object.entries(counts).map(([reason, count]) => [`  ${reason}`, count]);
