/**
 * Relocation types of x86-64 as rows: what is written, how wide, and what fits. Pure data; apply.ts applies them.
 * @source System V psABI AMD64, section "Relocation Types"
 */
import { ENOEXEC, ENOSYS } from '../../abi/errno.js';

/** The letters of the psABI. Signed, 64 bits; the result is taken modulo 2^64. */
export interface Operands {
  /** Address of the symbol. For calls (the psABI's L): of its stub when it is out of reach. */
  readonly S: bigint;
  readonly A: bigint;
  /** Address of the field. */
  readonly P: bigint;
  /** Offset of the symbol's entry in the global offset table; 0 for types that do not use one. */
  readonly G: bigint;
  /** Address of the global offset table. */
  readonly GOT: bigint;
  /** Size of the symbol. */
  readonly Z: bigint;
}

export interface RelocationRow {
  readonly name: string;
  /** Bytes of the field. */
  readonly width: 0 | 1 | 2 | 4 | 8;
  readonly value: (operands: Operands) => bigint;
  /** @param value signed, 64 bits */
  readonly fits: (value: bigint) => boolean;
  /** Needs the global offset table: an entry for the symbol, or the table's address. */
  readonly got?: 'entry' | 'address';
  readonly usesSize?: true;
  /** What the programmer can do when it does not fit. */
  readonly hint: string;
}

/** Types that are known and have no meaning in a module. */
export interface RefusedRow {
  readonly name: string;
  readonly errno: number;
  readonly why: string;
}

const always = (): boolean => true;
const isInt32 = (value: bigint): boolean => value >= -0x80000000n && value <= 0x7fffffffn;
const isUint32 = (value: bigint): boolean => value >= 0n && value <= 0xffffffffn;
/** Bits without a sign of their own: both readings are accepted, as by GNU ld. */
const isWord16 = (value: bigint): boolean => value >= -0x8000n && value <= 0xffffn;
const isWord8 = (value: bigint): boolean => value >= -0x80n && value <= 0xffn;
const isInt8 = (value: bigint): boolean => value >= -0x80n && value <= 0x7fn;

const absolute = ({ S, A }: Operands): bigint => S + A;
const relative = ({ S, A, P }: Operands): bigint => S + A - P;
const entry = ({ G, A }: Operands): bigint => G + A;
const entryRelative = ({ G, GOT, A, P }: Operands): bigint => G + GOT + A - P;
const table = ({ GOT, A, P }: Operands): bigint => GOT + A - P;
const fromTable = ({ S, A, GOT }: Operands): bigint => S + A - GOT;
const size = ({ Z, A }: Operands): bigint => Z + A;

const KERNEL = 'addresses of the kernel do not fit there: compile with -mcmodel=kernel';
const LARGE = 'the target is out of reach: compile with -mcmodel=large';
const NARROW = 'the field is too narrow';
const FULL = '';

