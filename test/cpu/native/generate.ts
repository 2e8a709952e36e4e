/**
 * Random test cases for every form of every row of the instruction table: encodes the instruction in all addressing
 * modes and sets registers and memory so that most operands lie in the case's data block.
 */

import type { IntSize } from '../../../cpu/ir/ir.js';
import { operandsAt, type Row } from '../../../cpu/table/row.js';
import * as n from './native.js';
import type { Random } from './random.js';

const RCX = 1;
const RSP = 4;
const RBP = 5;
const RSI = 6;
const RDI = 7;
const M64 = (1n << 64n) - 1n;

/** Addresses that fault: unmapped, non-canonical (both halves), the null page, the kernel's half. */
const BAD_ADDRESSES = [
  BigInt(n.DATA + 0x2000 - 1),
  0n,
  8n,
  BigInt(n.DATA + 0x2000),
  BigInt(n.DATA - 1),
  0x0000800000000000n,
  0xffff7fffffffffffn,
  0xffff800000000000n,
  0x7fffffffffffffffn,
];

export interface Form {
  row: Row;
  size: IntSize;
  form: 'r' | 'm';
}

/** Host-dependent, or with effects outside the case. */
const SKIPPED = /^(syscall|sysenter|sysret|sysexit|rdtscp?|cpuid|rdpmc|xgetbv|rdrand|rdseed|int1)/;

/** mov to a segment register: would take the harness's thread pointer away. */
const loadsSegment = ({ map, opcode }: Row): boolean =>
  (map === 0 && opcode === 0x8e) || (map === 1 && (opcode === 0xa1 || opcode === 0xa9));

/** Far returns and moves of control and debug registers: always #GP here, finer distinctions on the processor. */
const skipsPrivileged = ({ name, map, opcode }: Row): boolean =>
  name === 'privileged' && (map === 0 ? opcode >= 0xca && opcode <= 0xcf : opcode >= 0x20 && opcode <= 0x23);

/** Every form of the table that a random case can exercise on the host and here alike. */
export function formsOf(rows: readonly Row[]): Form[] {
  const forms: Form[] = [];
  for (const row of rows) {
    if (SKIPPED.test(row.name) || loadsSegment(row) || skipsPrivileged(row)) continue;
    for (const size of row.sizes) for (const form of row.forms) forms.push({ row, size, form: form as 'r' | 'm' });
  }
  return forms;
}

class Encoder {
  readonly legacy: number[] = [];
  rex = 0;
  /** An operand names spl, bpl, sil or dil, or a register from r8 on. */
  needRex = false;
  readonly opcode: number[] = [];
  readonly tail: number[] = [];
  readonly immediate: number[] = [];

  bytes(): number[] {
    const rex = this.rex !== 0 || this.needRex ? [0x40 | this.rex] : [];
    return [...this.legacy, ...rex, ...this.opcode, ...this.tail, ...this.immediate];
  }
}

function push(list: number[], value: bigint, bytes: number): void {
  for (let i = 0; i < bytes; i++) list.push(Number((value >> BigInt(8 * i)) & 0xffn));
}

/** State of a case under construction. */
class Case {
  readonly gpr: bigint[] = [];
  /** Segment prefixes are allowed. Not with bit offsets, which can make the offset non-canonical. */
  mayOverride = true;
  readonly view: DataView;
  readonly buffer: Buffer;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, n.IN_SIZE);
  }

  block(offset: number): number {
    return n.IN_BLOCK + Math.max(0, Math.min(n.BLOCK - 16, offset));
  }
}

/** Bytes that the memory operand has, for alignment and interesting contents. */
function operandBytes({ row, size }: Form): number {
  const operands = operandsAt(row, size);
  const memory = operands.find(({ place }) => place === 'rm' || place === 'moffs');
  return (memory?.size ?? 0) / 8 || 16;
}

