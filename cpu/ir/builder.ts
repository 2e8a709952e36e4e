/**
 * What the semantics of an instruction row are written with: `Builder` turns calls into the intermediate form.
 *
 * Operands are read and written by position (`read(0)`, `write(0, v)`); whether they are registers, memory or immediates
 * is the builder's business. Read-modify-write operands start with `modify(i)`, which probes for writing.
 */
import type { Helper } from '../helpers.js';
import { CF, GPR, MXCSR, PAGE_VA, RSP } from '../state.js';
import type { ValueType } from '../wasm/opcodes.js';
import { type FlagKind, type Form, type IntSize, type Probe, type Statement, type Value, value } from './ir.js';
import { ValueBuilder } from './value-builder.js';

/** Where an operand is: `rm` follows the form of the variant, the others are what they say. */
export type OperandPlace = 'rm' | 'reg' | 'imm' | 'gpr' | 'one' | 'near' | 'moffs';
export type RegisterFile = 'gpr' | 'xmm' | 'mmx';

export interface Operand {
  place: OperandPlace;
  file: RegisterFile;
  /** Bits. */
  size: number;
  /** Scalars in vector registers read as f32 or f64. */
  float: boolean;
  /** For place 'gpr': state address of the fixed register. */
  fixed: number;
}

const LOADS: Record<number, string> = {
  8: 'i32.load8_u',
  16: 'i32.load16_u',
  32: 'i32.load',
  64: 'i64.load',
  128: 'v128.load',
};
const SIGNED_LOADS: Record<number, string> = { 8: 'i32.load8_s', 16: 'i32.load16_s', 32: 'i32.load', 64: 'i64.load' };
const STORES: Record<number, string> = {
  8: 'i32.store8',
  16: 'i32.store16',
  32: 'i32.store',
  64: 'i64.store',
  128: 'v128.store',
};

/** Rounding, FTZ, DAZ and masks of MXCSR, and their value at the start of a program. */
export const CONTROL_BITS = 0xffc0;
export const CONTROL_DEFAULT = 0x1f80;

/** Stands for tier 0 where a translator leaves the instruction to it. */
const unreachable: Helper = () => {
  throw new Error('an assumption of the translator is no helper');
};

export class Builder extends ValueBuilder {
  readonly form: Form;
  protected readonly operands: readonly Operand[];
  #addresses: (Value | undefined)[] = [];
  #ea: Value | undefined;

  constructor(operands: readonly Operand[], size: IntSize, form: Form) {
    super(size);
    this.operands = operands;
    this.form = form;
  }

  /** The operands are those of one instruction (the translator), not fields of a record. */
  get concrete(): boolean {
    return false;
  }

  // Operands

  sizeOf(i: number): number {
    return this.operands[i]!.size;
  }

  isMemory(i: number): boolean {
    const { place } = this.operands[i]!;
    return place === 'moffs' || (place === 'rm' && this.form === 'm');
  }

  /** The whole operand, zero-extended: i32 up to 32 bits, i64, v128; f32 or f64 for scalar float operands. */
  read(i: number): Value {
    const operand = this.operands[i]!;
    if (operand.place === 'imm') return this.immediate(operand.size);
    if (operand.place === 'one') return this.i32(1);
    return this.readAs(i, operand.float ? `f${operand.size}.load` : LOADS[operand.size]!);
  }

  /** The operand sign-extended within i32 or i64. */
  readSigned(i: number): Value {
    const operand = this.operands[i]!;
    return operand.place === 'imm' ? this.immediate(operand.size) : this.readAs(i, SIGNED_LOADS[operand.size]!);
  }

  /** The operand through any load operator, registers as well as memory (xmm registers are 16 bytes in the state). */
  readAs(i: number, load: string, offset = 0): Value {
    const { size } = this.operands[i]!;
    const address = this.addressOf(i, size / 8, false, false);
    return this.isMemory(i) ? this.loadAt(address, load, offset) : this.get(address, load, offset);
  }

  /** As `read`, of an operand that the instruction also writes: a memory operand is probed for writing. */
  modify(i: number): Value {
    if (this.isMemory(i)) this.addressOf(i, this.sizeOf(i) / 8, true, false);
    return this.read(i);
  }

  /** A 16-byte memory operand must be aligned; call it before reading or writing the operand. */
  requireAligned(i: number, write = false): void {
    if (this.isMemory(i)) this.addressOf(i, this.sizeOf(i) / 8, write, true);
  }

