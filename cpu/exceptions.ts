/** What an exception of the processor becomes: the fault that a signal is made of, or a page fault that the kernel mends. */
import {
  FPE_FLTINV,
  FPE_INTDIV,
  ILL_ILLOPN,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
} from '../abi/signal.js';
import type { CpuHooks } from './cpu.js';
import { TRAP_BP, TRAP_DE, TRAP_GP, TRAP_MF, TRAP_PF, TRAP_SS, TRAP_UD, TRAP_XM } from './exits.js';
import { PTE_EXEC, PTE_WRITE } from './page-table.js';
import type { RunState } from './run-state.js';
import { PAGE_SIZE, RIP } from './state.js';
import { fpuExceptionCode } from './x87/index.js';

/** TASK_SIZE_MAX of Linux: one page below the non-canonical hole. */
const USER_END = 2 ** 47 - PAGE_SIZE;
/** Bits of a page fault's error code. */
const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_USER = 4;
const PF_FETCH = 16;

/** Signal and si_code of exceptions that are not page faults. @source Linux arch/x86/kernel/traps.c */
const SIGNAL_OF: Record<number, readonly [signal: number, code: number, atInstruction: boolean]> = {
  [TRAP_DE]: [SIGFPE, FPE_INTDIV, true],
  [TRAP_BP]: [SIGTRAP, SI_KERNEL, false],
  [TRAP_UD]: [SIGILL, ILL_ILLOPN, true],
  [TRAP_SS]: [SIGBUS, SI_KERNEL, false],
  [TRAP_GP]: [SIGSEGV, SI_KERNEL, false],
  [TRAP_MF]: [SIGFPE, FPE_FLTINV, true],
  [TRAP_XM]: [SIGFPE, FPE_FLTINV, true],
};

/** Sets the fault of an exception other than a page fault; rip is at the instruction. */
export function setException(run: RunState, vector: number): void {
  const [signal, code, atInstruction] = SIGNAL_OF[vector] ?? [SIGSEGV, SI_KERNEL, false];
  const floating = vector === TRAP_MF || vector === TRAP_XM;
  const reason = floating ? fpuExceptionCode(run.memory, vector === TRAP_XM) : code;
  run.setFault(signal, reason, atInstruction ? run.read64(RIP) : 0, vector, 0);
}

/**
 * Sets the fault of a page, and has the kernel mend it.
 * @param access PTE_READ, PTE_WRITE or PTE_EXEC
 * @param entry of the page table
 * @returns whether to try again
 */
export function pageFault(run: RunState, hooks: CpuHooks, address: number, access: number, entry: number): boolean {
  const present = entry !== 0;
  // Linux shows every fault in the kernel's half as a protection fault, so that it tells nothing about mappings there.
  const user = address >= 0 && address < USER_END;
  const err =
    PF_USER |
    // A page without any right (PROT_NONE) is one that Linux does not mark present.
    ((entry & 7) !== 0 || !user ? PF_PRESENT : 0) |
    (access === PTE_WRITE ? PF_WRITE : access === PTE_EXEC ? PF_FETCH : 0);
  run.fault.cr2 = address;
  run.setFault(SIGSEGV, present ? SEGV_ACCERR : SEGV_MAPERR, address, TRAP_PF, err);
  return hooks.pageFault(address, access);
}
