/**
 * Decodes one x86-64 instruction from bytes with the help of the instruction table. Knows encodings only: what the
 * instruction does is the row's business, where the record goes is the code cache's.
 *
 * @source Intel SDM vol. 2, chapter 2 and appendix A
 */
import type { Form, IntSize } from './ir/ir.js';
import { FS_BASE, GPR, GS_BASE, PAGE_VA, ST, XMM, ZERO } from './state.js';
import { immediateBytes, type OpcodeMap, type OperandSpec, type Row } from './table/row.js';

export const MAX_INSTRUCTION = 15;

/** Outcome of `decode` when there is no row: needs more bytes, undefined, or longer than 15 bytes. */
export const NEED_MORE = 1;
export const UNDEFINED = 2;
export const TOO_LONG = 3;

/** The instruction of the last successful `decode`; reused, copy what must last. */
export class Decoded {
  row!: Row;
  size: IntSize = 32;
  form: Form = 'r';
  length = 0;
  /** State addresses, as in a record. */
  a = 0;
  b = 0;
  base = 0;
  index = 0;
  scale = 0;
  segment = 0;
  address32 = false;
  displacement = 0;
  /** Low and high half of the sign-extended immediate. */
  immediateLow = 0;
  immediateHigh = 0;
  hasImmediate = false;
  /** rip-relative operand: `displacement` is relative to the end of the instruction. */
  ripRelative = false;
  /** Relative branch: `displacement` likewise. */
  branch = false;
}

const PREFIX_OPERAND = 0x66;
const PREFIX_ADDRESS = 0x67;
const PREFIX_LOCK = 0xf0;
const PREFIX_REPNE = 0xf2;
const PREFIX_REP = 0xf3;
const REG_SP = 4;
const REG_BP = 5;

export class Decoder {
  readonly out = new Decoded();
  #rows: (Row[] | undefined)[] = new Array<Row[] | undefined>(4 * 256).fill(undefined);
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #rex = 0;

