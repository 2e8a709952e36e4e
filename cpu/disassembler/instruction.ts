/**
 * A decoded instruction with what only its bytes still say (prefixes, ModRM), and its operands as text in Intel syntax
 * as GNU objdump prints it. Mnemonics are mnemonics.ts's business.
 */
import type { Decoded } from '../decoder.js';
import { gprName, highByteName } from '../ir/text.js';
import { FS_BASE, GPR, GS_BASE, ST, XMM, ZERO } from '../state.js';
import type { OperandSpec, Row } from '../table/row.js';

const KEYWORDS: Record<number, string> = {
  8: 'BYTE PTR ',
  16: 'WORD PTR ',
  32: 'DWORD PTR ',
  64: 'QWORD PTR ',
  80: 'TBYTE PTR ',
  128: 'XMMWORD PTR ',
};

/** Bits of a register or memory operand by size code, where it does not depend on the operand size. */
const FIXED: Record<string, number> = { b: 8, w: 16, d: 32, q: 64, x: 128, ss: 32, sd: 64 };

const SEGMENTS: Record<number, string> = { 38: 'es', 46: 'cs', 54: 'ss', 62: 'ds' };
export const SELECTORS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

const PREFIX_BYTES = new Set([0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e]);
const NO_SPEC: OperandSpec = { letter: '', code: '' };

export class Instruction {
  readonly row: Row;
  readonly decoded: Decoded;
  /** Of the next instruction, unsigned. */
  readonly end: bigint;
  lock = false;
  /** The last of F3 and F2, or 0. */
  repeat = 0;
  /** How often 66 stands there. */
  operand16 = 0;
  rex = 0;
  /** Segment prefixes that do nothing in 64-bit mode: es, cs, ss, ds. */
  ignoredSegments: string[] = [];
  /** −1 without. */
  modrm = -1;
  /** Address that a rip-relative operand means, once it was printed. */
  reference: bigint | undefined;

  /** @param address signed or unsigned 64-bit address of the instruction, which is at `start` of `bytes` */
  constructor(decoded: Decoded, bytes: Uint8Array, start: number, address: bigint) {
    this.decoded = decoded;
    this.row = decoded.row;
    this.end = BigInt.asUintN(64, address + BigInt(decoded.length));
    let at = start;
    for (; ; at++) {
      const byte = bytes[at]!;
      if (byte >= 0x40 && byte < 0x50) this.rex = byte;
      else if (PREFIX_BYTES.has(byte)) {
        this.rex = 0;
        this.#prefix(byte);
      } else break;
    }
    if (this.row.modrm) this.modrm = bytes[at + [1, 2, 3, 3][this.row.map]!]!;
  }

  get isMemory(): boolean {
    return this.decoded.form === 'm';
  }

  /** All operands as the row lists them. */
  operands(): string[] {
    return this.row.operands.map((_, i) => this.operand(i));
  }

  /** @param bits size to show instead of the row's */
  operand(i: number, bits?: number): string {
    const spec = this.row.operands[i] ?? NO_SPEC;
    const { letter } = spec;
    const { decoded } = this;
    const size = bits ?? this.bitsOf(spec);
    if (letter === 'I') return this.immediate(spec);
    if (letter === '1') return '1';
    if (letter === 'J') return hex(this.target());
    if (letter === 'O') return this.#offset(size);
    if (letter === 'A' && (this.row.modrm || this.row.shape.opcodeRegister)) return gprName(0, size);
    if (letter === 'C') return gprName(1, size);
    if (letter === 'D') return gprName(2, size);
    if ('GVP'.includes(letter)) return registerName(decoded.b, size);
    if (this.isMemory) return this.memory(size);
    return registerName(decoded.a, size);
  }

  /** Bits of an operand; 0: memory of no particular size. */
  bitsOf({ code }: OperandSpec): number {
    return code === 't' ? 0 : (FIXED[code] ?? this.decoded.size);
  }

  /** `DWORD PTR [rax+rcx*4+0x10]`; without a size, or 0, without the keyword. */
  memory(bits = 0): string {
    const { decoded } = this;
    const { base, index, scale, displacement, address32, segment, ripRelative } = decoded;
    const width = address32 ? 32 : 64;
    const keyword = KEYWORDS[bits] ?? '';
    const over = segment === FS_BASE ? 'fs:' : segment === GS_BASE ? 'gs:' : '';
    if (ripRelative) {
      this.reference = BigInt.asUintN(64, this.end + BigInt(displacement));
      return `${keyword}${over}[${address32 ? 'eip' : 'rip'}+${hex(BigInt.asUintN(64, BigInt(displacement)))}]`;
    }
    if (base === ZERO && index === ZERO) {
      return `${keyword}${over === '' ? 'ds:' : over}${hex(BigInt.asUintN(width, BigInt(displacement)))}`;
    }
    let text = base === ZERO ? '' : registerName(base, width);
    if (index !== ZERO) text += `${text === '' ? '' : '+'}${registerName(index, width)}*${1 << scale}`;
    if (this.#hasDisplacement())
      text += displacement < 0 ? `-${hex(BigInt(-displacement))}` : `+${hex(BigInt(displacement))}`;
    return `${keyword}${over}[${text}]`;
  }

  /** Sign-extended to the operand size and shown unsigned, as processors do with it. */
  immediate({ code }: OperandSpec): string {
    const { immediateLow, immediateHigh, size } = this.decoded;
    if (code === 'b') return hex(BigInt(immediateLow & 0xff));
    if (code === 'w') return hex(BigInt(immediateLow & 0xffff));
    if (code === 'wb') return `${hex(BigInt(immediateLow & 0xffff))},${hex(BigInt((immediateLow >> 16) & 0xff))}`;
    const full = (BigInt(immediateHigh) << 32n) | BigInt(immediateLow >>> 0);
    return hex(BigInt.asUintN(size, full));
  }

  /** Where a direct branch goes. */
  target(): bigint {
    return BigInt.asUintN(64, this.end + BigInt(this.decoded.displacement));
  }

  /** The absolute address of moffs. */
  #offset(bits: number): string {
    const { immediateLow, immediateHigh, segment } = this.decoded;
    const address = BigInt.asUintN(64, (BigInt(immediateHigh) << 32n) | BigInt(immediateLow >>> 0));
    const over = segment === FS_BASE ? 'fs:' : segment === GS_BASE ? 'gs:' : 'ds:';
    return `${this.row.modrm ? (KEYWORDS[bits] ?? '') : ''}${over}${hex(address)}`;
  }

  /** Whether displacement bytes stand there: those of 0 are shown, too. */
  #hasDisplacement(): boolean {
    return this.modrm >> 6 !== 0 || this.decoded.base === ZERO;
  }

  #prefix(byte: number): void {
    if (byte === 0x66) this.operand16++;
    else if (byte === 0xf0) this.lock = true;
    else if (byte === 0xf2 || byte === 0xf3) this.repeat = byte;
    else if (SEGMENTS[byte] !== undefined) this.ignoredSegments.push(SEGMENTS[byte]!);
  }
}

export function hex(n: bigint): string {
  return `0x${n.toString(16)}`;
}

/** A register by its state address, as wide as asked for. */
export function registerName(address: number, bits: number): string {
  if (address >= XMM && address < XMM + 256) return `xmm${(address - XMM) >> 4}`;
  if (address >= ST && address < ST + 128) return `mm${(address - ST) >> 4}`;
  const index = (address - GPR) >> 3;
  if ((address & 7) === 1) return highByteName(index);
  return gprName(index, bits);
}
