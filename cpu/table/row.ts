/**
 * The instruction table: one row per encoding, from which the decoder, the interpreter, the translator and the generated
 * tests are made. How to add a row:
 *
 *     row('66 0f 58', 'addpd', 'Vx,Wx', (b) => {
 *       b.requireAligned(1);
 *       b.write(0, b.op('f64x2.add', [b.read(0), b.read(1)]));
 *     })
 *
 * **Encoding**: [`np` | `66` | `f3` | `f2`] [`0f` [`38` | `3a`]] opcode [`/digit`] [`rm=digit`]. `np`, `66`, `f3`, `f2` are
 * mandatory prefixes (`np`: none of them); a row without takes any prefix, and 66 is then an operand size.
 * `/digit` is modrm.reg as opcode extension; `rm=digit` also fixes modrm.rm (x87, with the `R`-less register form).
 *
 * **Operands**: place letter and size code.
 *   E r/m general, R r/m register only, M r/m memory only, G modrm.reg general, Z register in the opcode,
 *   A C D fixed rax rcx rdx, I immediate, 1 the constant, J relative target, O absolute address (moffs),
 *   V modrm.reg xmm, W r/m xmm, U r/m xmm register only, P modrm.reg mmx, Q r/m mmx, N r/m mmx register only.
 *   b 8, w 16, d 32, q 64, v operand size (16 32 64), y 32 or 64, x 128 bits, ss sd: 32/64 bits read as f32/f64,
 *   t: memory of any other size, which the semantics probe themselves (`b.probe(b.effectiveAddress(), …)`).
 *   Immediates: b byte (zero-extended), bs byte sign-extended to operand size, w word, z 16 or 32 bits sign-extended to
 *   operand size, v full, wb word and byte (enter: word | byte << 16).
 *
 * **Semantics**: written once for all sizes and forms with the `Builder`; `b.size` is the operand size, `b.form` is 'r' or 'm'
 * (direct branches: 'near' in the same page, 'far').
 * Xmm registers are 16 bytes at state address XMM + 16·n, mmx registers 8 bytes at ST + 16·n; `read`, `write`, `readAs`,
 * `writeAs` work on both registers and memory. What is too rare or too long for the intermediate form is a TypeScript function:
 *
 *     row('0f ae /2', 'ldmxcsr', 'Md', (b) => b.helper(loadMxcsr, b.addressOf(0, 4, false, false)))
 *
 * which gets (context, record, physical address) and returns false when it raised an exception (see helpers.ts).
 *
 * **Hot forms**: `hot: '32r 64r 32bd 64bis'` puts these sizes and operand forms (r registers, bd base+displacement, bis
 * base+index·scale+displacement) inline into the interpreter's main loop (no calls, no helpers there), with a second
 * variant for dead flags where the row says `setsFlags`; `32rf` also fuses it with a following jcc,
 * `64rd` has the dead variant only. Every other form is a function of its own, reached from the same record.
 */
import type { Builder, Operand, OperandPlace, RegisterFile } from '../ir/builder.js';
import type { Form, IntSize } from '../ir/ir.js';
import { RAX, RCX, RDX } from '../state.js';

export type MandatoryPrefix = 'any' | 'np' | '66' | 'f3' | 'f2';
/** 0 one-byte opcodes, 1 0f, 2 0f 38, 3 0f 3a */
export type OpcodeMap = 0 | 1 | 2 | 3;

export interface RowOptions {
  hot?: string;
  /** Operand size defaults to 64 bits, 66 makes it 16, 32 does not exist (push, pop, near branches). */
  d64?: boolean;
  /** The lock prefix is legal on the memory form. */
  lock?: boolean;
  /** Ends a straight-line run: nothing falls through. */
  ends?: boolean;
  /** Sets all flags in this way: hot forms get a second variant for dead flags, and `f` behind a hot form fuses it with jcc. */
  setsFlags?: 'sub' | 'logic' | 'arithmetic';
  /** Condition code of a conditional jump. */
  jumpCondition?: number;
  /** Observes all arithmetic flags in a way that the semantics do not show. */
  readsFlags?: boolean;
  /** A segment prefix does not matter (lea). */
  noSegment?: boolean;
  /** Only with this value of REX.B (90 is nop without, xchg with it). */
  rexB?: 0 | 1;
}

export interface Row {
  name: string;
  /** As written in the table. */
  encoding: string;
  map: OpcodeMap;
  opcode: number;
  prefix: MandatoryPrefix;
  /** modrm.reg, or −1. */
  extension: number;
  /** modrm.rm, or −1. */
  rm: number;
  operands: readonly OperandSpec[];
  /** The opcode has a modrm byte. */
  modrm: boolean;
  /** Operand sizes that exist. */
  sizes: readonly IntSize[];
  /** Forms that exist: register, memory; for direct branches near, far. Rows without r/m operand have 'r'. */
  forms: readonly Form[];
  semantics: (b: Builder) => void;
  options: RowOptions;
  shape: RowShape;
}

