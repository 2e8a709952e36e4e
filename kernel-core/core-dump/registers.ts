/** Registers on the processor as core files have them: of programs (contents.ts) and of drivers (drivers/crash-dump.ts). */
import { KERNEL_CS, KERNEL_SS, USER_CS, USER_SS } from '../../abi/segment.js';
import type { Cpu } from '../../cpu/index.js';
import type { CoreRegister, CoreThread } from '../../elf/core.js';

const FXSAVE_SIZE = 512;
/** Numbers of the registers in the processor's encoding. */
const GENERAL: readonly CoreRegister[] = [
  ...(['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const),
];

/** Of code, and of the stack. */
export interface Selectors {
  readonly cs: number;
  readonly ss: number;
}
export const USER_SELECTORS: Selectors = { cs: USER_CS, ss: USER_SS };
export const KERNEL_SELECTORS: Selectors = { cs: KERNEL_CS, ss: KERNEL_SS };

/** @param call number of the system call it is in, -1: none */
export function registersOf(cpu: Cpu, { cs, ss }: Selectors, call: number): Pick<CoreThread, 'registers' | 'fxsave'> {
  const registers: Partial<Record<CoreRegister, bigint>> = {
    rip: BigInt(cpu.rip),
    eflags: BigInt(cpu.rflags),
    cs: BigInt(cs),
    ss: BigInt(ss),
    fs_base: BigInt(cpu.fsBase),
    gs_base: BigInt(cpu.gsBase),
    orig_rax: BigInt(call),
  };
  for (const [index, name] of GENERAL.entries()) {
    registers[name] = (BigInt(cpu.regHi(index)) << 32n) | BigInt(cpu.regLo(index));
  }
  const fxsave = new Uint8Array(FXSAVE_SIZE);
  cpu.fxsave(fxsave, 0);
  return { registers, fxsave };
}