function chooseAddress(r: Random, bytes: number): bigint {
  // A single byte cannot run over the end of the data.
  if (r.chance(24)) {
    // The order of fxsave's checks at the edge of the non-canonical hole is not worth following.
    if (bytes === FX_BYTES) return r.pick(BAD_ADDRESSES.filter((a) => (a & 15n) === 0n));
    return r.pick(bytes === 1 ? BAD_ADDRESSES.slice(1) : BAD_ADDRESSES);
  }
  const span = n.BLOCK - Math.max(16, bytes);
  let offset = bytes > 32 ? r.below(Math.max(1, n.BLOCK - 16)) : r.below(span);
  if (bytes > 32) offset = r.below(64);
  else if (r.chance(5)) offset = n.BLOCK / 2 - r.below(17);
  // Vector operands must be aligned to work at all.
  const mask = bytes >= 16 ? 15 : 0;
  if (mask !== 0 && !r.chance(6)) offset &= ~mask;
  return BigInt(n.BLOCK_AT + offset);
}

/** Encodes a modrm memory operand for `address`; sets the registers it needs. `used`: registers that must keep their value. */
function encodeMemory(
  e: Encoder,
  c: Case,
  r: Random,
  reg: number,
  address: bigint,
  used: Set<number>,
): (length: number) => void {
  const free = () => {
    for (;;) {
      const k = r.below(16);
      if (!used.has(k)) return k;
    }
  };
  const mode = r.below(10);
  const field = (reg & 7) << 3;
  if (reg > 7) e.rex |= 4;
  const near = address - BigInt(n.CODE_AT);
  if (mode === 0 && near > 0n && near < 1n << 30n) {
    // rip-relative: the displacement waits for the instruction's length.
    const at = e.tail.length;
    e.tail.push(field | 5, 0, 0, 0, 0);
    return (length) => {
      const displacement = near - BigInt(length);
      for (let i = 0; i < 4; i++) e.tail[at + 1 + i] = Number((displacement >> BigInt(8 * i)) & 0xffn);
    };
  }
  const none = () => {};
  if (mode === 1 && address < 1n << 31n) {
    e.tail.push(field | 4, 0x25);
    push(e.tail, address, 4);
    return none;
  }
  const wide = r.chance(2);
  let displacement = wide ? BigInt(r.word()) : BigInt((r.word() << 24) >> 24);
  const base = free();
  // Whether a non-canonical offset alone is a fault depends on the processor.
  const segment = c.mayOverride && r.chance(12) && address < 1n << 47n;
  if (segment) {
    e.legacy.unshift(0x65);
    address = (address - BigInt(n.GS_BASE)) & M64;
  }
  if (mode < 6) {
    // base and displacement
    let mod = wide ? 2 : 1;
    if (r.chance(4) && (base & 7) !== RBP) {
      mod = 0;
      displacement = 0n;
    }
    if (base > 7) e.rex |= 1;
    c.gpr[base] = (address - displacement) & M64;
    e.tail.push((mod << 6) | field | (base & 7));
    if ((base & 7) === RSP) e.tail.push(0x24);
    if (mod !== 0) push(e.tail, displacement, mod === 1 ? 1 : 4);
    return none;
  }
  let index = free();
  while (index === RSP || index === base) index = free();
  const scale = r.below(4);
  c.gpr[index] = r.chance(2) ? BigInt(r.below(1000)) : r.big64();
  const address32 = r.chance(8) && address < 1n << 32n && !segment;
  if (address32) e.legacy.push(0x67);
  const scaled = (c.gpr[index]! << BigInt(scale)) & M64;
  c.gpr[base] = (address - displacement - scaled) & M64;
  if (address32) c.gpr[base] = (c.gpr[base]! & 0xffffffffn) | (BigInt(r.word() >>> 0) << 32n);
  if (base > 7) e.rex |= 1;
  if (index > 7) e.rex |= 2;
  e.tail.push(((wide ? 2 : 1) << 6) | field | 4, (scale << 6) | ((index & 7) << 3) | (base & 7));
  push(e.tail, displacement, wide ? 4 : 1);
  return none;
}

