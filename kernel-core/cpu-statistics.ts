/** What the processor has done, in numbers: for `banos run --stats` and for benchmarks. */
import { EXIT_FAULT, EXIT_SLICE, EXIT_STOP, EXIT_SYSCALL, type RegionReturns } from '../cpu/index.js';
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

/** What translation to WebAssembly has done since boot. */
export interface TranslationStatistics {
  /** Instructions executed in regions. */
  instructions: number;
  /** Regions made, and those that were dropped again. */
  regions: number;
  dropped: number;
  /** Instructions of programs in the regions made; inlined ones count each time. */
  regionInstructions: number;
  modules: number;
  /** Bytes of WebAssembly in all modules. */
  codeBytes: number;
  /** Places besides their beginnings at which regions can be entered. */
  doors: number;
  /** How often regions came back to the interpreter, by reason. */
  returns: RegionReturns;
  /** Accesses that left a region because no window held their address, and of these, because it held another extent. */
  windowMisses: number;
  windowConflicts: number;
  /** Modules and bytes of WebAssembly in place now; modules that made room for others. */
  liveModules: number;
  liveBytes: number;
  evictedModules: number;
  /**
   * Instructions that became one module, at most; of them, those between two turns of the event loop; the longest time
   * between two such turns that translation took, and all of it, in nanoseconds.
   */
  largestBatch: number;
  largestStep: number;
  longestTranslation: number;
  translationTime: number;
  /** With a directory for translated code: modules taken from it, not found in it, written to it. */
  cache?: { hits: number; misses: number; stores: number };
}

export function cpuStatistics({ cpu, dispatch }: Kernel): CpuStatistics {
  const { instructions, translated, exits, codePages, decodedRecords, tlbMisses, translator } = cpu.stats();
  return {
    instructions,
    interpreted: instructions - translated,
    syscalls: dispatch.count,
    exits: {
      slice: exits[EXIT_SLICE] ?? 0,
      syscall: exits[EXIT_SYSCALL] ?? 0,
      fault: exits[EXIT_FAULT] ?? 0,
      stop: exits[EXIT_STOP] ?? 0,
    },
    codePages,
    decodedInstructions: decodedRecords,
    tlbMisses,
    ...(translator !== undefined && {
      translator: {
        instructions: translated,
        regions: translator.regions,
        dropped: translator.dropped,
        regionInstructions: translator.translatedInstructions,
        modules: translator.modules,
        codeBytes: translator.moduleBytes,
        doors: translator.doors,
        returns: translator.returns,
        windowMisses: translator.windowMisses,
        windowConflicts: translator.conflicts,
        liveModules: translator.liveModules,
        liveBytes: translator.liveBytes,
        evictedModules: translator.evicted,
        largestBatch: translator.largestBatch,
        largestStep: translator.largestStep,
        longestTranslation: translator.longest,
        translationTime: translator.time,
        ...(translator.cache !== undefined && { cache: translator.cache }),
      },
    }),
  };
}