// biome-ignore format: a table
export const RELOCATIONS: ReadonlyMap<number, RelocationRow> = new Map<number, RelocationRow>([
  [0,  { name: 'R_X86_64_NONE',          width: 0, value: () => 0n,      fits: always,   hint: FULL }],
  [1,  { name: 'R_X86_64_64',            width: 8, value: absolute,      fits: always,   hint: FULL }],
  [2,  { name: 'R_X86_64_PC32',          width: 4, value: relative,      fits: isInt32,  hint: LARGE }],
  [3,  { name: 'R_X86_64_GOT32',         width: 4, value: entry,         fits: isInt32,  hint: LARGE, got: 'entry' }],
  [4,  { name: 'R_X86_64_PLT32',         width: 4, value: relative,      fits: isInt32,  hint: LARGE }],
  [9,  { name: 'R_X86_64_GOTPCREL',      width: 4, value: entryRelative, fits: isInt32,  hint: LARGE, got: 'entry' }],
  [10, { name: 'R_X86_64_32',            width: 4, value: absolute,      fits: isUint32, hint: KERNEL }],
  [11, { name: 'R_X86_64_32S',           width: 4, value: absolute,      fits: isInt32,  hint: LARGE }],
  [12, { name: 'R_X86_64_16',            width: 2, value: absolute,      fits: isWord16, hint: NARROW }],
  [13, { name: 'R_X86_64_PC16',          width: 2, value: relative,      fits: isWord16, hint: NARROW }],
  [14, { name: 'R_X86_64_8',             width: 1, value: absolute,      fits: isWord8,  hint: NARROW }],
  [15, { name: 'R_X86_64_PC8',           width: 1, value: relative,      fits: isInt8,   hint: NARROW }],
  [24, { name: 'R_X86_64_PC64',          width: 8, value: relative,      fits: always,   hint: FULL }],
  [25, { name: 'R_X86_64_GOTOFF64',      width: 8, value: fromTable,     fits: always,   hint: FULL, got: 'address' }],
  [26, { name: 'R_X86_64_GOTPC32',       width: 4, value: table,         fits: isInt32,  hint: LARGE, got: 'address' }],
  [27, { name: 'R_X86_64_GOT64',         width: 8, value: entry,         fits: always,   hint: FULL, got: 'entry' }],
  [28, { name: 'R_X86_64_GOTPCREL64',    width: 8, value: entryRelative, fits: always,   hint: FULL, got: 'entry' }],
  [29, { name: 'R_X86_64_GOTPC64',       width: 8, value: table,         fits: always,   hint: FULL, got: 'address' }],
  [30, { name: 'R_X86_64_GOTPLT64',      width: 8, value: entry,         fits: always,   hint: FULL, got: 'entry' }],
  [31, { name: 'R_X86_64_PLTOFF64',      width: 8, value: fromTable,     fits: always,   hint: FULL, got: 'address' }],
  [32, { name: 'R_X86_64_SIZE32',        width: 4, value: size,          fits: isUint32, hint: NARROW, usesSize: true }],
  [33, { name: 'R_X86_64_SIZE64',        width: 8, value: size,          fits: always,   hint: FULL, usesSize: true }],
  [41, { name: 'R_X86_64_GOTPCRELX',     width: 4, value: entryRelative, fits: isInt32,  hint: LARGE, got: 'entry' }],
  [42, { name: 'R_X86_64_REX_GOTPCRELX', width: 4, value: entryRelative, fits: isInt32,  hint: LARGE, got: 'entry' }],
]);

const THREAD = 'thread-local storage does not exist in the kernel';
const DYNAMIC = 'only programs and shared objects have it, not relocatable objects';

const tls = (name: string): RefusedRow => ({ name, errno: ENOEXEC, why: THREAD });
const dynamic = (name: string): RefusedRow => ({ name, errno: ENOSYS, why: DYNAMIC });

// biome-ignore format: a table
export const REFUSED_RELOCATIONS: ReadonlyMap<number, RefusedRow> = new Map<number, RefusedRow>([
  [5,  dynamic('R_X86_64_COPY')],
  [6,  dynamic('R_X86_64_GLOB_DAT')],
  [7,  dynamic('R_X86_64_JUMP_SLOT')],
  [8,  dynamic('R_X86_64_RELATIVE')],
  [16, tls('R_X86_64_DTPMOD64')],
  [17, tls('R_X86_64_DTPOFF64')],
  [18, tls('R_X86_64_TPOFF64')],
  [19, tls('R_X86_64_TLSGD')],
  [20, tls('R_X86_64_TLSLD')],
  [21, tls('R_X86_64_DTPOFF32')],
  [22, tls('R_X86_64_GOTTPOFF')],
  [23, tls('R_X86_64_TPOFF32')],
  [34, tls('R_X86_64_GOTPC32_TLSDESC')],
  [35, tls('R_X86_64_TLSDESC_CALL')],
  [36, tls('R_X86_64_TLSDESC')],
  [37, dynamic('R_X86_64_IRELATIVE')],
  [38, dynamic('R_X86_64_RELATIVE64')],
]);
