/**
 * Why `Cpu.run` came back, and what a fault says. Shared by the run loop's helpers and the Cpu class.
 */

/** The budget is used up. */
export const EXIT_SLICE = 1;
/** The syscall hook asked to leave. */
export const EXIT_SYSCALL = 2;
/** An exception that no hook resolved; see `Cpu.fault`. rip is at the faulting instruction (behind it for int3). */
export const EXIT_FAULT = 3;
/** `requestStop` was called, or a watchpoint was hit: see `Cpu.watchHit`. */
export const EXIT_STOP = 4;
/** rip is at a breakpoint that is wanted; see `CpuHooks.breakpoint`. */
export const EXIT_BREAK = 5;

/** An exception as the signal frame of Linux reports it. */
export interface FaultInfo {
  signal: number;
  /** si_code */
  code: number;
  /** si_addr */
  address: number;
  /** x86 exception vector */
  trapno: number;
  /** error code that the processor pushes */
  err: number;
  /** faulting address of a page fault, else what it was before */
  cr2: number;
}

/** Exception vectors. @source Intel SDM vol. 3, table 6-1 */
export const TRAP_DE = 0;
export const TRAP_DB = 1;
export const TRAP_BP = 3;
export const TRAP_UD = 6;
export const TRAP_SS = 12;
export const TRAP_GP = 13;
export const TRAP_PF = 14;
export const TRAP_MF = 16;
export const TRAP_XM = 19;