  /** Writes the operand: 32-bit general registers are zero-extended, xmm registers keep what lies above `size`. */
  write(i: number, v: Value): void {
    const { size, float, file } = this.operands[i]!;
    if (!this.isMemory(i) && file === 'gpr' && size === 32) this.writeAs(i, 'i64.store', this.widen(v, 32, false));
    else this.writeAs(i, float ? `f${size}.store` : STORES[size]!, v);
  }

  /** Writes the operand through any store operator. */
  writeAs(i: number, store: string, v: Value, offset = 0): void {
    const address = this.addressOf(i, this.sizeOf(i) / 8, true, false);
    if (this.isMemory(i)) this.storeAt(address, store, v, offset);
    else this.set(address, store, v, offset);
  }

  /**
   * Where the operand's bytes are (i32): the state address of a register, the probed physical address of memory.
   * The first call decides how memory is probed.
   */
  addressOf(i: number, bytes: number, write: boolean, aligned: boolean): Value {
    const known = this.#addresses[i];
    if (known !== undefined) {
      if (write && known.probe !== undefined && !known.probe.write)
        throw new Error('written operand was probed for reading');
      return known;
    }
    const { place, fixed } = this.operands[i]!;
    let address: Value;
    if (place === 'gpr') address = this.i32(fixed);
    else if (this.isMemory(i))
      address = this.probe(this.effectiveAddress(place === 'moffs'), { size: bytes, write, aligned });
    else address = this.registerAddress(place === 'rm' ? 'a' : 'b');
    this.#addresses[i] = address;
    return address;
  }

  /** The instruction's immediate, sign-extended to i64, or its low bits zero-extended as i32. */
  immediate(size: number): Value {
    return this.truncate(this.rawImmediate(size === 64 ? 'i64' : 'i32'), size);
  }

  /** State address of the register in modrm.rm (a) or modrm.reg (b). */
  protected registerAddress(field: 'a' | 'b'): Value {
    return this.define(value('i32', 'field', [], { name: field }));
  }

  protected rawImmediate(type: 'i32' | 'i64'): Value {
    return this.define(value(type, 'imm', []));
  }

  protected memoryAddress(): Value {
    return this.define(value('i64', 'ea', [], { pinned: true }));
  }

  /** Address of the memory operand (i64), also when the operand is not accessed (lea). */
  effectiveAddress(moffs = false): Value {
    this.#ea ??= moffs ? this.bin('add', this.immediate(64), this.segmentBase()) : this.memoryAddress();
    return this.#ea;
  }

  /** i32: 1 when the instruction has the 32-bit address size. */
  address32(): Value {
    return this.define(value('i32', 'address32', []));
  }

  /** i32: 1 when the memory operand's base register is rsp. */
  stackBase(): Value {
    return this.define(value('i32', 'stackBase', []));
  }

  /** Base of the segment that a prefix chose, 0 without. */
  segmentBase(): Value {
    return this.define(value('i64', 'segment', [], { pinned: true }));
  }

  // Guest memory

  /** Translates an address for `size` bytes; the only step that can fault. → i32 physical address */
  probe(address: Value, probe: Probe): Value {
    return this.define(value('i32', 'probe', [address], { probe, pinned: true }));
  }

  loadAt(pa: Value, name: string, offset = 0): Value {
    return this.define(
      value(name.slice(0, name.indexOf('.')) as ValueType, 'load', [pa], { name, imm: offset, pinned: true }),
    );
  }

  storeAt(pa: Value, name: string, v: Value, offset = 0): void {
    pa.uses++;
    v.uses++;
    this.list.push({ s: 'store', address: pa, offset, name, value: v });
  }

  // CPU state

  get(address: Value | number, name: string, offset = 0): Value {
    const at = typeof address === 'number' ? this.i32(address) : address;
    return this.define(
      value(name.slice(0, name.indexOf('.')) as ValueType, 'get', [at], { name, imm: offset, pinned: true }),
    );
  }

  set(address: Value | number, name: string, v: Value, offset = 0): void {
    const at = typeof address === 'number' ? this.i32(address) : address;
    at.uses++;
    v.uses++;
    this.list.push({ s: 'set', address: at, offset, name, value: v });
  }

  /** A general register by number, at `size` bits, zero-extended. */
  gpr(index: number, size: number = this.size): Value {
    return this.get(GPR + index * 8, LOADS[size]!);
  }

