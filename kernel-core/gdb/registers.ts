/**
 * The registers of a task as gdb numbers them: one table gives the target description, the layout of `g` packets, and how
 * each is read and written. Names of features and registers are those that gdb looks for.
 * @source GDB manual, "i386 Features"; gdb/features/i386/64bit-*.xml for the order in which others have them
 */
import { ERESTARTSYS } from '../../abi/errno.js';
import { KERNEL_CS, KERNEL_SS, USER_CS, USER_SS } from '../../abi/segment.js';
import type { Task } from '../task.js';

const FXSAVE_SIZE = 512;
/** Of the fxsave image. */
const FX = { fcw: 0, fsw: 2, fop: 6, fip: 8, fdp: 16, mxcsr: 24, st: 32, xmm: 160 };
/** Encoding numbers of the general registers in gdb's order. */
const GENERAL: readonly (readonly [name: string, index: number])[] = [
  ['rax', 0],
  ['rbx', 3],
  ['rcx', 1],
  ['rdx', 2],
  ['rsi', 6],
  ['rdi', 7],
  ['rbp', 5],
  ['rsp', 4],
  ...[8, 9, 10, 11, 12, 13, 14, 15].map((index) => [`r${index}`, index] as const),
];
const RAX = 0;
/** Flags that a debugger may change: CF PF AF ZF SF TF(no) DF OF NT RF(no) AC ID. */
const WRITABLE_FLAGS = 0x244cd5;

/**
 * Registers of a task on the CPU: of its program or, while a driver runs on its behalf, of that call. What is set takes effect
 * with `commit`; `done` puts things back.
 */
class Frame {
  readonly task: Task;
  readonly fx = new Uint8Array(FXSAVE_SIZE);
  readonly view = new DataView(this.fx.buffer);
  isFxChanged = false;
  /** The program's, while the call's are there. */
  readonly #program: Uint8Array | null;

