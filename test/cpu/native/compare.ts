/**
 * Compares the outcomes of a case here and on the real processor, leaving out what the architecture leaves undefined:
 *
 * - flags: AF after logic; all but CF and OF after mul and imul; all after div and idiv; all but ZF after bsf and bsr;
 *   all but CF and ZF after bt and kin; AF after shifts by more than 0, OF after shifts and rotates by more than 1, CF
 *   after shl and shr by the operand size or more; all flags after shld and shrd by more than the operand size;
 * - the sticky DE, UE and PE flags of MXCSR while its control bits are at their default (see
 *   docs/decisions/sse-exception-flags.md); the last place of rcp and rsqrt;
 * - instruction and operand pointers of x87, and what x87.test.ts leaves out for transcendental functions.
 *
 * Where vendors differ, either outcome will do: see vendors.ts.
 */
import type { Form } from './generate.js';
import * as n from './native.js';
import { onIntel } from './vendors.js';

const CF = 0x001;
const PF = 0x004;
const AF = 0x010;
const ZF = 0x040;
const SF = 0x080;
const OF = 0x800;
const ALL = CF | PF | AF | ZF | SF | OF;
/** Flags that the harness can see: without the reserved bit, IF, RF. */
const VISIBLE = ALL | 0x400 | 0x40000 | 0x4000 | 0x200000;

const SIGTRAP = 5;
const RCX = 1;

/** The shift count of a case, taken from cl or from the instruction's last byte. */
function countOf({ row, size }: Form, input: Buffer): number {
  const last = row.operands.at(-1);
  let count = 1;
  if (last?.letter === 'C') count = input[n.IN_GPR + 8 * RCX]!;
  else if (last?.letter === 'I') count = input[n.IN_CODE + input.readUInt32LE(n.IN_LENGTH) - 1]!;
  return count & (size === 64 ? 63 : 31);
}

/** Arithmetic flags that are undefined after the case. */
export function undefinedFlags(form: Form, input: Buffer): number {
  const { row, size } = form;
  const { name } = row;
  if (/^(and|or|xor|test)$/.test(name)) return AF;
  if (/^i?mul$/.test(name)) return ALL & ~(CF | OF);
  if (/^i?div$/.test(name)) return ALL;
  if (/^bs[fr]$/.test(name)) return ALL & ~ZF;
  if (/^bt[src]?$/.test(name)) return ALL & ~(CF | ZF);
  if (/^(shl|sal|shr|sar|rol|ror|rcl|rcr|shld|shrd)$/.test(name)) {
    const count = countOf(form, input);
    if (count === 0) return 0;
    const overflow = count > 1 ? OF : 0;
    if (name.startsWith('r')) return overflow;
    if (/^sh[lr]d$/.test(name)) return count > size ? ALL : AF | overflow;
    return AF | overflow | (count >= size && name !== 'sar' ? CF : 0);
  }
  return 0;
}

const TRANSCENDENTAL = /^(f2xm1|fyl2x|fyl2xp1|fptan|fpatan|fsin|fcos|fsincos)$/;
const APPROXIMATION = /^r(cp|sqrt)[ps]s$/;

/** Distance of two 80-bit values in units of the last place. */
function distance80(a: Buffer, b: Buffer): number {
  const ordinal = (x: Buffer) => {
    const se = x.readUInt16LE(8);
    const magnitude = (BigInt(se & 0x7fff) << 63n) + (x.readBigUInt64LE(0) & ((1n << 63n) - 1n));
    return se & 0x8000 ? -magnitude : magnitude;
  };
  const d = ordinal(a) - ordinal(b);
  return Number(d < 0n ? -d : d);
}

/** Whether two binary32 approximations agree to the architecture's error, 1.5 × 2^-12 each. */
function approximately(a: Buffer, b: Buffer): boolean {
  for (let k = 0; k < 16; k += 4) {
    if (a.readInt32LE(k) === b.readInt32LE(k)) continue;
    const x = a.readFloatLE(k);
    const y = b.readFloatLE(k);
    if (!(Math.abs(x - y) <= Math.abs(y) * 3 * 2 ** -12)) return false;
  }
  return true;
}

const hex = (x: number | bigint): string => x.toString(16);
const REGISTERS = 'rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15'.split(' ');

/** @returns what differs, one line each, on a processor of either vendor; `here` and `there` are OUT_SIZE bytes */
export function differences(form: Form, input: Buffer, here: Buffer, there: Buffer): string[] {
  const found = compare(form, input, here, there);
  if (found.length === 0) return found;
  const other = onIntel(form, input, here);
  return other !== undefined && compare(form, input, other, there).length === 0 ? [] : found;
}

