/**
 * Reads WebAssembly instructions back from bytes, for text and for tests: the reverse of `Code` (code.ts). Operators come
 * from the same lists as the emitter's (opcodes.ts); structured and other instructions with immediates have a list here.
 * The bytes are the emitter's own, so what makes no sense is an error of ours and throws.
 *
 * @source WebAssembly core specification 2.0, §5.4, and the tail call proposal
 */
import { MEMORY_OPS, PLAIN, SATURATING, TYPE_CODE, VECTOR } from './opcodes.js';

/** What follows the opcode. `blocktype`, `labels` (br_table), `memarg` and `lane` are as the specification has them. */
type Immediate =
  | 'none'
  | 'blocktype'
  | 'label'
  | 'labels'
  | 'func'
  | 'indirect'
  | 'local'
  | 'global'
  | 'table'
  | 'types'
  | 'memarg'
  | 'memargLane'
  | 'memory'
  | 'memories'
  | 'i32'
  | 'i64'
  | 'f32'
  | 'f64'
  | 'v128'
  | 'lane'
  | 'lanes'
  | 'reftype';

interface Encoding {
  name: string;
  immediate: Immediate;
}

/** One instruction. Of the fields behind `name` those count that the name calls for. */
export interface WasmInstruction {
  /** Bytes from the start of the code. */
  offset: number;
  name: string;
  immediate: Immediate;
  /** Index of a label, local, function, global, table or type; lane; alignment exponent of a memory access. */
  index: number;
  /** Offset of a memory access; of call_indirect the table. */
  extra: number;
  /** Labels of br_table with the default last; lanes of a shuffle; bytes of a v128 constant. */
  list: readonly number[];
  /** Of i32.const and i64.const signed; f32.const, f64.const: the bits. */
  constant: bigint;
  /** Of a block: its result type's name, '' without; or a type index as decimal number. */
  type: string;
}

const TYPE_NAMES = new Map<number, string>([
  ...Object.entries(TYPE_CODE).map(([name, code]): [number, string] => [code, name]),
  [0x70, 'funcref'],
  [0x6f, 'externref'],
]);

const STRUCTURED: readonly [number, string, Immediate][] = [
  [0x00, 'unreachable', 'none'],
  [0x01, 'nop', 'none'],
  [0x02, 'block', 'blocktype'],
  [0x03, 'loop', 'blocktype'],
  [0x04, 'if', 'blocktype'],
  [0x05, 'else', 'none'],
  [0x0b, 'end', 'none'],
  [0x0c, 'br', 'label'],
  [0x0d, 'br_if', 'label'],
  [0x0e, 'br_table', 'labels'],
  [0x0f, 'return', 'none'],
  [0x10, 'call', 'func'],
  [0x11, 'call_indirect', 'indirect'],
  [0x12, 'return_call', 'func'],
  [0x13, 'return_call_indirect', 'indirect'],
  [0x1a, 'drop', 'none'],
  [0x1b, 'select', 'none'],
  [0x1c, 'select', 'types'],
  [0x20, 'local.get', 'local'],
  [0x21, 'local.set', 'local'],
  [0x22, 'local.tee', 'local'],
  [0x23, 'global.get', 'global'],
  [0x24, 'global.set', 'global'],
  [0x25, 'table.get', 'table'],
  [0x26, 'table.set', 'table'],
  [0x3f, 'memory.size', 'memory'],
  [0x40, 'memory.grow', 'memory'],
  [0x41, 'i32.const', 'i32'],
  [0x42, 'i64.const', 'i64'],
  [0x43, 'f32.const', 'f32'],
  [0x44, 'f64.const', 'f64'],
  [0xd0, 'ref.null', 'reftype'],
  [0xd1, 'ref.is_null', 'none'],
  [0xd2, 'ref.func', 'func'],
];

const ONE_BYTE = new Map<number, Encoding>();
const NUMERIC = new Map<number, Encoding>();
const SIMD = new Map<number, Encoding>();

