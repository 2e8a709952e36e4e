/**
 * What a generated function knows about itself at each point: which registers it may write, which hold pointers and how far
 * they reach, which flags have a defined value, how many instructions will run. Everything is text for the GNU assembler.
 */
import type { Random } from '../../cpu/native/random.js';

export const CF = 0x001;
export const PF = 0x004;
export const AF = 0x010;
export const ZF = 0x040;
export const SF = 0x080;
export const OF = 0x800;
export const ALL_FLAGS = CF | PF | AF | ZF | SF | OF;

export type Size = 8 | 16 | 32 | 64;
export const SIZES: readonly Size[] = [8, 16, 32, 64];
export const SUFFIX: Record<Size, string> = { 8: 'b', 16: 'w', 32: 'l', 64: 'q' };

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RSP = 4;
export const RSI = 6;
export const RDI = 7;
/** Registers that a function gives back unchanged: rbx, rbp, r12–r15. */
export const PRESERVED: readonly number[] = [3, 5, 12, 13, 14, 15];
const SCRATCH: readonly number[] = [0, 1, 2, 6, 7, 8, 9, 10, 11];

export function reg(k: number, size: Size): string {
  if (k >= 8) return `%r${k}${{ 8: 'b', 16: 'w', 32: 'd', 64: '' }[size]}`;
  const name = LEGACY[k]!;
  if (size === 8) return `%${k < 4 ? name[0] : name}l`;
  return `%${size === 16 ? '' : size === 32 ? 'e' : 'r'}${name}`;
}

/** ah, ch, dh, bh */
export const highByte = (k: number): string => `%${LEGACY[k]![0]}h`;

export interface Extent {
  at: bigint;
  size: number;
  /** Symbol to address it by. */
  symbol?: string;
}

/** As runner.c maps them. */
export const EXTENTS: readonly Extent[] = [
  { at: 0x10000000n, size: 0x4000 },
  { at: 0x7fffe000n, size: 0x4000 },
  { at: 0xffffe000n, size: 0x4000 },
  { at: 0x7e0000000000n, size: 0x2000 },
  { at: 0x20000000n, size: 0x2000 },
  { at: 0x30000000n, size: 0x2000 },
  { at: 0n, size: 0x2000, symbol: 'bss' },
];
export const READ_ONLY = 0x31000000n;
/** Offset of gs's base in extent 0. */
export const GS_OFFSET = 0x1800;

/** A register that points into an extent, `low` to `high` bytes from its start. */
export interface Pointer {
  register: number;
  extent: Extent;
  low: number;
  high: number;
}

export interface Chunk {
  programs: string[];
  sites: string[];
  labels: number;
}

/** A function under construction. */
export class Context {
  readonly lines: string[] = [];
  /** Flags without a defined value at this point. Between functions AF may be one. */
  undefined = AF;
  /** Preserved registers that this function saves. */
  readonly saved: number[];
  /** Registers with a lasting role: pointers, counters. */
  readonly roles = new Set<number>();
  readonly pointers: Pointer[] = [];
  /** Bytes of the frame, and how far rsp is below its start now. */
  frame = 0;
  pushed = 0;
  /** Instructions that run per pass, about: of all so far, and how often this point runs. */
  cost = 0;
  times = 1;
  /** Flags that had no value in front of the last instruction, if it may have been passed over. */
  #skipped = 0;
  readonly r: Random;
  readonly chunk: Chunk;

  constructor(r: Random, chunk: Chunk) {
    this.r = r;
    this.chunk = chunk;
    this.saved = PRESERVED.filter(() => !r.chance(3));
  }

  emit(...lines: string[]): void {
    this.#skipped = 0;
    for (const line of lines) this.lines.push(`        ${line}`);
    this.cost += this.times * lines.length;
  }

  label(): string {
    return `.L${this.chunk.labels++}`;
  }

  place(label: string): void {
    this.lines.push(`${label}:`);
  }

  /** After an instruction that defines some flags and leaves others without a value. */
  setFlags(defined: number, undefined_ = 0): void {
    this.undefined = (this.undefined & ~defined) | undefined_ | this.#skipped;
  }

  has(flags: number): boolean {
    return (this.undefined & flags) === 0;
  }

  /** Emits an instruction that gives every flag a value, if one but `allowed` has none. */
  fixFlags(allowed = AF): void {
    if ((this.undefined & ~allowed) === 0) return;
    const size = this.r.pick(SIZES);
    const name = this.r.pick(['cmp', 'add', 'sub', 'neg']);
    const target = reg(this.target(), size);
    this.emit(`${name}${SUFFIX[size]} ${name === 'neg' ? '' : `${reg(this.source(), size)}, `}${target}`);
    this.setFlags(ALL_FLAGS);
  }

  canWrite(k: number): boolean {
    return k !== RSP && !this.roles.has(k) && (!PRESERVED.includes(k) || this.saved.includes(k));
  }

  /** A register that may be overwritten, none of `not`. */
  target(...not: number[]): number {
    for (;;) {
      const k = this.r.chance(3) ? this.r.pick(PRESERVED) : this.r.pick(SCRATCH);
      if (this.canWrite(k) && !not.includes(k)) return k;
    }
  }

  /** Any register, the stack pointer seldom. */
  source(): number {
    const k = this.r.below(16);
    return k === RSP && !this.r.chance(8) ? this.source() : k;
  }

  /** Takes a saved register for a role; undefined when there is none left. */
  takeRole(): number | undefined {
    const free = this.saved.filter((k) => !this.roles.has(k));
    if (free.length === 0) return undefined;
    const k = this.r.pick(free);
    this.roles.add(k);
    return k;
  }

  /** An immediate that `size` can hold, often at an edge. */
  immediate(size: Size): string {
    const { r } = this;
    if (r.chance(2)) return `$${r.below(256) - 128}`;
    if (size === 8) return `$${r.below(256) - 128}`;
    if (size === 16) return `$${r.below(65536) - 32768}`;
    return `$${r.pick([0x7fffffff, -0x80000000, 0x10000, 0xffff, r.word(), r.word()])}`;
  }

  /** Announces that the instruction may fault, and that it is to be passed over then. */
  guarded(instruction: string, defined = ALL_FLAGS & ~this.undefined): void {
    const at = this.label();
    const resume = this.label();
    this.place(at);
    this.emit(instruction);
    this.place(resume);
    this.#skipped = this.undefined;
    this.chunk.sites.push(`        .quad ${at}, ${resume}, ${defined}`);
    this.cost += 40 * this.times;
  }
}