/** x87, MXCSR and vector registers. */
function fillFloatingPoint(c: Case, r: Random, { row }: Form): void {
  const { view } = c;
  const fx = n.IN_FX;
  const x87 = row.map === 0 && row.opcode >= 0xd8 && row.opcode <= 0xdf;
  const masks = x87 && r.chance(3) ? r.below(64) : 0x3f;
  view.setUint16(fx, 0x40 | masks | (r.below(4) << 8) | (r.below(4) << 10), true);
  let status = r.word() & 0x4700;
  if (r.chance(16)) status |= r.below(64);
  view.setUint16(fx + 2, status | (r.below(8) << 11), true);
  view.setUint8(fx + 4, r.pick([0xff, 0xfe, 0x7f, 0, r.below(256)]));
  let mxcsr = 0x1f80;
  if (r.chance(3)) mxcsr = (r.below(4) << 13) | (r.chance(3) ? r.word() & 0x8040 : 0) | 0x1f80;
  if (r.chance(10)) mxcsr &= ~(r.below(64) << 7);
  if (r.chance(3)) mxcsr |= r.below(64);
  view.setUint32(fx + 24, mxcsr, true);
  for (let i = 0; i < 8; i++) {
    if (x87) {
      const [m, se] = r.extended();
      view.setBigUint64(fx + 32 + 16 * i, m, true);
      view.setUint16(fx + 40 + 16 * i, se, true);
    } else {
      view.setBigUint64(fx + 32 + 16 * i, r.integer(), true);
      view.setUint16(fx + 40 + 16 * i, r.below(65536), true);
    }
  }
  for (let i = 0; i < 16; i++) fillVector(view, fx + 160 + 16 * i, r, kindOf(row));
}

type Kind = 'f32' | 'f64' | 'int';

function kindOf({ name }: Row): Kind {
  if (/ps$|ss$|ps2|ss2/.test(name)) return 'f32';
  if (/pd$|sd$|pd2|sd2/.test(name)) return 'f64';
  return 'int';
}

function fillVector(view: DataView, at: number, r: Random, kind: Kind): void {
  if (kind === 'f32') for (let k = 0; k < 4; k++) view.setUint32(at + 4 * k, Number(r.float(32)), true);
  else if (kind === 'f64') for (let k = 0; k < 2; k++) view.setBigUint64(at + 8 * k, r.float(64), true);
  else if (r.chance(3)) for (let k = 0; k < 8; k++) view.setUint16(at + 2 * k, Number(r.integer() & 0xffffn), true);
  else for (let k = 0; k < 2; k++) view.setBigUint64(at + 8 * k, r.integer(), true);
}

/** Contents of the data block: integers, floating-point numbers, small code and data addresses. */
function fillBlock(c: Case, r: Random, form: Form): void {
  const kind = kindOf(form.row);
  const x87 = /f(32|64|80)$/.exec(form.row.name);
  for (let i = 0; i < n.BLOCK; i += 16) {
    fillVector(c.view, n.IN_BLOCK + i, r, x87?.[1] === '32' ? 'f32' : x87?.[1] === '64' ? 'f64' : kind);
    if (x87?.[1] === '80' && i + 10 <= n.BLOCK) {
      const [m, se] = r.extended();
      c.view.setBigUint64(n.IN_BLOCK + i, m, true);
      c.view.setUint16(n.IN_BLOCK + i + 8, se, true);
    }
  }
}

/** Distance to a branch target among the int3 bytes around the case, never the case itself: that would not end. */
const branchOffset = (r: Random): bigint => BigInt(r.chance(2) ? 16 + r.below(32) : -20 - r.below(20));

const STRING = /^(movs|stos|lods|scas|cmps)$/;
const X87_STORE = /^f(st|ist|bstp)/;
const STACK = /^(push|pop|call|ret|enter|leave|iret)/;