  setGpr(index: number, v: Value, size: number = this.size): void {
    if (size === 32) this.set(GPR + index * 8, 'i64.store', this.widen(v, 32, false));
    else this.set(GPR + index * 8, STORES[size]!, v);
  }

  /** i32: MXCSR asks for nothing but round-to-nearest with all exceptions masked. */
  defaultControl(): Value {
    return this.bin(
      'eq',
      this.bin('and', this.get(MXCSR, 'i32.load'), this.i32(CONTROL_BITS)),
      this.i32(CONTROL_DEFAULT),
    );
  }

  /** i32, for concrete builders: `finite` and `ordered` as ir.ts has them. */
  check(op: 'finite' | 'ordered', shape: string, args: Value[]): Value {
    return this.define(value('i32', op, args, { name: shape }));
  }

  carry(): Value {
    return this.get(CF, 'i32.load');
  }

  flags(kind: FlagKind, parts: { a?: Value; b?: Value; res?: Value; cf?: Value; of?: Value; size?: IntSize }): void {
    const { a, b, res, cf, of, size = this.size } = parts;
    for (const v of [a, b, res, cf, of]) if (v !== undefined) v.uses++;
    this.list.push({ s: 'flags', kind, size, a, b, res, cf, of });
  }

  /** Pushes `size` bits below rsp. */
  push(v: Value, size: number): void {
    const rsp = this.bin('sub', this.get(RSP, 'i64.load'), this.i64(size / 8));
    const pa = this.probe(rsp, { size: size / 8, write: true, aligned: false, stack: true });
    this.storeAt(pa, STORES[size]!, v);
    this.set(RSP, 'i64.store', rsp);
  }

  /** The value on top of the stack; `commitPop` moves rsp. */
  top(size: number): Value {
    const pa = this.probe(this.get(RSP, 'i64.load'), { size: size / 8, write: false, aligned: false, stack: true });
    return this.loadAt(pa, LOADS[size]!);
  }

  adjustStack(bytes: Value): void {
    this.set(RSP, 'i64.store', this.bin('add', this.get(RSP, 'i64.load'), bytes));
  }

  // Control

  /** Statements that happen only when the condition (i32) is not 0. No probes inside. */
  if(cond: Value, then: () => void, otherwise?: () => void): void {
    cond.uses++;
    const outer = this.list;
    const statement: Statement = { s: 'if', cond, body: [], otherwise: [] };
    outer.push(statement);
    this.list = statement.body;
    then();
    if (otherwise !== undefined) {
      this.list = statement.otherwise;
      otherwise();
    }
    this.list = outer;
  }

  /**
   * Of a concrete builder: what follows holds only if the condition does; tier 0 executes the whole instruction otherwise.
   * Comes before side effects.
   */
  assume(cond: Value): void {
    this.if(
      cond,
      () => undefined,
      () => this.helper(unreachable),
    );
  }

  trap(vector: number): void {
    this.list.push({ s: 'trap', cond: undefined, vector });
  }

  trapIf(cond: Value, vector: number): void {
    cond.uses++;
    this.list.push({ s: 'trap', cond, vector });
  }

  /** Calls a TypeScript helper (helpers.ts) with the record and `pa` (0 when absent). */
  helper(helper: Helper, pa?: Value): void {
    if (pa !== undefined) pa.uses++;
    this.list.push({ s: 'helper', helper, pa });
  }

  /** Address of this instruction. */
  instructionAddress(): Value {
    const offset = this.define(value('i32', 'field', [], { name: 'off' }));
    return this.bin('add', this.get(PAGE_VA, 'i64.load'), this.widen(offset, 32, false));
  }

  /** Address behind this instruction; for direct calls, whose record holds it as immediate relative to the page. */
  returnAddress(): Value {
    return this.bin('add', this.get(PAGE_VA, 'i64.load'), this.immediate(64));
  }

  /** Announces where `jump` will go: within the page, to another page (both from the record), or anywhere. */
  target(to: 'near' | 'far' | Value, cond?: Value): void {
    if (typeof to !== 'string') to.uses++;
    if (cond !== undefined) cond.uses++;
    this.list.push({ s: 'target', to, cond });
  }

  jump(cond?: Value): void {
    if (cond !== undefined) cond.uses++;
    this.list.push({ s: 'jump', cond });
  }

  done(cond: Value): void {
    cond.uses++;
    this.list.push({ s: 'done', cond });
  }

  again(cond: Value): void {
    cond.uses++;
    this.list.push({ s: 'again', cond });
  }
}
