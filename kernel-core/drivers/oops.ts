/**
 * What the log says when a driver's call fails: the reason, the place, registers, the bytes of the code, and who called whom.
 * The format is Linux's, so that people and tools read it. The call's registers are on the processor.
 * @source Linux arch/x86/kernel/dumpstack.c, arch/x86/mm/fault.c show_fault_oops, kernel/sched/core.c __schedule_bug
 */
import type { FaultInfo } from '../../cpu/index.js';
import type { Kernel } from '../kernel.js';
import { KERNEL_RELEASE, KERNEL_VERSION } from '../syscalls/system.js';
import type { KernelCall } from './call.js';
import type { OopsReason } from './calls.js';
import { isKernelAddress } from './layout.js';
import type { KernelSpace } from './space.js';
import { hex, type SymbolIndex } from './symbols.js';

const TRAP_DE = 0;
const TRAP_BP = 3;
const TRAP_UD = 6;
const TRAP_SS = 12;
const TRAP_GP = 13;
const TRAP_PF = 14;
const TRAP_MF = 16;
const TRAP_XM = 19;
const TRAP_NAMES: Readonly<Record<number, string>> = {
  [TRAP_DE]: 'divide error',
  [TRAP_BP]: 'int3',
  [TRAP_UD]: 'invalid opcode',
  [TRAP_SS]: 'stack segment',
  [TRAP_GP]: 'general protection fault',
  [TRAP_MF]: 'x87 FPU error',
  [TRAP_XM]: 'SIMD exception',
};
const PF_PRESENT = 1;
const PF_WRITE = 2;
const PF_FETCH = 16;
/** Faults below it are of a null pointer to a structure. */
const NULL_AREA = 4096;
const RBP = 5;
const RSP = 4;
/** Bytes of code before the instruction, and all together. @source Linux dumpstack.c */
const CODE_PROLOGUE = 42;
const CODE_BYTES = 64;
/** Frames that a backtrace shows. */
const MAX_FRAMES = 32;
const REGISTERS = [
  ['RAX', 0],
  ['RBX', 3],
  ['RCX', 1],
  ['RDX', 2],
  ['RSI', 6],
  ['RDI', 7],
  ['RBP', 5],
  ['R08', 8],
  ['R09', 9],
  ['R10', 10],
  ['R11', 11],
  ['R12', 12],
  ['R13', 13],
  ['R14', 14],
  ['R15', 15],
] as const;

export interface OopsContext {
  kernel: Kernel;
  space: KernelSpace;
  symbols: SymbolIndex;
  /** Is an address in the page that guards a stack? */
  isGuard: (address: number) => boolean;
  /** Names of loaded modules, with their flags. */
  modules: () => string;
  /** `Not tainted`, or `Tainted: ` and the letters. */
  taint: () => string;
  /** Number of this report, from 1. */
  number: number;
}

/** One line for each element. */
export function describeOops(context: OopsContext, call: KernelCall, reason: OopsReason): string[] {
  const { kernel, space, symbols, modules, taint } = context;
  const { cpu } = kernel;
  const { rip } = cpu;
  const lines = headline(context, call, reason, cpu.fault);
  const { task } = call;
  lines.push(
    `CPU: 0 PID: ${task?.tid ?? 0} Comm: ${task?.comm ?? 'swapper/0'} ${taint()} ${KERNEL_RELEASE} ${KERNEL_VERSION}`,
    `RIP: 0010:${symbols.describe(rip)}`,
    `Code: ${codeBytes(space, rip)}`,
    `RSP: 0018:${hex(cpu.reg(RSP))} EFLAGS: ${(cpu.rflags >>> 0).toString(16).padStart(8, '0')}`,
  );
  for (let i = 0; i < REGISTERS.length; i += 3) {
    const row = REGISTERS.slice(i, i + 3);
    lines.push(row.map(([name, index]) => `${name}: ${register(kernel, index)}`).join(' '));
  }
  lines.push(`CR2: ${hex(cpu.fault.cr2)}`, 'Call Trace:', ' <TASK>');
  for (const { address, isSure } of backtrace(context, call)) {
    lines.push(` ${isSure ? '' : '? '}${symbols.describe(address, true)}`);
  }
  lines.push(' </TASK>', `Modules linked in: ${modules()}`, `---[ end trace ${'0'.repeat(16)} ]---`);
  return lines;
}

const register = ({ cpu }: Kernel, index: number): string =>
  (cpu.regHi(index) >>> 0).toString(16).padStart(8, '0') + (cpu.regLo(index) >>> 0).toString(16).padStart(8, '0');

