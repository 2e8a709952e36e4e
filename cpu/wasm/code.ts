/**
 * Writes WebAssembly bytes: `ByteWriter` for numbers and sections, `Code` for one function body with structured
 * labels (a label is the nesting depth at which its block was opened). Emission only; nothing is checked here: the
 * engine's validator does that.
 */
import { MEMORY_OPS, PLAIN, SATURATING, TYPE_CODE, type ValueType, VECTOR } from './opcodes.js';

export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  u8(value: number): void {
    if (this.length === this.bytes.length) this.#grow(1);
    this.bytes[this.length++] = value;
  }

  raw(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.bytes.length) this.#grow(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Unsigned LEB128 of an integer below 2^32. */
  uleb(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.u8(rest);
  }

  /** Signed LEB128 of a 32-bit integer. */
  sleb(value: number): void {
    let rest = value | 0;
    for (;;) {
      const byte = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0)) {
        this.u8(byte);
        return;
      }
      this.u8(byte | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit integer. */
  sleb64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const byte = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0)) {
        this.u8(byte);
        return;
      }
      this.u8(byte | 0x80);
    }
  }

  name(text: string): void {
    this.uleb(text.length);
    for (let i = 0; i < text.length; i++) this.u8(text.charCodeAt(i));
  }

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  #grow(extra: number): void {
    const bigger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + extra));
    bigger.set(this.bytes.subarray(0, this.length));
    this.bytes = bigger;
  }
}

/** A field of fixed width whose content may be written anew later. */
export interface Place<S = unknown> {
  /** In the body, or in the module (`ModuleBuilder.places`). */
  offset: number;
  /** What it stands for: a matter between those who emit and those who write. */
  symbol: S;
}

/** Writes a 32-bit integer as LEB128 of exactly `width` bytes; the same bytes serve signed and unsigned where it fits. */
export function writeFixed(bytes: Uint8Array, offset: number, width: number, value: number): void {
  let rest = value | 0;
  for (let i = 0; i < width; i++) {
    bytes[offset + i] = (rest & 0x7f) | (i + 1 < width ? 0x80 : 0);
    rest >>= 7;
  }
}

const FLOAT = new Float64Array(1);
const FLOAT_BYTES = new Uint8Array(FLOAT.buffer);

/** One function body. Locals are numbered after the parameters in the order of `local`. */
export class Code extends ByteWriter {
  readonly locals: ValueType[] = [];
  /** Names of locals, for people. */
  readonly names = new Map<number, string>();
  readonly places: Place[] = [];
  /** Offsets of `if`s that are hardly ever entered. */
  readonly unlikely: number[] = [];
  /** After `finish`: bytes of the function before its code, the list of locals. */
  headBytes = 0;
  #depth = 0;
  #params: number;

  constructor(params: number, capacity = 256) {
    super(capacity);
    this.#params = params;
  }

  local(type: ValueType, name?: string): number {
    this.locals.push(type);
    const index = this.#params + this.locals.length - 1;
    if (name !== undefined) this.names.set(index, name);
    return index;
  }

  /** A pure operator. `immediate`: lane number, or the 16 bytes of a shuffle. */
  op(name: string, immediate?: number | readonly number[]): void {
    const plain = PLAIN.get(name);
    if (plain !== undefined) {
      this.u8(plain);
      return;
    }
    const vector = VECTOR.get(name);
    if (vector !== undefined) {
      this.u8(0xfd);
      this.uleb(vector);
      if (typeof immediate === 'number') this.u8(immediate);
      else if (immediate !== undefined) for (const byte of immediate) this.u8(byte);
      return;
    }
    const saturating = SATURATING.get(name);
    if (saturating === undefined) throw new Error(`unknown operator ${name}`);
    this.u8(0xfc);
    this.uleb(saturating);
  }

  /** A load or store at (popped address + offset); alignment is never promised. */
  memory(name: string, offset: number): void {
    const known = MEMORY_OPS[name];
    if (known === undefined) throw new Error(`unknown memory operator ${name}`);
    if (known[2]) {
      this.u8(0xfd);
      this.uleb(known[0]);
    } else this.u8(known[0]);
    this.u8(0);
    this.uleb(offset);
  }

  i32(value: number): void {
    this.u8(0x41);
    this.sleb(value);
  }