function compare(form: Form, input: Buffer, here: Buffer, there: Buffer): string[] {
  const found: string[] = [];
  const check = (what: string, x: number | bigint, y: number | bigint): void => {
    if (x !== y) found.push(`${what} ${hex(x)}, native ${hex(y)}`);
  };
  // The result of a 16-bit double shift by more than 16 is undefined as a whole.
  if (/^sh[lr]d$/.test(form.row.name) && form.size === 16 && countOf(form, input) > 16) return found;
  const signal = there.readUInt32LE(n.OUT_SIGNAL);
  check('signal', here.readUInt32LE(n.OUT_SIGNAL), signal);
  if (found.length > 0) return found;
  check('si_code', here.readInt32LE(n.OUT_CODE), there.readInt32LE(n.OUT_CODE));
  check('rip', here.readBigUInt64LE(n.OUT_RIP), there.readBigUInt64LE(n.OUT_RIP));
  if (signal !== SIGTRAP) {
    check('si_addr', here.readBigUInt64LE(n.OUT_ADDRESS), there.readBigUInt64LE(n.OUT_ADDRESS));
    check('trapno', here.readBigUInt64LE(n.OUT_TRAPNO), there.readBigUInt64LE(n.OUT_TRAPNO));
    check('err', here.readBigUInt64LE(n.OUT_ERR), there.readBigUInt64LE(n.OUT_ERR));
  }
  for (let i = 0; i < 16; i++) {
    const at = n.OUT_GPR + 8 * i;
    check(REGISTERS[i]!, here.readBigUInt64LE(at), there.readBigUInt64LE(at));
  }
  const mask = VISIBLE & ~(signal === SIGTRAP ? undefinedFlags(form, input) : 0);
  check('flags', here.readUInt32LE(n.OUT_RFLAGS) & mask, there.readUInt32LE(n.OUT_RFLAGS) & mask);
  compareFloatingPoint(form, input, here, there, check, found);
  const block = (b: Buffer) => b.subarray(n.OUT_BLOCK, n.OUT_BLOCK + n.BLOCK);
  const mine = Buffer.from(block(here));
  const theirs = Buffer.from(block(there));
  maskImages(form, input, mine, theirs);
  if (Buffer.compare(mine, theirs) !== 0) {
    let at = 0;
    while (mine[at] === theirs[at]) at++;
    const show = (b: Buffer) => b.subarray(at, at + 16).toString('hex');
    found.push(`block+${at} ${show(mine)}, native ${show(theirs)}`);
  }
  return found;
}

function compareFloatingPoint(
  { row }: Form,
  input: Buffer,
  here: Buffer,
  there: Buffer,
  check: (what: string, x: number, y: number) => void,
  found: string[],
): void {
  const fx = n.OUT_FX;
  const transcendental = TRANSCENDENTAL.test(row.name);
  const word = (b: Buffer, at: number) => b.readUInt16LE(fx + at);
  check('fcw', word(here, 0), word(there, 0));
  const status = transcendental ? ~0x4300 : -1;
  check('fsw', word(here, 2) & status, word(there, 2) & status);
  check('ftw', word(here, 4), word(there, 4));
  const control = input.readUInt32LE(n.IN_FX + 24);
  const sticky = (control & 0xffc0) === 0x1f80 && !/^(ldmxcsr|fxrstor)/.test(row.name) ? ~0x32 : -1;
  check('mxcsr', here.readUInt32LE(fx + 24) & sticky, there.readUInt32LE(fx + 24) & sticky);
  for (let i = 0; i < 8; i++) {
    const a = here.subarray(fx + 32 + 16 * i, fx + 42 + 16 * i);
    const b = there.subarray(fx + 32 + 16 * i, fx + 42 + 16 * i);
    if (Buffer.compare(a, b) === 0 || (transcendental && i < 2 && distance80(a, b) <= 1)) continue;
    found.push(
      `st${i} ${Buffer.from(a).reverse().toString('hex')}, native ${Buffer.from(b).reverse().toString('hex')}`,
    );
  }
  for (let i = 0; i < 16; i++) {
    const a = here.subarray(fx + 160 + 16 * i, fx + 176 + 16 * i);
    const b = there.subarray(fx + 160 + 16 * i, fx + 176 + 16 * i);
    if (Buffer.compare(a, b) === 0 || (APPROXIMATION.test(row.name) && approximately(a, b))) continue;
    found.push(`xmm${i} ${a.toString('hex')}, native ${b.toString('hex')}`);
  }
}

/** Blanks the pointers (and MXCSR_MASK) in x87 images that the case has stored. */
function maskImages({ row, size }: Form, input: Buffer, mine: Buffer, theirs: Buffer): void {
  if (!/^(fnstenv|fnsave|fxsave)/.test(row.name)) return;
  const at = input.readUInt32LE(n.IN_OPERAND);
  let [from, to] = [12, 28];
  if (row.name === 'fxsave') [from, to] = [28, 32];
  else if (size === 16) [from, to] = [6, 14];
  mine.fill(0, at + from, at + to);
  theirs.fill(0, at + from, at + to);
}

export function describe({ row, size, form }: Form, input: Buffer): string {
  const length = input.readUInt32LE(n.IN_LENGTH);
  const code = input.subarray(n.IN_CODE, n.IN_CODE + length).toString('hex');
  const gpr = REGISTERS.map((name, i) => `${name}=${hex(input.readBigUInt64LE(n.IN_GPR + 8 * i))}`).join(' ');
  return `${row.name} ${size}${form}: ${code} flags=${hex(input.readUInt32LE(n.IN_RFLAGS))} mxcsr=${hex(input.readUInt32LE(n.IN_FX + 24))} ${gpr}`;
}
