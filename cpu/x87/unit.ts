/**
 * The x87 unit over its part of the CPU state (state.ts: FCW … FDP, ST), and what all its instructions share: stack
 * access, stack faults, tags, exception commit, NaN selection.
 *
 * Registers lie in physical order (R0…R7), so that MMX register n is the significand of register n. A register in use
 * has tag 0 here, whatever it holds; the finer classes are made when a tag word is stored to memory.
 */

import { FCW, FDP, FIP, FOP, FSW, FTOP, FTW, ST } from '../state.js';
import { pack80, unpack80 } from './formats.js';
import { env, IE, PRE, QNAN, SNAN, setIndefinite, UNSUPPORTED, Unpacked } from './unpacked.js';

export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;
export const CC = C0 | C1 | C2 | C3;
/** Stack fault. */
export const SF = 0x40;
/** Error summary and busy, which mirrors it. */
export const ES = 0x80;
export const BUSY = 0x8000;

/** The part of the physical memory that the unit works on; its views are replaced when the memory grows. */
export interface X87Memory {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;
}

/** What `runX87Row` answers. */
export const X87_DONE = 0;
/** `flags` holds new values of ZF, PF and CF. */
export const X87_SET_FLAGS = 1;
/** `ax` holds a new value of AX. */
export const X87_SET_AX = 2;
/** An unmasked exception was pending: #MF (SIGFPE) before the instruction; nothing was executed. */
export const X87_MF = 3;

/** rflags bits of fcomi and fcmov. */
export const CF = 1;
export const PF = 4;
export const ZF = 0x40;

export class X87 {
  readonly memory: X87Memory;
  /** In: rflags (fcmov reads CF, PF, ZF). Out after X87_SET_FLAGS: those three, others 0. */
  flags = 0;
  /** Out after X87_SET_AX. */
  ax = 0;
  /** X87_DONE, X87_SET_FLAGS or X87_SET_AX: what the running instruction leaves for the caller. */
  outcome = X87_DONE;
  /** Operand size 16 (prefix 0x66): the 14-byte environment. */
  operand16 = false;
  readonly a = new Unpacked();
  readonly b = new Unpacked();
  readonly r = new Unpacked();

  constructor(memory: X87Memory) {
    this.memory = memory;
  }

  get control(): number {
    return this.memory.i32[FCW >> 2]!;
  }
  set control(v: number) {
    this.memory.i32[FCW >> 2] = v;
  }
  get status(): number {
    return this.memory.i32[FSW >> 2]!;
  }
  set status(v: number) {
    this.memory.i32[FSW >> 2] = v;
  }
  get top(): number {
    return this.memory.i32[FTOP >> 2]!;
  }
  set top(v: number) {
    this.memory.i32[FTOP >> 2] = v & 7;
  }
  /** Two bits a physical register, 3 = empty. */
  get tags(): number {
    return this.memory.i32[FTW >> 2]!;
  }
  set tags(v: number) {
    this.memory.i32[FTW >> 2] = v;
  }

  /** The status word as programs see it. */
  get statusWord(): number {
    return this.status | (this.top << 11);
  }
  set statusWord(v: number) {
    this.top = (v >>> 11) & 7;
    this.status = v & ~0x3800 & 0xffff;
    this.summarise();
  }

  /** Recomputes ES and B after a change of status or masks. */
  summarise(): void {
    const s = this.status;
    this.status = (s & ~this.control & 0x3f) !== 0 ? s | ES | BUSY : s & ~(ES | BUSY);
  }

  init(): void {
    this.control = 0x37f;
    this.status = 0;
    this.top = 0;
    this.tags = 0xffff;
    const { i32 } = this.memory;
    for (const at of [FOP, FIP, FIP + 4, FDP, FDP + 4]) i32[at >> 2] = 0;
  }

  isEmpty(i: number): boolean {
    return ((this.tags >>> (((this.top + i) & 7) << 1)) & 3) === 3;
  }

  free(i: number): void {
    this.tags |= 3 << (((this.top + i) & 7) << 1);
  }

  /** Index of ST(i)'s first word in `memory.i32`. */
  index(i: number): number {
    return (ST >> 2) + (((this.top + i) & 7) << 2);
  }