for (const [code, name, immediate] of STRUCTURED) ONE_BYTE.set(code, { name, immediate });
for (const [name, code] of PLAIN) ONE_BYTE.set(code, { name, immediate: 'none' });
for (const [name, code] of SATURATING) NUMERIC.set(code, { name, immediate: 'none' });
NUMERIC.set(10, { name: 'memory.copy', immediate: 'memories' });
NUMERIC.set(11, { name: 'memory.fill', immediate: 'memory' });
SIMD.set(12, { name: 'v128.const', immediate: 'v128' });
for (const [name, code] of VECTOR) {
  const immediate = name === 'i8x16.shuffle' ? 'lanes' : /_lane(_[su])?$/.test(name) ? 'lane' : 'none';
  SIMD.set(code, { name, immediate });
}
for (const [name, [code, , vector]] of Object.entries(MEMORY_OPS)) {
  (vector ? SIMD : ONE_BYTE).set(code, { name, immediate: name.endsWith('_lane') ? 'memargLane' : 'memarg' });
}

const PREFIXED: Record<number, Map<number, Encoding>> = { 252: NUMERIC, 253: SIMD };

export class WasmReader {
  readonly bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  u8(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new RangeError(`WebAssembly code ends at byte ${this.at - 1}`);
    return byte;
  }

  /** Unsigned LEB128 below 2^32. */
  uleb(): number {
    let result = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return result;
    }
  }

  /** Signed LEB128. */
  sleb(): bigint {
    let result = 0n;
    for (let shift = 0n; ; ) {
      const byte = this.u8();
      result |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return byte & 0x40 ? result - (1n << shift) : result;
    }
  }

  /** A little-endian unsigned number. */
  fixed(bytes: number): bigint {
    let result = 0n;
    for (let i = 0n; i < bytes; i++) result |= BigInt(this.u8()) << (8n * i);
    return result;
  }

  take(length: number): Uint8Array {
    const from = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw new RangeError(`WebAssembly section ends at byte ${this.bytes.length}`);
    return this.bytes.subarray(from, this.at);
  }

  name(): string {
    return Buffer.from(this.take(this.uleb())).toString('utf8');
  }

  type(): string {
    const code = this.u8();
    const name = TYPE_NAMES.get(code);
    if (name === undefined) throw new Error(`unknown WebAssembly type 0x${code.toString(16)} at byte ${this.at - 1}`);
    return name;
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.uleb() }, item);
  }

  /** @throws Error for an opcode that this engine does not emit */
  instruction(): WasmInstruction {
    const offset = this.at;
    const first = this.u8();
    const prefixed = PREFIXED[first];
    const code = prefixed === undefined ? first : this.uleb();
    const encoding = (prefixed ?? ONE_BYTE).get(code);
    if (encoding === undefined) {
      const opcode = prefixed === undefined ? code.toString(16) : `${first.toString(16)} ${code.toString(16)}`;
      throw new Error(`unknown WebAssembly opcode ${opcode} at byte ${offset}`);
    }
    const { name, immediate } = encoding;
    const read: WasmInstruction = { offset, name, immediate, index: 0, extra: 0, list: [], constant: 0n, type: '' };
    this.#immediate(read);
    return read;
  }

  #immediate(read: WasmInstruction): void {
    switch (read.immediate) {
      case 'none':
        break;
      case 'blocktype':
        read.type = this.#blockType();
        break;
      case 'label':
      case 'func':
      case 'local':
      case 'global':
      case 'table':
        read.index = this.uleb();
        break;
      case 'labels':
        read.list = [...this.list(() => this.uleb()), this.uleb()];
        break;
      case 'indirect':
      case 'memories':
        read.index = this.uleb();
        read.extra = this.uleb();
        break;
      case 'types':
        read.type = this.list(() => this.type()).join(' ');
        break;
      case 'memarg':
        read.index = this.uleb();
        read.extra = this.uleb();
        break;
      case 'memargLane':
        read.index = this.uleb();
        read.extra = this.uleb();
        read.list = [this.u8()];
        break;
      case 'memory':
      case 'lane':
        read.index = this.u8();
        break;
      case 'i32':
      case 'i64':
        read.constant = this.sleb();
        break;
      case 'f32':
        read.constant = this.fixed(4);
        break;
      case 'f64':
        read.constant = this.fixed(8);
        break;
      case 'v128':
      case 'lanes':
        read.list = [...this.take(16)];
        break;
      case 'reftype':
        read.type = this.type();
        break;
    }
  }

  /** Empty, a value type, or (as a non-negative signed number of 33 bits) a function type. */
  #blockType(): string {
    const next = this.bytes[this.at]!;
    if (next === 0x40) {
      this.at++;
      return '';
    }
    return (next & 0xc0) === 0x40 ? this.type() : String(this.sleb());
  }
}