function headline(context: OopsContext, call: KernelCall, reason: OopsReason, fault: FaultInfo): string[] {
  const { number } = context;
  if (reason.kind === 'bug') return [`BUG: ${reason.text}${called(call)}`];
  if (reason.kind === 'syscall') return [`invalid opcode: 0000 [#${number}]`];
  if (fault.trapno !== TRAP_PF) {
    const name = TRAP_NAMES[fault.trapno] ?? `exception ${fault.trapno}`;
    return [`${name}: ${fault.err.toString(16).padStart(4, '0')} [#${number}]`];
  }
  const address = fault.cr2;
  const page = context.space.rightsAt(address);
  const code = (fault.err & (PF_WRITE | PF_FETCH)) | (page === 0 ? 0 : PF_PRESENT);
  const access = code & PF_FETCH ? 'instruction fetch' : code & PF_WRITE ? 'write access' : 'read access';
  const meaning = page === 0 ? 'not-present page' : 'permissions violation';
  const lines: string[] = [];
  if (context.isGuard(address)) {
    const { low, top } = call.stack;
    lines.push(`BUG: stack guard page was hit at ${hex(address)} (stack is ${hex(low)}..${hex(top - 1)})`);
  } else if (address >= 0 && address < NULL_AREA) {
    lines.push(`BUG: kernel NULL pointer dereference, address: ${hex(address)}`);
  } else if (isKernelAddress(address)) {
    lines.push(`BUG: unable to handle page fault for address: ${hex(address)}`);
  } else lines.push(`BUG: unable to handle page fault for user address: ${hex(address)}`);
  lines.push(`#PF: supervisor ${access} in kernel mode`);
  lines.push(`#PF: error_code(0x${code.toString(16).padStart(4, '0')}) - ${meaning}`);
  lines.push(`Oops: ${code.toString(16).padStart(4, '0')} [#${number}]`);
  return lines;
}

/** `: comm/pid/depth`, as Linux says it of sleeping where one must not. */
function called({ task, atomicDepth, isAtomic, bugText }: KernelCall): string {
  if (!bugText.startsWith('scheduling while atomic')) return '';
  const depth = (atomicDepth + (isAtomic ? 1 : 0)).toString(16).padStart(8, '0');
  return `: ${task?.comm ?? 'swapper/0'}/${task?.tid ?? 0}/0x${depth}`;
}

/** The bytes around the instruction, its first in angle brackets. */
function codeBytes(space: KernelSpace, rip: number): string {
  const bytes: string[] = [];
  for (let i = 0; i < CODE_BYTES; i++) {
    const address = rip - CODE_PROLOGUE + i;
    const at = space.physical(address, 1);
    if (at < 0) {
      if (address >= rip) return bytes.length === 0 ? 'Unable to access opcode bytes' : bytes.join(' ');
      continue;
    }
    const byte = space.memory.u8[at]!.toString(16).padStart(2, '0');
    bytes.push(address === rip ? `<${byte}>` : byte);
  }
  return bytes.join(' ');
}

interface Frame {
  readonly address: number;
  /** Found by the chain of frame pointers; else it only lies on the stack. */
  readonly isSure: boolean;
}

/**
 * Return addresses on the stack from the stack pointer up. What the chain of rbp leads to is sure; what else lies there and
 * points behind a call into code may be left over.
 */
export function backtrace({ kernel, space, symbols }: OopsContext, call: KernelCall): Frame[] {
  const { cpu } = kernel;
  const { low, top } = call.stack;
  const chain = new Set<number>();
  const isOnStack = (address: number): boolean => address >= low && address <= top - 16 && address % 8 === 0;
  for (let frame = cpu.reg(RBP); isOnStack(frame) && chain.size < MAX_FRAMES; ) {
    chain.add(frame + 8);
    const next = space.readI64(frame);
    if (!(next > frame)) break;
    frame = next;
  }
  const frames: Frame[] = [];
  const start = Math.ceil(cpu.reg(RSP) / 8) * 8;
  for (let at = Math.max(start, low); at < call.returnSlot && frames.length < MAX_FRAMES; at += 8) {
    const address = space.readI64(at);
    const range = symbols.rangeOf(address);
    if (range === undefined) continue;
    const isSure = chain.has(at);
    if (isSure || (range.module !== null && isBehindCall(space, address))) frames.push({ address, isSure });
  }
  return frames;
}

/** Do the bytes before an address look like a call instruction? */
function isBehindCall(space: KernelSpace, address: number): boolean {
  const byte = (offset: number): number => {
    const at = space.physical(address + offset, 1);
    return at < 0 ? -1 : space.memory.u8[at]!;
  };
  if (byte(-5) === 0xe8) return true;
  // ff /2: register, memory with no, 8-bit or 32-bit displacement, with or without an index.
  for (const length of [2, 3, 4, 6, 7]) if (byte(-length) === 0xff && ((byte(1 - length) >> 3) & 7) === 2) return true;
  return false;
}
