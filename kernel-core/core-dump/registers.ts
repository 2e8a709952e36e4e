/** Registers on the processor as core files have them: of programs (contents.ts) and of drivers (drivers/crash-dump.ts). */
import type { Cpu } from '../../cpu/index.js';
import type { CoreRegister, CoreThread } from '../../elf/core.js';

const FXSAVE_SIZE = 512;
/** Numbers of the registers in the processor's encoding. */
const GENERAL: readonly CoreRegister[] = [
  ...(['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi'] as const),
  ...(['r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'] as const),
];

export interface Selectors {
  readonly cs: bigint;
  readonly ss: bigint;
}
export const USER_SELECTORS: Selectors = { cs: 0x33n, ss: 0x2bn };
export const KERNEL_SELECTORS: Selectors = { cs: 0x10n, ss: 0x18n };

/** @param call number of the system call it is in, -1: none */
export function registersOf(cpu: Cpu, { cs, ss }: Selectors, call: number): Pick<CoreThread, 'registers' | 'fxsave'> {
  const registers: Partial<Record<CoreRegister, bigint>> = {
    rip: BigInt(cpu.rip),
    eflags: BigInt(cpu.rflags),
    cs,
    ss,
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