  /** As `i32`, at a place: in `width` bytes. */
  i32At(value: number, width: number, symbol: unknown): void {
    this.u8(0x41);
    this.#fixed(value, width, symbol);
  }

  /** As `memory`, with the offset at a place. */
  memoryAt(name: string, offset: number, width: number, symbol: unknown): void {
    this.memory(name, 0);
    this.length--;
    this.#fixed(offset, width, symbol);
  }

  i64(value: number | bigint): void {
    this.u8(0x42);
    if (typeof value === 'number' && (value | 0) === value) this.sleb(value);
    else this.sleb64(BigInt(value));
  }

  f64(value: number): void {
    this.u8(0x44);
    FLOAT[0] = value;
    for (const byte of FLOAT_BYTES) this.u8(byte);
  }

  get(local: number): void {
    this.u8(0x20);
    this.uleb(local);
  }

  set(local: number): void {
    this.u8(0x21);
    this.uleb(local);
  }

  tee(local: number): void {
    this.u8(0x22);
    this.uleb(local);
  }

  drop(): void {
    this.u8(0x1a);
  }

  select(): void {
    this.u8(0x1b);
  }

  /** Opens a block and returns its label. */
  block(result?: ValueType): number {
    return this.#open(0x02, result);
  }

  loop(result?: ValueType): number {
    return this.#open(0x03, result);
  }

  /** An `if` that is hardly ever entered: engines that take hints put what is in it out of the way. */
  rarely(): number {
    this.unlikely.push(this.length);
    return this.if();
  }

  if(result?: ValueType): number {
    return this.#open(0x04, result);
  }

  else(): void {
    this.u8(0x05);
  }

  end(): void {
    this.#depth--;
    this.u8(0x0b);
  }

  br(label: number): void {
    this.u8(0x0c);
    this.uleb(this.#depth - label);
  }

  brIf(label: number): void {
    this.u8(0x0d);
    this.uleb(this.#depth - label);
  }

  brTable(labels: readonly number[], otherwise: number): void {
    this.u8(0x0e);
    this.uleb(labels.length);
    for (const label of labels) this.uleb(this.#depth - label);
    this.uleb(this.#depth - otherwise);
  }

  return(): void {
    this.u8(0x0f);
  }

  call(func: number): void {
    this.u8(0x10);
    this.uleb(func);
  }

  /** Calls in place of the function that is running. */
  returnCall(func: number): void {
    this.u8(0x12);
    this.uleb(func);
  }

  callIndirect(type: number): void {
    this.u8(0x11);
    this.uleb(type);
    this.u8(0);
  }

  memoryCopy(): void {
    this.u8(0xfc);
    this.u8(10);
    this.u8(0);
    this.u8(0);
  }

  v128(bytes: readonly number[]): void {
    this.u8(0xfd);
    this.u8(12);
    for (const byte of bytes) this.u8(byte);
  }

  /** A constant of the type that it is said to be. */
  constant(type: ValueType, value: number | bigint | readonly number[]): void {
    if (type === 'i32') this.i32(value as number);
    else if (type === 'i64') this.i64(value as number | bigint);
    else this.v128(value as readonly number[]);
  }

  /** Ends the body and writes it with its local declarations, as the code section wants it. */
  finish(target: ByteWriter): void {
    const head = new ByteWriter(16);
    const runs: [count: number, type: ValueType][] = [];
    for (const type of this.locals) {
      const last = runs.at(-1);
      if (last?.[1] === type) last[0]++;
      else runs.push([1, type]);
    }
    head.uleb(runs.length);
    for (const [count, type] of runs) {
      head.uleb(count);
      head.u8(TYPE_CODE[type]);
    }
    this.u8(0x0b);
    this.headBytes = head.length;
    target.uleb(head.length + this.length);
    target.raw(head.view());
    target.raw(this.view());
  }

  #fixed(value: number, width: number, symbol: unknown): void {
    this.places.push({ offset: this.length, symbol });
    for (let i = 0; i < width; i++) this.u8(0);
    writeFixed(this.bytes, this.length - width, width, value);
  }

  #open(opcode: number, result: ValueType | undefined): number {
    this.u8(opcode);
    this.u8(result === undefined ? 0x40 : TYPE_CODE[result]);
    return ++this.#depth;
  }
}