  constructor(rows: readonly Row[]) {
    for (const row of rows) {
      // Registers in the opcode's low bits occupy eight opcodes.
      const span = row.shape.opcodeRegister ? 8 : 1;
      for (let i = 0; i < span; i++) (this.#rows[row.map * 256 + row.opcode + i] ??= []).push(row);
    }
  }

  /**
   * Decodes the instruction at `start`; bytes from `end` on are not there.
   * @returns 0 with `out` filled, or NEED_MORE, UNDEFINED, TOO_LONG
   */
  decode(bytes: Uint8Array, start: number, end: number): number {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, start + MAX_INSTRUCTION);
    const result = this.#instruction(start);
    if (result === NEED_MORE && this.#end === start + MAX_INSTRUCTION) return TOO_LONG;
    return result;
  }

  #instruction(start: number): number {
    const { out } = this;
    let operand16 = false;
    let lock = false;
    let repeat = 0;
    out.address32 = false;
    let segment = ZERO;
    this.#rex = 0;
    let opcode = -1;
    for (;;) {
      const byte = this.#next();
      if (byte < 0) return NEED_MORE;
      if (byte === PREFIX_OPERAND) operand16 = true;
      else if (byte === PREFIX_ADDRESS) out.address32 = true;
      else if (byte === PREFIX_LOCK) lock = true;
      else if (byte === PREFIX_REP || byte === PREFIX_REPNE) repeat = byte;
      else if (byte === 0x64) segment = FS_BASE;
      else if (byte === 0x65) segment = GS_BASE;
      else if (byte === 0x2e || byte === 0x36 || byte === 0x3e || byte === 0x26) segment = ZERO;
      else if (byte >= 0x40 && byte < 0x50) {
        this.#rex = byte;
        continue;
      } else {
        opcode = byte;
        break;
      }
      this.#rex = 0; // a REX counts only directly before the opcode
    }
    let map: OpcodeMap = 0;
    if (opcode === 0x0f) {
      map = 1;
      opcode = this.#next();
      if (opcode === 0x38 || opcode === 0x3a) {
        map = opcode === 0x38 ? 2 : 3;
        opcode = this.#next();
      }
      if (opcode < 0) return NEED_MORE;
    }
    const candidates = this.#rows[map * 256 + opcode];
    if (candidates === undefined) return UNDEFINED;
    let modrm = -1;
    if (candidates[0]!.modrm) {
      if (this.#at >= this.#end) return NEED_MORE;
      modrm = this.#bytes[this.#at]!;
    }
    const row = choose(candidates, repeat, operand16, modrm, this.#rex & 1);
    if (row === undefined) return UNDEFINED;
    if (row.modrm && modrm < 0) return UNDEFINED;
    out.row = row;
    out.form = row.modrm && row.forms.includes('m') && modrm < 0xc0 ? 'm' : 'r';
    if (lock && !(row.options.lock === true && out.form === 'm')) return UNDEFINED;
    out.size = this.#operandSize(row, operand16);
    const truncated = this.#operands(row, modrm, opcode, segment);
    if (truncated) return NEED_MORE;
    out.length = this.#at - start;
    return 0;
  }

  #operandSize(row: Row, operand16: boolean): IntSize {
    const { sizes } = row;
    const only = sizes[0]!;
    if (sizes.length === 1) return only;
    const wide = (this.#rex & 8) !== 0;
    if (row.options.d64) return operand16 && !wide ? 16 : 64;
    if (wide) return 64;
    return operand16 && only === 16 ? 16 : 32;
  }

  /** @returns true when bytes are missing */
  #operands(row: Row, modrm: number, opcode: number, segment: number): boolean {
    const { out } = this;
    out.a = ZERO;
    out.b = ZERO;
    out.base = ZERO;
    out.index = ZERO;
    out.segment = segment;
    out.scale = 0;
    out.displacement = 0;
    out.hasImmediate = false;
    out.ripRelative = false;
    out.branch = false;
    const { shape } = row;
    if (row.modrm) {
      this.#at++;
      if (modrm >= 0xc0) out.a = this.#register(shape.rm, (modrm & 7) | ((this.#rex & 1) << 3));
      else if (this.#memory(modrm)) return true;
      if (row.extension < 0) out.b = this.#register(shape.reg, ((modrm >> 3) & 7) | ((this.#rex & 4) << 1));
    } else if (shape.opcodeRegister) out.a = this.#register(shape.rm, (opcode & 7) | ((this.#rex & 1) << 3));
    else if (shape.rm !== undefined) out.a = GPR;
    return this.#immediates(row);
  }

  #register(operand: OperandSpec | undefined, number: number): number {
    if (operand === undefined) return ZERO;
    switch (operand.letter) {
      case 'V':
      case 'W':
      case 'U':
        return XMM + number * 16;
      case 'P':
      case 'Q':
      case 'N':
        return ST + (number & 7) * 16;
      default:
        if (operand.code !== 'b' || this.#rex !== 0 || number < REG_SP) return GPR + number * 8;
        return GPR + (number - 4) * 8 + 1; // ah ch dh bh
    }
  }

  #memory(modrm: number): boolean {
    const { out } = this;
    const mod = modrm >> 6;
    const rm = modrm & 7;
    let displacementBytes = mod === 1 ? 1 : mod === 2 ? 4 : 0;
    if (rm === REG_SP) {
      const sib = this.#next();
      if (sib < 0) return true;
      const index = ((sib >> 3) & 7) | ((this.#rex & 2) << 2);
      if (index !== REG_SP) {
        out.index = GPR + index * 8;
        out.scale = sib >> 6;
      }
      const base = sib & 7;
      if (base === REG_BP && mod === 0) displacementBytes = 4;
      else out.base = GPR + (base | ((this.#rex & 1) << 3)) * 8;
    } else if (rm === REG_BP && mod === 0) {
      displacementBytes = 4;
      out.base = PAGE_VA;
      out.ripRelative = true;
    } else out.base = GPR + (rm | ((this.#rex & 1) << 3)) * 8;
    if (displacementBytes === 0) return false;
    if (this.#at + displacementBytes > this.#end) return true;
    out.displacement = this.#signed(displacementBytes);
    return false;
  }

  #immediates(row: Row): boolean {
    const { out } = this;
    const { moffs, immediate } = row.shape;
    const bytes = moffs ? (out.address32 ? 4 : 8) : immediateBytes(row, out.size);
    if (bytes === 0) return false;
    if (this.#at + bytes > this.#end) return true;
    if (immediate?.letter === 'J') {
      out.branch = true;
      out.displacement = this.#signed(bytes);
      return false;
    }
    out.hasImmediate = true;
    if (bytes === 8) {
      out.immediateLow = this.#signed(4);
      out.immediateHigh = this.#signed(4);
    } else {
      out.immediateLow = bytes === 3 ? this.#signed(2) & 0xffff : this.#signed(bytes);
      if (bytes === 3) out.immediateLow |= (this.#signed(1) & 0xff) << 16;
      out.immediateHigh = moffs ? 0 : out.immediateLow >> 31;
    }
    return false;
  }

  #next(): number {
    return this.#at < this.#end ? this.#bytes[this.#at++]! : -1;
  }

  /** A little-endian signed number of 1, 2 or 4 bytes. */
  #signed(bytes: number): number {
    const at = this.#at;
    const b = this.#bytes;
    this.#at = at + bytes;
    if (bytes === 1) return (b[at]! << 24) >> 24;
    if (bytes === 2) return ((b[at]! | (b[at + 1]! << 8)) << 16) >> 16;
    return b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24);
  }
}

/** The row that fits prefixes, opcode extension and operand form. */
function choose(
  rows: readonly Row[],
  repeat: number,
  operand16: boolean,
  modrm: number,
  rexB: number,
): Row | undefined {
  const wanted = repeat === PREFIX_REP ? 'f3' : repeat === PREFIX_REPNE ? 'f2' : operand16 ? '66' : 'np';
  let loose: Row | undefined;
  for (const row of rows) {
    if (row.prefix !== wanted && row.prefix !== 'any') continue;
    if (row.options.rexB !== undefined && row.options.rexB !== rexB) continue;
    if (modrm >= 0) {
      if (row.extension >= 0 && row.extension !== ((modrm >> 3) & 7)) continue;
      const registerForm = modrm >= 0xc0;
      if (row.rm >= 0 && (!registerForm || row.rm !== (modrm & 7))) continue;
      if (row.modrm && !row.forms.includes(registerForm ? 'r' : 'm')) continue;
    }
    if (row.prefix === wanted) return row;
    loose ??= row;
  }
  return loose;
}