/** What the decoder needs to know of the operands, worked out once. */
export interface RowShape {
  opcodeRegister: boolean;
  moffs: boolean;
  /** Operand in modrm.rm (or the opcode, or the accumulator) and in modrm.reg, when there is one. */
  rm: OperandSpec | undefined;
  reg: OperandSpec | undefined;
  immediate: OperandSpec | undefined;
}

export interface OperandSpec {
  letter: string;
  code: string;
}

const PREFIXES = new Set(['np', '66', 'f3', 'f2']);

export function row(
  encoding: string,
  name: string,
  operands: string,
  semantics: (b: Builder) => void,
  options: RowOptions = {},
): Row {
  const parts = encoding.split(' ');
  let prefix: MandatoryPrefix = 'any';
  if (PREFIXES.has(parts[0]!) && parts.length > 1) prefix = parts.shift() as MandatoryPrefix;
  let map: OpcodeMap = 0;
  if (parts[0] === '0f' && parts.length > 1) {
    map = parts.length > 2 && parts[1] === '38' ? 2 : parts.length > 2 && parts[1] === '3a' ? 3 : 1;
    parts.splice(0, map === 1 ? 1 : 2);
  }
  const opcode = Number.parseInt(parts.shift()!, 16);
  let extension = -1;
  let rm = -1;
  for (const part of parts) {
    if (part.startsWith('/')) extension = Number(part.slice(1));
    else rm = Number(part.slice(3));
  }
  const specs = operands === '' ? [] : operands.split(',').map((text) => ({ letter: text[0]!, code: text.slice(1) }));
  const modrm = extension >= 0 || specs.some(({ letter }) => 'ERMGVWUPQN'.includes(letter));
  return {
    name,
    encoding,
    map,
    opcode,
    prefix,
    extension,
    rm,
    operands: specs,
    modrm,
    sizes: sizesOf(specs, options),
    forms: formsOf(specs, rm),
    semantics,
    options,
    shape: {
      opcodeRegister: specs.some(({ letter }) => letter === 'Z'),
      moffs: specs.some(({ letter }) => letter === 'O'),
      rm: specs.find(({ letter }) => 'ERZWUQN'.includes(letter)) ?? specs.find(({ letter }) => letter === 'A'),
      reg: specs.find(({ letter }) => 'GVP'.includes(letter)),
      immediate: specs.find(({ letter }) => letter === 'I' || letter === 'J'),
    },
  };
}

function sizesOf(specs: readonly OperandSpec[], options: RowOptions): readonly IntSize[] {
  if (options.d64) return [16, 64];
  const codes = specs.map((spec) => spec.code);
  if (codes.some((code) => code === 'v' || code === 'z')) return [16, 32, 64];
  if (codes.includes('y')) return [32, 64];
  const first = codes[0];
  return [first === 'b' ? 8 : first === 'w' ? 16 : first === 'q' ? 64 : 32];
}

function formsOf(specs: readonly OperandSpec[], rm: number): readonly Form[] {
  const letters = specs.map((spec) => spec.letter).join('');
  if (letters.includes('J')) return ['near', 'far'];
  if (letters.includes('M')) return ['m'];
  return rm < 0 && /[EWQ]/.test(letters) ? ['r', 'm'] : ['r'];
}

const FIXED_SIZES: Record<string, number> = { b: 8, bs: 8, w: 16, d: 32, q: 64, x: 128, ss: 32, sd: 64, wb: 32, t: 0 };
const FIXED_REGISTERS: Record<string, number> = { A: RAX, C: RCX, D: RDX };
const PLACES: Record<string, OperandPlace> = {
  I: 'imm',
  '1': 'one',
  J: 'near',
  O: 'moffs',
  A: 'gpr',
  C: 'gpr',
  D: 'gpr',
};

/** The operands of a row at one operand size. */
export function operandsAt(target: Row, size: IntSize): Operand[] {
  return target.operands.map(({ letter, code }) => {
    const file: RegisterFile = 'VWU'.includes(letter) ? 'xmm' : 'PQN'.includes(letter) ? 'mmx' : 'gpr';
    // The accumulator as the only register operand goes through the record, so that al/eax encodings share code with others.
    const free = letter === 'A' && !target.modrm && !target.shape.opcodeRegister;
    const place = free ? 'rm' : (PLACES[letter] ?? ('GVP'.includes(letter) ? 'reg' : 'rm'));
    const variable = code === 'v' || code === 'z' || code === 'y' || (code === 'bs' && letter === 'I');
    return {
      place,
      file,
      size: variable ? size : (FIXED_SIZES[code] ?? 0),
      float: code === 'ss' || code === 'sd',
      fixed: FIXED_REGISTERS[letter] ?? 0,
    };
  });
}

/** Bytes of immediate that follow the modrm part. */
export function immediateBytes(target: Row, size: IntSize): number {
  const { immediate } = target.shape;
  if (immediate === undefined) return 0;
  const { code } = immediate;
  if (code === 'b' || code === 'bs') return 1;
  if (code === 'w') return 2;
  if (code === 'wb') return 3;
  return code === 'v' ? size / 8 : size === 16 ? 2 : 4;
}