/** Writes a whole case into `buffer` (IN_SIZE bytes). */
export function generate(buffer: Buffer, form: Form, r: Random): void {
  const { row, size } = form;
  const c = new Case(buffer);
  const e = new Encoder();
  for (let i = 0; i < 16; i++) c.gpr.push(r.integer());
  fillFloatingPoint(c, r, form);
  fillBlock(c, r, form);
  c.view.setBigUint64(n.IN_RFLAGS, BigInt(0x202 | (r.word() & 0x8d5) | (r.chance(4) ? 0x400 : 0)), true);
  const used = new Set<number>();
  const stack = STACK.test(row.name);
  c.gpr[RSP] = BigInt(n.BLOCK_AT + 64 + (r.below(n.BLOCK - 128) & (r.chance(4) ? -1 : -8)));
  if (stack) used.add(RSP);
  if (row.name.startsWith('leave')) {
    if (!r.chance(8)) c.gpr[RBP] = BigInt(n.BLOCK_AT + r.below(n.BLOCK - 16));
    // Not from the end of the lower half into the hole behind it (vendors.ts).
    else if (c.gpr[RBP]! >> 12n === 0x7ffffffffn) c.gpr[RBP]! &= ~0xfffn;
  }
  setUpImplicit(c, r, form, used);

  // Prefixes and opcode.
  if (row.prefix === '66' || row.prefix === 'f3' || row.prefix === 'f2') {
    e.legacy.push(Number.parseInt(row.prefix, 16));
  }
  if (row.options.rexB === 1) e.rex |= 1;
  const variable = row.sizes.length > 1;
  if (variable && size === 16) e.legacy.unshift(0x66);
  if (variable && size === 64 && !row.options.d64) e.rex |= 8;
  if (STRING.test(row.name)) {
    if (r.chance(8)) {
      // 32-bit addresses and count: the upper halves do not matter.
      e.legacy.push(0x67);
      for (const k of [RCX, RSI, RDI]) c.gpr[k] = (c.gpr[k]! & 0xffffffffn) | (BigInt(r.word() >>> 0) << 32n);
    }
    if (r.chance(12) && c.gpr[RSI]! < 1n << 47n) {
      e.legacy.push(0x65);
      c.gpr[RSI] = (c.gpr[RSI]! - BigInt(n.GS_BASE)) & M64;
    }
  }
  if (row.options.lock && form.form === 'm' && r.chance(4)) e.legacy.unshift(0xf0);
  e.opcode.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map]!);
  const operands = operandsAt(row, size);

  let finish: (length: number) => void = () => {};
  let reg = row.extension;
  let regHigh = false;
  for (const [k, { letter }] of row.operands.entries()) {
    if (!'GVPZRENUWQ'.includes(letter)) continue;
    const byteGeneral = operands[k]!.file === 'gpr' && operands[k]!.size === 8;
    if (letter === 'G' || letter === 'V' || letter === 'P') {
      reg = letter === 'P' ? r.below(8) : r.below(16);
      regHigh = byteGeneral;
      if (letter === 'G') used.add(reg);
    }
    void k;
  }
  let opcode = row.opcode;
  if (row.operands.some(({ letter }) => letter === 'Z')) {
    const register = r.below(8) | (row.options.rexB === 0 ? 0 : r.below(2) << 3);
    opcode += register & 7;
    if (register > 7) e.rex |= 1;
    const z = row.operands.findIndex(({ letter }) => letter === 'Z');
    if (operands[z]!.size === 8 && register >= 4 && r.chance(2)) e.needRex = true;
  }
  e.opcode.push(opcode);
  if (row.modrm) {
    if (regHigh && reg >= 4 && r.chance(2)) e.needRex = true;
    if (form.form === 'm') {
      const bytes = row.name.startsWith('lea') ? 1 : memoryBytes(row, operandBytes(form));
      const address = chooseAddress(r, bytes);
      const offset = address - BigInt(n.BLOCK_AT);
      if (offset >= 0n && offset < BigInt(n.BLOCK)) c.view.setUint32(n.IN_OPERAND, Number(offset), true);
      // Whether the bad address or an unmasked exception comes first depends on the vendor (vendors.ts).
      else if (X87_STORE.test(row.name)) c.view.setUint8(n.IN_FX, c.view.getUint8(n.IN_FX) | 0x3f);
      if (row.name === 'ldmxcsr') {
        // Bit 17 exists on some processors only.
        c.view.setUint32(c.block(Number(offset)), r.word() & (r.chance(8) ? ~0x20000 : 0xffff), true);
      }
      finish = encodeMemory(e, c, r, reg, address, used);
    } else {
      const letter = row.operands.find(({ letter: l }) => 'ERNUWQ'.includes(l))?.letter;
      let rm = row.rm >= 0 ? row.rm : r.below(letter === 'Q' || letter === 'N' ? 8 : 16);
      if (row.opcode >= 0xd8 && row.opcode <= 0xdf && row.map === 0) rm &= 7;
      if (rm > 7) e.rex |= 1;
      if (reg > 7) e.rex |= 4;
      const k = row.operands.findIndex(({ letter: l }) => 'ER'.includes(l));
      if (k >= 0 && operands[k]!.size === 8 && rm >= 4 && r.chance(2)) e.needRex = true;
      if (/^(call|jmp)/.test(row.name) && !r.chance(4)) c.gpr[rm] = BigInt(n.CODE_AT) + branchOffset(r);
      e.tail.push(0xc0 | ((reg & 7) << 3) | (rm & 7));
    }
  }
  addIdlePrefixes(e, r, form);
  encodeImmediates(e, r, form);
  let bytes = e.bytes();
  finish(bytes.length);
  bytes = e.bytes();
  c.view.setUint32(n.IN_LENGTH, bytes.length, true);
  c.buffer.set(bytes, n.IN_CODE);
  for (let i = 0; i < 16; i++) c.view.setBigUint64(n.IN_GPR + 8 * i, c.gpr[i]!, true);
}

