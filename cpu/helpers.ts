/**
 * Helpers: instructions (or parts of them) written in TypeScript and called from emitted code with the address of the
 * decoded record and the physical address of the probed memory operand.
 */
import type { PhysicalMemory } from './physical-memory.js';

/** What a helper may touch. Registers are at the fixed addresses of state.ts in `memory`. */
export interface HelperContext {
  readonly memory: PhysicalMemory;
  /** Raises the exception of that vector at the current instruction; the helper then returns false. */
  raise(vector: number, errorCode?: number): void;
  /** Raises a trap that is reported behind the instruction (int3). */
  trapAfter(vector: number, record: number): void;
  /**
   * Translates a stack access of up to 64 bytes within the instruction; 0 when that raised a fault. An access over a page
   * boundary is a copy, which `commit` writes back.
   */
  access(record: number, address: number, bytes: number, write: boolean): number;
  /** Writes back what `access` returned for a write, if that was a copy. */
  commit(): void;
  /** Address of the instruction that executes. */
  instructionAddress(record: number): number;
  /** Runs the syscall hook, when rip, rcx and r11 are set; false when the run loop must be left. */
  syscall(record: number): boolean;
  rdtsc(): number;
  cpuid(leaf: number, subleaf: number, out: Uint32Array): void;
}

/**
 * @param record address of the decoded record (offsets in record.ts)
 * @param pa physical address of the operand that the row passed, else 0. Operands that cross a page are copies up to 64
 *   bytes, written back by the run loop. The memory views may be replaced by an allocation: use `cpu.memory.u8` afresh.
 * @returns false when it raised an exception or the run loop must be left; then it has changed nothing
 */
export type Helper = (cpu: HelperContext, record: number, pa: number) => boolean;

/** The syscall instruction. Emitted code of the interpreter calls its import instead, which does the same. */
export const systemCall: Helper = (cpu, record) => cpu.syscall(record);
