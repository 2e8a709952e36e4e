/**
 * Control flow, flag instructions, system instructions that user mode has, and those it has not (#GP).
 * @source Intel SDM vol. 2; which ones fault in user mode: vol. 3, 5.9
 */
import { TRAP_BP, TRAP_DB, TRAP_GP, TRAP_UD } from '../exits.js';
import { FLAGS_FIXED } from '../flags.js';
import { type Helper, systemCall } from '../helpers.js';
import type { Builder } from '../ir/builder.js';
import { CC_NAMES, type Value } from '../ir/ir.js';
import { R_IMM } from '../record.js';
import { DF, R11, RAX, RBX, RCX, RDX, RIP } from '../state.js';
import { flagsWord } from './integer-move.js';
import { type Row, row } from './row.js';

type Semantics = (b: Builder) => void;

function place(b: Builder): 'near' | 'far' {
  return b.form === 'near' ? 'near' : 'far';
}

function jumpIf(code: number): Semantics {
  return (b) => {
    const cond = b.cond(code);
    b.target(place(b), cond);
    b.jump(cond);
  };
}

function jump(b: Builder): void {
  b.target(place(b));
  b.jump();
}

function call(b: Builder): void {
  b.target(place(b));
  b.push(b.returnAddress(), 64);
  b.jump();
}

function jumpTo(b: Builder): void {
  b.target(b.read(0));
  b.jump();
}

function callTo(b: Builder): void {
  b.target(b.read(0));
  b.push(b.returnAddress(), 64);
  b.jump();
}

function returnTo(drop: (b: Builder) => Value): Semantics {
  return (b) => {
    b.target(b.top(64));
    b.adjustStack(drop(b));
    b.jump();
  };
}

/** rcx or ecx by address size. */
function counter(b: Builder): { value: Value; set: (v: Value) => void } {
  const mask = b.select(b.i64(0xffffffffn), b.i64(-1), b.address32());
  const cut = (v: Value): Value => b.bin('and', v, mask);
  return { value: cut(b.get(RCX, 'i64.load')), set: (v) => b.set(RCX, 'i64.store', cut(v)) };
}

/** loopne, loope, loop: condition code that must hold besides the count, or −1. */
function loopWhile(code: number): Semantics {
  return (b) => {
    const rcx = counter(b);
    const left = b.bin('sub', rcx.value, b.i64(1));
    const again = b.bin('ne', left, b.i64(0));
    // Bits above the address size are cut on writing, so the count alone decides here.
    const taken = code < 0 ? again : b.bin('and', again, b.cond(code));
    b.target(place(b), taken);
    rcx.set(left);
    b.jump(taken);
  };
}

function jumpIfZero(b: Builder): void {
  const cond = b.eqz(counter(b).value);
  b.target(place(b), cond);
  b.jump(cond);
}

const cpuidOut = new Uint32Array(4);

const cpuid: Helper = (cpu) => {
  const { u32 } = cpu.memory;
  cpu.cpuid(u32[RAX >> 2]!, u32[RCX >> 2]!, cpuidOut);
  for (const [i, register] of [RAX, RBX, RCX, RDX].entries()) {
    cpu.memory.u32[register >> 2] = cpuidOut[i]!;
    cpu.memory.u32[(register >> 2) + 1] = 0;
  }
  return true;
};

const rdtsc: Helper = (cpu) => {
  const ticks = cpu.rdtsc();
  const { u32 } = cpu.memory;
  const high = Math.floor(ticks / 2 ** 32);
  u32[RAX >> 2] = ticks - high * 2 ** 32;
  u32[(RAX >> 2) + 1] = 0;
  u32[RDX >> 2] = high;
  u32[(RDX >> 2) + 1] = 0;
  return true;
};

const breakpoint: Helper = (cpu, record) => {
  cpu.trapAfter(TRAP_BP, record);
  return false;
};

const debugTrap: Helper = (cpu, record) => {
  cpu.trapAfter(TRAP_DB, record);
  return false;
};

/** int n: only 3 has a gate that user mode may use; the error code names the gate. */
const softwareInterrupt: Helper = (cpu, record) => {
  const vector = cpu.memory.u8[record + R_IMM]!;
  if (vector === 3) cpu.trapAfter(TRAP_BP, record);
  else cpu.raise(TRAP_GP, vector * 8 + 2);
  return false;
};

const nothing: Semantics = () => undefined;
const privileged: Semantics = (b) => b.trap(TRAP_GP);
const setDirection =
  (n: number): Semantics =>
  (b) =>
    b.set(DF, 'i32.store', b.i32(n));

const hex = (n: number): string => n.toString(16).padStart(2, '0');