  load(i: number, into: Unpacked): void {
    const { i32 } = this.memory;
    const at = this.index(i);
    unpack80(into, i32[at + 2]! & 0xffff, i32[at + 1]!, i32[at]!);
  }

  /** Writes ST(i) and marks it used. */
  store(i: number, value: Unpacked): void {
    this.storeWords(i, pack80(value), value.hi, value.lo);
  }

  storeWords(i: number, se: number, hi: number, lo: number): void {
    const { i32 } = this.memory;
    const at = this.index(i);
    i32[at] = lo;
    i32[at + 1] = hi;
    i32[at + 2] = se;
    this.tags &= ~(3 << (((this.top + i) & 7) << 1));
  }

  pop(): void {
    this.free(0);
    this.top++;
  }

  pushWords(se: number, hi: number, lo: number): void {
    this.top--;
    this.storeWords(0, se, hi, lo);
  }

  /** Prepares `env` for an operation. */
  begin(): void {
    const cw = this.control;
    env.rc = (cw >>> 10) & 3;
    env.masks = cw & 0x3f;
    env.flags = 0;
    env.up = 0;
    env.flush = false;
  }

  /** Enters what the operation raised into the status word, C1 = `env.up`. @returns false when it must leave no result. */
  commit(): boolean {
    return this.commitCodes(env.up !== 0 ? C1 : 0, C1);
  }

  /** The same with condition codes `codes` in place of those in `affected`. */
  commitCodes(codes: number, affected: number): boolean {
    const raised = env.flags;
    const s = (this.status & ~affected) | codes | raised;
    this.status = (s & ~this.control & 0x3f) !== 0 ? s | ES | BUSY : s;
    return (raised & ~this.control & PRE) === 0;
  }

  /** Stack fault: IE and SF, C1 = 1 for overflow. @returns true when masked: the response is the indefinite NaN. */
  stackFault(overflow: boolean): boolean {
    const masked = (this.control & IE) !== 0;
    const s = (this.status & ~C1) | (overflow ? C1 : 0) | IE | SF;
    this.status = masked ? s : s | ES | BUSY;
    return masked;
  }

  storeIndefinite(i: number): void {
    this.storeWords(i, 0xffff, 0xc0000000 | 0, 0);
  }

  /** Room for a push? If not, makes the masked response. */
  canPush(): boolean {
    if (this.isEmpty(-1)) return true;
    if (this.stackFault(true)) this.pushWords(0xffff, 0xc0000000 | 0, 0);
    return false;
  }
}

/** Result of an operation with one NaN or unsupported operand. @returns false when IE is raised unmasked. */
export function nan1(r: Unpacked, a: Unpacked): boolean {
  if (a.kind !== QNAN) {
    env.flags |= IE;
    if ((env.masks & IE) === 0) return false;
  }
  if (a.kind === UNSUPPORTED) setIndefinite(r);
  else {
    r.set(a);
    r.kind = QNAN;
    r.hi |= 0x40000000;
  }
  return true;
}

/**
 * Result of a two-operand x87 operation where at least one operand is a NaN or unsupported.
 * @source Intel SDM volume 1, table 4-7: a quiet NaN wins over a signalling one, else the larger significand
 */
export function nan2(r: Unpacked, a: Unpacked, b: Unpacked): boolean {
  if (a.kind >= SNAN || b.kind >= SNAN) {
    env.flags |= IE;
    if ((env.masks & IE) === 0) return false;
  }
  if (a.kind === UNSUPPORTED || b.kind === UNSUPPORTED) {
    setIndefinite(r);
    return true;
  }
  let winner = a;
  if (a.kind < QNAN) winner = b;
  else if (b.kind >= QNAN) {
    if (a.kind !== b.kind) winner = a.kind === QNAN ? a : b;
    else if (a.hi !== b.hi) winner = a.hi >>> 0 > b.hi >>> 0 ? a : b;
    else if (a.lo !== b.lo) winner = a.lo >>> 0 > b.lo >>> 0 ? a : b;
    else winner = a.sign === 0 ? a : b;
  }
  r.set(winner);
  r.kind = QNAN;
  r.hi |= 0x40000000;
  return true;
}
