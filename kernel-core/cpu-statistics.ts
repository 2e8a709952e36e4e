/** What the processor has done, in numbers: for `banos run --stats` and for benchmarks. */
import { EXIT_FAULT, EXIT_SLICE, EXIT_STOP, EXIT_SYSCALL } from '../cpu/index.js';
import type { Kernel } from './kernel.js';

export interface CpuStatistics {
  /** Instructions that programs have executed. */
  instructions: number;
  /** Of these, in the interpreter. */
  interpreted: number;
  syscalls: number;
  /** How often the processor came back to the scheduler, by reason. */
  exits: { slice: number; syscall: number; fault: number; stop: number };
  /** Pages with decoded instructions that live, and instructions decoded since boot. */
  codePages: number;
  decodedInstructions: number;
  /** Memory accesses that the interpreter could not translate by itself. */
  tlbMisses: number;
  /** Absent as long as nothing was translated. */
  translator?: TranslationStatistics;
}

/** What translation to WebAssembly has done. */
export interface TranslationStatistics {
  /** Instructions executed in translated code. */
  instructions: number;
  /** Regions and modules that live. */
  regions: number;
  modules: number;
  /** Bytes of WebAssembly in them. */
  codeBytes: number;
  /** Time spent translating, V8's compilation not included. */
  milliseconds: number;
  /** Regions that came from the cache. */
  cacheHits: number;
  /** How often translated code was left for the interpreter, by reason. */
  exits: Record<string, number>;
}

export function cpuStatistics({ cpu, syscallCount }: Kernel): CpuStatistics {
  const { instructions, exits, codePages, decodedRecords, tlbMisses } = cpu.stats();
  return {
    instructions,
    interpreted: instructions,
    syscalls: syscallCount,
    exits: {
      slice: exits[EXIT_SLICE] ?? 0,
      syscall: exits[EXIT_SYSCALL] ?? 0,
      fault: exits[EXIT_FAULT] ?? 0,
      stop: exits[EXIT_STOP] ?? 0,
    },
    codePages,
    decodedInstructions: decodedRecords,
    tlbMisses,
  };
}