function conditionRows(): Row[] {
  return CC_NAMES.flatMap((cc, code) => [
    row(hex(0x70 + code), `j${cc}`, 'Jb', jumpIf(code), { hot: '8near 8far', jumpCondition: code }),
    row(`0f ${hex(0x80 + code)}`, `j${cc}`, 'Jd', jumpIf(code), { hot: '32near 32far', jumpCondition: code }),
  ]);
}

const PRIVILEGED = [
  'f4',
  'fa',
  'fb',
  'cf',
  '0f 06',
  '0f 07',
  '0f 08',
  '0f 09',
  '0f 30',
  '0f 32',
  '0f 33',
  '0f 35',
  '6c',
  '6d',
  '6e',
  '6f',
  'ec',
  'ed',
  'ee',
  'ef',
  'cb',
];
const PRIVILEGED_IMMEDIATE = ['e4', 'e5', 'e6', 'e7'];
const HINT_NOPS = ['0f 18', '0f 19', '0f 1a', '0f 1b', '0f 1c', '0f 1d', '0f 1e', '0f 1f'];

export const flow: readonly Row[] = [
  ...conditionRows(),
  row('eb', 'jmp', 'Jb', jump, { hot: '8near 8far', ends: true }),
  row('e9', 'jmp', 'Jd', jump, { hot: '32near 32far', ends: true }),
  row('e8', 'call', 'Jd', call, { hot: '32near 32far' }),
  row('ff /2', 'call', 'Eq', callTo, { hot: '64r 64bd' }),
  row('ff /4', 'jmp', 'Eq', jumpTo, { hot: '64r 64bd 64bis', ends: true }),
  row(
    'c3',
    'ret',
    '',
    returnTo((b) => b.i64(8)),
    { hot: '32r', ends: true },
  ),
  row(
    'c2',
    'ret',
    'Iw',
    returnTo((b) => b.widen(b.bin('add', b.read(0), b.i32(8)), 32, false)),
    { ends: true },
  ),
  row('e0', 'loopne', 'Jb', loopWhile(5)),
  row('e1', 'loope', 'Jb', loopWhile(4)),
  row('e2', 'loop', 'Jb', loopWhile(-1)),
  row('e3', 'jrcxz', 'Jb', jumpIfZero),
  row('f8', 'clc', '', (b) => b.flags('carry', { cf: b.i32(0) })),
  row('f9', 'stc', '', (b) => b.flags('carry', { cf: b.i32(1) })),
  row('f5', 'cmc', '', (b) => b.flags('carry', { cf: b.bin('xor', b.carry(), b.i32(1)) })),
  row('fc', 'cld', '', setDirection(0)),
  row('fd', 'std', '', setDirection(1)),
  row('0f 0d', 'prefetch', 'Mb', nothing),
  ...HINT_NOPS.map((encoding) =>
    row(encoding, 'nop', 'Ev,Gv', nothing, encoding > '0f 1d' ? { hot: '32r 32bd 32bis 16bis' } : {}),
  ),
  row('f3 90', 'pause', '', nothing),
  row('0f ae /5', 'lfence', 'Rd', nothing),
  row('0f ae /6', 'mfence', 'Rd', nothing),
  row('0f ae /7', 'sfence', 'Rd', nothing),
  row('np 0f ae /7', 'clflush', 'Mb', (b) => {
    b.read(0);
  }),
  row('0f 05', 'syscall', '', (b) => {
    const next = b.returnAddress();
    b.set(RIP, 'i64.store', next);
    b.set(RCX, 'i64.store', next);
    b.set(R11, 'i64.store', b.widen(b.bin('or', flagsWord(b), b.i32(FLAGS_FIXED)), 32, false));
    b.helper(systemCall);
    b.target(b.get(RIP, 'i64.load'));
    b.jump();
  }),
  row('0f a2', 'cpuid', '', (b) => b.helper(cpuid)),
  row('0f 31', 'rdtsc', '', (b) => b.helper(rdtsc)),
  row('cc', 'int3', '', (b) => b.helper(breakpoint), { ends: true }),
  row('f1', 'int1', '', (b) => b.helper(debugTrap), { ends: true }),
  row('cd', 'int', 'Ib', (b) => b.helper(softwareInterrupt), { ends: true }),
  ...PRIVILEGED.map((encoding) => row(encoding, 'privileged', '', privileged, { ends: true })),
  ...PRIVILEGED_IMMEDIATE.map((encoding) => row(encoding, 'privileged', 'Ib', privileged, { ends: true })),
  row('ca', 'privileged', 'Iw', privileged, { ends: true }),
  ...['20', '21', '22', '23'].map((code) => row(`0f ${code}`, 'privileged', 'Rq,Gq', privileged, { ends: true })),
  ...[2, 3, 6, 7].map((digit) => row(`0f 01 /${digit}`, 'privileged', 'Mq', privileged, { ends: true })),
  row('0f 0b', 'ud2', '', (b) => b.trap(TRAP_UD), { ends: true }),
];
