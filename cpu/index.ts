/** The public face of the CPU engine: physical memory, address spaces, the processor. */
export { Cpu, type CpuHooks } from './cpu.js';
export { CPU_BRAND, CPU_FLAGS, CPU_VENDOR, defaultCpuid } from './cpuid.js';
export { DebugMarks, type Watchpoint } from './debug-marks.js';
export { Disassembler, type GuestInstruction } from './disassembler/disassembler.js';
export { sideBySide } from './disassembler/side-by-side.js';
export { EXIT_BREAK, EXIT_FAULT, EXIT_SLICE, EXIT_STOP, EXIT_SYSCALL, type FaultInfo } from './exits.js';
export { stateName } from './ir/text.js';
export type { Nesting } from './nesting.js';
export { PageTable, PTE_EXEC, PTE_READ, PTE_WRITE } from './page-table.js';
export { PhysicalMemory } from './physical-memory.js';
export { engineIdentity } from './tier0/interpreter.js';
export type { CodeStore } from './tier1/cache.js';
export { DEFAULT_TRANSLATOR, type RegionReturns, type TranslatorOptions } from './tier1/translator-options.js';
export type { TranslatedRegion } from './tier1/watch.js';
export { codeText } from './wasm/text.js';
