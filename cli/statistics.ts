/** The numbers of `--stats` as people read them. */
import type { CpuStatistics } from '../kernel-core/index.js';

const LABEL_WIDTH = 28;

/** One number a line, what belongs to another number indented below it. */
export function formatStatistics(statistics: CpuStatistics): string {
  const { instructions, interpreted, syscalls, exits, translator } = statistics;
  const lines: [label: string, value: number][] = [
    ['instructions', instructions],
    ['  interpreted', interpreted],
  ];
  if (translator !== undefined) lines.push(['  translated', translator.instructions]);
  lines.push(
    ['system calls', syscalls],
    ['returns to the scheduler', Object.values(exits).reduce((sum, count) => sum + count, 0)],
    ...Object.entries(exits).map(([reason, count]): [string, number] => [`  ${reason}`, count]),
    ['decoded instructions', statistics.decodedInstructions],
    ['pages of code', statistics.codePages],
    ['translation look-up misses', statistics.tlbMisses],
  );
  if (translator !== undefined) {
    lines.push(
      ['regions', translator.regions],
      ['  dropped', translator.dropped],
      ['  instructions in them', translator.regionInstructions],
      ['  doors', translator.doors],
      ['returns from regions', Object.values(translator.returns).reduce((sum, count) => sum + count, 0)],
      ...Object.entries(translator.returns).map(([reason, count]): [string, number] => [`  ${reason}`, count]),
      ['modules', translator.modules],
      ['  bytes of WebAssembly', translator.codeBytes],
      ['  in place', translator.liveModules],
      ['  evicted', translator.evictedModules],
      ['time of translation, µs', Math.round(translator.translationTime / 1000)],
      ['  longest', Math.round(translator.longestTranslation / 1000)],
      ['window misses', translator.windowMisses],
      ['  conflicts', translator.windowConflicts],
    );
    const { cache } = translator;
    if (cache !== undefined) {
      lines.push(['code cache: modules found', cache.hits], ['  not found', cache.misses], ['  written', cache.stores]);
    }
  }
  return lines.map(([label, value]) => `${label.padEnd(LABEL_WIDTH)}${String(value).padStart(14)}\n`).join('');
}