/** Prefixes and REX bits that mean nothing to the instruction. */
function addIdlePrefixes(e: Encoder, r: Random, { row, form }: Form): void {
  if (row.name === 'privileged' || !r.chance(4)) return;
  if (r.chance(2) && !e.legacy.includes(0x65)) e.legacy.unshift(r.pick([0x26, 0x2e, 0x36, 0x3e]));
  if (row.sizes.length === 1 && r.chance(2)) e.rex |= 8;
  if (form === 'r' && r.chance(2)) e.rex |= 2;
  if (row.extension >= 0 && r.chance(2)) e.rex |= 4;
}

const FX_BYTES = 416;
/** Operands wider than the table says. */
function memoryBytes(row: Row, bytes: number): number {
  if (/^(fx|frstor|fnsave|fldenv|fnstenv)/.test(row.name)) return row.name.startsWith('fx') ? FX_BYTES : 108;
  if (row.name.startsWith('cmpxchg16b')) return 16;
  return bytes;
}

/** Registers and memory that an instruction uses without naming them. */
function setUpImplicit(c: Case, r: Random, form: Form, used: Set<number>): void {
  const { name } = form.row;
  const inBlock = () => (r.chance(24) ? r.pick(BAD_ADDRESSES) : BigInt(n.BLOCK_AT + 32 + r.below(n.BLOCK - 64)));
  if (STRING.test(name) || /^maskmov/.test(name)) {
    // At most one is bad: which of two faults comes first is the processor's affair.
    c.gpr[RSI] = inBlock();
    c.gpr[RDI] = BAD_ADDRESSES.includes(c.gpr[RSI]!) ? BigInt(n.BLOCK_AT + 64) : inBlock();
    c.gpr[RCX] = BigInt(r.below(r.chance(4) ? 64 : 8));
    used.add(RSI).add(RDI).add(RCX);
    // Equal bytes, so that comparisons run on.
    if (/scas|cmps/.test(name) && r.chance(2)) {
      const byte = r.below(4) === 0 ? 0 : r.below(256);
      c.buffer.fill(byte, n.IN_BLOCK, n.IN_BLOCK + n.BLOCK);
      c.gpr[0] = BigInt(byte) * 0x0101010101010101n;
      if (r.chance(2)) c.buffer[c.block(r.below(n.BLOCK))] = r.below(256);
    }
  }
  if (/^xlat/.test(name)) c.gpr[3] = inBlock();
  if (/^i?div/.test(name) && !r.chance(4)) {
    const bits = BigInt(form.size);
    const signed = name.startsWith('i');
    const high = r.chance(3) ? BigInt(r.below(100)) : signed && r.chance(2) ? -1n : 0n;
    c.gpr[2] = (c.gpr[2]! & ~((1n << bits) - 1n)) | (high & ((1n << bits) - 1n));
    if (form.size === 8) c.gpr[0] = (c.gpr[0]! & ~0xffffn) | BigInt(r.below(0x2000));
  }
  if (/^(ret|iret)/.test(name)) {
    const at = Number(c.gpr[RSP]! - BigInt(n.BLOCK_AT));
    const target = r.chance(8) ? r.integer() : BigInt(n.CODE_AT) + branchOffset(r);
    c.view.setBigUint64(c.block(at), target, true);
  }
  if (/^popf/.test(name)) {
    // No single steps, no alignment checks, and nothing that sigreturn would leave set for the next case (NT, ID).
    const at = c.block(Number(c.gpr[RSP]! - BigInt(n.BLOCK_AT)));
    c.view.setBigUint64(at, c.view.getBigUint64(at, true) & ~0x244100n, true);
  }
  c.mayOverride = !/^bt/.test(name);
  if (/^bt/.test(name) && form.form === 'm')
    for (let i = 0; i < 16; i++) if (!r.chance(4)) c.gpr[i] = BigInt.asUintN(64, BigInt(r.below(1600) - 800));
  if (/^cmpxchg/.test(name) && r.chance(2)) {
    for (let i = 0; i < 16; i++) if (i !== RSP) c.gpr[i] = c.gpr[0]!;
    for (let i = 0; i < n.BLOCK; i += 8) c.view.setBigUint64(n.IN_BLOCK + i, c.gpr[0]!, true);
    c.gpr[2] = c.gpr[0]!;
  }
  if (/^fxrstor/.test(name)) {
    const limit = r.chance(8) ? ~0x20000 : 0xffff;
    for (let i = 0; i < n.BLOCK; i += 4) c.view.setUint32(n.IN_BLOCK + i, r.word() & limit, true);
  }
  if (/^fxrstor/.test(name)) {
    const image = c.buffer.subarray(n.IN_FX, n.IN_FX + 416);
    for (let i = 0; i < 64; i += 16) if (!r.chance(16)) c.buffer.set(image.subarray(0, 400), n.IN_BLOCK + i);
  }
}

function encodeImmediates(e: Encoder, r: Random, { row, size }: Form): void {
  for (const { letter, code } of row.operands) {
    if (letter === 'O') push(e.immediate, chooseAddress(r, size / 8), 8);
    else if (letter === 'J') {
      const bytes = code === 'b' ? 1 : size === 16 ? 2 : 4;
      push(e.immediate, branchOffset(r), bytes);
    } else if (letter === 'I' && row.name === 'int') {
      // Neither int 4 (#OF) nor int 80: the host's kernel would take that for a system call.
      push(e.immediate, BigInt(5 + r.below(120)), 1);
    } else if (letter === 'I') {
      const wide = code === 'v' ? size / 8 : size === 16 ? 2 : 4;
      const bytes = code === 'b' || code === 'bs' ? 1 : code === 'w' ? 2 : code === 'wb' ? 3 : wide;
      push(e.immediate, row.name.startsWith('enter') ? BigInt(r.below(64) | (r.below(4) << 16)) : r.integer(), bytes);
    }
  }
}