  constructor(task: Task) {
    this.task = task;
    const { cpu, scheduler } = task.kernel;
    scheduler.load(task);
    this.#program = task.driverCall === null ? null : cpu.newContext();
    if (this.#program !== null) {
      cpu.saveContext(this.#program);
      cpu.loadContext(task.driverCall!.context);
    }
    cpu.fxsave(this.fx, 0);
  }

  get isKernel(): boolean {
    return this.#program !== null;
  }

  /** @returns false for values that the processor refuses */
  commit(): boolean {
    return !this.isFxChanged || this.task.kernel.cpu.fxrstor(this.fx, 0);
  }

  done(): void {
    if (this.#program === null) return;
    const { cpu } = this.task.kernel;
    cpu.saveContext(this.task.driverCall!.context);
    cpu.loadContext(this.#program);
  }
}

function withFrame<T>(task: Task, act: (frame: Frame) => T): T {
  const frame = new Frame(task);
  const result = act(frame);
  frame.done();
  return result;
}

interface Register {
  readonly name: string;
  readonly bits: number;
  readonly type?: string;
  readonly group?: string;
  get(frame: Frame): bigint;
  /** Absent: writes have no effect, as those to segment registers of a program with the values it has. */
  set?(frame: Frame, value: bigint): void;
}

function general(name: string, index: number): Register {
  return {
    name,
    bits: 64,
    type: name === 'rsp' || name === 'rbp' ? 'data_ptr' : 'int64',
    get: ({ task, isKernel }) => {
      const { cpu } = task.kernel;
      const { request } = task.wait;
      // A debugger that saves and restores the registers of a call that sleeps makes it start again, as on Linux.
      if (index === RAX && request !== null && !isKernel)
        return BigInt.asUintN(64, BigInt(-(request.interrupted ?? ERESTARTSYS)));
      return (BigInt(cpu.regHi(index)) << 32n) | BigInt(cpu.regLo(index));
    },
    set: ({ task }, value) => {
      task.kernel.cpu.setRegHalves(index, Number(value & 0xffffffffn), Number(value >> 32n));
    },
  };
}

/** Canonical addresses only: others cannot be in these registers. */
const canonical = (value: bigint): number => Number(BigInt.asIntN(48, value));

function segment(name: string, user: number, kernel: number): Register {
  return { name, bits: 32, type: 'int32', get: ({ isKernel }) => BigInt(isKernel ? kernel : user) };
}

/** A field of the fxsave image of up to 16 bits, shown with 32. */
function control(name: string, at: number, mask = 0xffff): Register {
  return {
    name,
    bits: 32,
    type: 'int',
    group: 'float',
    get: ({ view }) => BigInt(view.getUint16(at, true) & mask),
    set: (frame, value) => {
      frame.view.setUint16(at, Number(value & BigInt(mask)), true);
      frame.isFxChanged = true;
    },
  };
}

function pointer(name: string, at: number): Register {
  return { name, bits: 32, type: 'int', group: 'float', get: ({ view }) => BigInt(view.getUint32(at, true)) };
}

function wide(name: string, at: number, bytes: number, type: string): Register {
  return {
    name,
    bits: bytes * 8,
    type,
    get: ({ fx }) => {
      let value = 0n;
      for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(fx[at + i]!);
      return value;
    },
    set: (frame, value) => {
      for (let i = 0; i < bytes; i++) frame.fx[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      frame.isFxChanged = true;
    },
  };
}

const CORE: readonly Register[] = [
  ...GENERAL.map(([name, index]) => general(name, index)),
  {
    name: 'rip',
    bits: 64,
    type: 'code_ptr',
    get: ({ task }) => BigInt.asUintN(64, BigInt(task.kernel.cpu.rip)),
    set: ({ task }, value) => {
      task.kernel.cpu.rip = canonical(value);
    },
  },
  {
    name: 'eflags',
    bits: 32,
    type: 'i386_eflags',
    get: ({ task }) => BigInt(task.kernel.cpu.rflags),
    set: ({ task }, value) => {
      const { cpu } = task.kernel;
      cpu.rflags = (cpu.rflags & ~WRITABLE_FLAGS) | (Number(value & 0xffffffffn) & WRITABLE_FLAGS);
    },
  },
  segment('cs', USER_CS, KERNEL_CS),
  segment('ss', USER_SS, KERNEL_SS),
  ...['ds', 'es', 'fs', 'gs'].map((name) => segment(name, 0, 0)),
  ...Array.from({ length: 8 }, (_, i) => wide(`st${i}`, FX.st + 16 * i, 10, 'i387_ext')),
  control('fctrl', FX.fcw),
  control('fstat', FX.fsw),
  { name: 'ftag', bits: 32, type: 'int', group: 'float', get: ({ task }) => BigInt(task.kernel.cpu.x87Tags) },
  // Selectors are 0 in the image of 64 bits; the pointers behind them are 32 bits of it.
  { name: 'fiseg', bits: 32, type: 'int', group: 'float', get: () => 0n },
  pointer('fioff', FX.fip),
  { name: 'foseg', bits: 32, type: 'int', group: 'float', get: () => 0n },
  pointer('fooff', FX.fdp),
  control('fop', FX.fop, 0x7ff),
];

const SSE: readonly Register[] = [
  ...Array.from({ length: 16 }, (_, i) => wide(`xmm${i}`, FX.xmm + 16 * i, 16, 'vec128')),
  {
    name: 'mxcsr',
    bits: 32,
    type: 'i386_mxcsr',
    group: 'vector',
    get: ({ view }) => BigInt(view.getUint32(FX.mxcsr, true)),
    set: (frame, value) => {
      frame.view.setUint32(FX.mxcsr, Number(value & 0xffffffffn), true);
      frame.isFxChanged = true;
    },
  },
];

const LINUX: readonly Register[] = [
  {
    name: 'orig_rax',
    bits: 64,
    type: 'int',
    group: 'system',
    get: ({ task }) => BigInt.asUintN(64, BigInt(task.syscall)),
    // -1: the call that was interrupted is not to start again.
    set: ({ task }, value) => {
      const number = BigInt.asIntN(64, value);
      task.syscall = number < 0n || number > 0xffffn ? -1 : Number(number);
    },
  },
];

const SEGMENTS: readonly Register[] = [
  {
    name: 'fs_base',
    bits: 64,
    type: 'int',
    get: ({ task }) => BigInt.asUintN(64, BigInt(task.kernel.cpu.fsBase)),
    set: ({ task }, value) => {
      task.kernel.cpu.fsBase = canonical(value);
    },
  },
  {
    name: 'gs_base',
    bits: 64,
    type: 'int',
    get: ({ task }) => BigInt.asUintN(64, BigInt(task.kernel.cpu.gsBase)),
    set: ({ task }, value) => {
      task.kernel.cpu.gsBase = canonical(value);
    },
  },
];

const REGISTERS: readonly Register[] = [...CORE, ...SSE, ...LINUX, ...SEGMENTS];
/** Hexadecimal digits of a `g` packet. */
const ALL_DIGITS = REGISTERS.reduce((sum, { bits }) => sum + bits / 4, 0);
const numberOf = (name: string): number => REGISTERS.findIndex((register) => register.name === name);
/** What gdb wants to know of each stop anyway. */
const EXPEDITED = ['rbp', 'rsp', 'rip'].map(numberOf);

/** Little endian. */
function digits(value: bigint, bits: number): string {
  const bytes: string[] = [];
  for (let i = 0; i < bits; i += 8) bytes.push(((value >> BigInt(i)) & 0xffn).toString(16).padStart(2, '0'));
  return bytes.join('');
}

/** @returns null when it is not that many bits */
function numberIn(text: string, bits: number): bigint | null {
  if (text.length !== bits / 4 || !/^[0-9a-f]*$/i.test(text)) return null;
  let value = 0n;
  for (let i = text.length - 2; i >= 0; i -= 2)
    value = (value << 8n) | BigInt(Number.parseInt(text.slice(i, i + 2), 16));
  return value;
}

/** The data of a `g` packet's answer. */
export function readAll(task: Task): string {
  return withFrame(task, (frame) => REGISTERS.map(({ get, bits }) => digits(get(frame), bits)).join(''));
}

/** @returns the digits; null: there is no register of that number */
export function readOne(task: Task, number: number): string | null {
  const register = REGISTERS[number];
  if (register === undefined) return null;
  return withFrame(task, (frame) => digits(register.get(frame), register.bits));
}

/** @returns whether it was all registers, with values that they can have */
export function writeAll(task: Task, text: string): boolean {
  if (text.length !== ALL_DIGITS) return false;
  let at = 0;
  const values = REGISTERS.map(({ bits }) => numberIn(text.slice(at, (at += bits / 4)), bits));
  if (values.includes(null)) return false;
  return withFrame(task, (frame) => {
    for (const [i, register] of REGISTERS.entries()) register.set?.(frame, values[i]!);
    return frame.commit();
  });
}

export function writeOne(task: Task, number: number, text: string): boolean {
  const register = REGISTERS[number];
  if (register === undefined) return false;
  const value = numberIn(text, register.bits);
  if (value === null) return false;
  return withFrame(task, (frame) => {
    register.set?.(frame, value);
    return frame.commit();
  });
}

/** `n:r;` fields of a stop reply. */
export function expedited(task: Task): string {
  const field = (frame: Frame, number: number): string => {
    const { bits, get } = REGISTERS[number]!;
    return `${number.toString(16).padStart(2, '0')}:${digits(get(frame), bits)};`;
  };
  return withFrame(task, (frame) => EXPEDITED.map((number) => field(frame, number)).join(''));
}

const TYPES = {
  core: flags('i386_eflags', 4, [
    ...['CF', '', 'PF', '', 'AF', '', 'ZF', 'SF', 'TF', 'IF', 'DF', 'OF'],
    ...['', '', 'NT', '', 'RF', 'VM', 'AC', 'VIF', 'VIP', 'ID'],
  ]),
  sse: `${[
    ['v8bf16', 'bfloat16', 8],
    ['v8h', 'ieee_half', 8],
    ['v4f', 'ieee_single', 4],
    ['v2d', 'ieee_double', 2],
    ['v16i8', 'int8', 16],
    ['v8i16', 'int16', 8],
    ['v4i32', 'int32', 4],
    ['v2i64', 'int64', 2],
  ]
    .map(([id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`)
    .join('')}<union id="vec128">${[
    ['v8_bfloat16', 'v8bf16'],
    ['v8_half', 'v8h'],
    ['v4_float', 'v4f'],
    ['v2_double', 'v2d'],
    ['v16_int8', 'v16i8'],
    ['v8_int16', 'v8i16'],
    ['v4_int32', 'v4i32'],
    ['v2_int64', 'v2i64'],
    ['uint128', 'uint128'],
  ]
    .map(([name, type]) => `<field name="${name}" type="${type}"/>`)
    .join('')}</union>${flags('i386_mxcsr', 4, [
    ...['IE', 'DE', 'ZE', 'OE', 'UE', 'PE', 'DAZ', 'IM', 'DM', 'ZM', 'OM', 'UM', 'PM', '', '', 'FZ'],
  ])}`,
  linux: '',
  segments: '',
};

function flags(id: string, size: number, names: readonly string[]): string {
  const fields = names.map((name, bit) => (name === '' ? '' : `<field name="${name}" start="${bit}" end="${bit}"/>`));
  return `<flags id="${id}" size="${size}">${fields.join('')}</flags>`;
}

function feature(name: keyof typeof TYPES, registers: readonly Register[]): string {
  const lines = registers.map(({ name: register, bits, type, group }) => {
    const more = `${type === undefined ? '' : ` type="${type}"`}${group === undefined ? '' : ` group="${group}"`}`;
    return `<reg name="${register}" bitsize="${bits}"${more} regnum="${numberOf(register)}"/>`;
  });
  return `<feature name="org.gnu.gdb.i386.${name}">${TYPES[name]}${lines.join('')}</feature>`;
}

/** The target description. */
export const TARGET_XML = `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">
<architecture>i386:x86-64</architecture><osabi>GNU/Linux</osabi>
${feature('core', CORE)}
${feature('sse', SSE)}
${feature('linux', LINUX)}
${feature('segments', SEGMENTS)}
</target>
`;
