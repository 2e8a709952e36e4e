/**
 * The kernel's printf: %d %i %u %x %X %o %c %s %p %pS %%, with flags, width, precision and the lengths hh h l ll z t j.
 * Pointers are shown as they are: whoever reads the log is the superuser. Floating point there is none.
 * @source Linux lib/vsprintf.c, Documentation/core-api/printk-formats.rst
 */
import { isErr } from '../../abi/errno.js';
import type { KernelCall } from './call.js';
import type { KernelSpace } from './space.js';

/** Where the variable arguments come from, one after the other, as 64-bit words. */
export interface Arguments {
  next(): bigint;
}

/** Longest text that %s shows, and longest result. */
const MAX_TEXT = 4096;
const MAX_WIDTH = 1024;
/** Order of integer arguments in registers; rcx comes in r10 through the stub. */
const ARGUMENT_REGISTERS = [7, 6, 2, 10, 8, 9];

/** Those of the exported function that is being called: in registers, then on the stack behind the return address. */
export class CallArguments implements Arguments {
  readonly #call: KernelCall;
  #index: number;

  /** @param fixed arguments before the variable ones */
  constructor(call: KernelCall, fixed: number) {
    this.#call = call;
    this.#index = fixed;
  }

  next(): bigint {
    const { cpu, drivers } = this.#call.kernel;
    const index = this.#index++;
    const register = ARGUMENT_REGISTERS[index];
    if (register !== undefined) return word(cpu.regLo(register), cpu.regHi(register));
    const address = cpu.reg(4) + 8 * (index - ARGUMENT_REGISTERS.length + 1);
    return readWord(drivers.space, address);
  }
}

/** Those of a va_list. @source System V psABI AMD64, figure 3.34 */
export class ListArguments implements Arguments {
  readonly #space: KernelSpace;
  readonly #list: number;

  constructor(space: KernelSpace, list: number) {
    this.#space = space;
    this.#list = list;
  }

  next(): bigint {
    const space = this.#space;
    const list = this.#list;
    const offset = space.readU32(list);
    if (offset < 48) {
      space.writeU32(list, offset + 8);
      return readWord(space, space.readI64(list + 16) + offset);
    }
    const overflow = space.readI64(list + 8);
    space.writeI64(list + 8, overflow + 8);
    return readWord(space, overflow);
  }
}

const word = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

function readWord(space: KernelSpace, address: number): bigint {
  const low = space.readU32(address);
  const high = space.readU32(address + 4);
  return Number.isNaN(low) || Number.isNaN(high) ? 0n : word(low, high);
}

const SPECIFICATION = /%([-+ #0]*)(\*|\d+)?(?:\.(\*|\d+)?)?(hh|h|ll|l|z|t|j)?([a-zA-Z%])/y;
const BITS: Readonly<Record<string, number>> = { hh: 8, h: 16, l: 64, ll: 64, z: 64, t: 64, j: 64 };

/** @param describe `%pS`: a name for an address */
export function format(
  space: KernelSpace,
  template: string,
  args: Arguments,
  describe: (address: number) => string,
): string {
  let text = '';
  for (let at = 0; at < template.length; ) {
    const percent = template.indexOf('%', at);
    if (percent < 0) return text + template.slice(at);
    text += template.slice(at, percent);
    SPECIFICATION.lastIndex = percent;
    const match = SPECIFICATION.exec(template);
    if (match === null) {
      text += '%';
      at = percent + 1;
      continue;
    }
    at = SPECIFICATION.lastIndex;
    const [whole, flags = '', width, precision, length = '', kind = ''] = match;
    if (kind === '%') {
      text += '%';
      continue;
    }
    const number = (field: string | undefined, none: number): number =>
      field === undefined
        ? none
        : Math.min(field === '*' ? Number(BigInt.asIntN(32, args.next())) : Number(field), MAX_WIDTH);
    const hasPrecision = whole.includes('.');
    const wanted = number(width, 0);
    const limit = number(precision, hasPrecision ? 0 : -1);
    let value: string;
    if (kind === 's') value = textAt(space, args.next(), limit < 0 ? MAX_TEXT : limit);
    else if (kind === 'c') value = String.fromCharCode(Number(args.next() & 0xffn));
    else if (kind === 'p') {
      const address = args.next();
      if (template[at] === 'S' || template[at] === 's') {
        at++;
        value = describe(Number(BigInt.asIntN(64, address)));
      } else value = address.toString(16).padStart(16, '0');
    } else if ('diuxXo'.includes(kind)) value = integer(args.next(), kind, BITS[length] ?? 32, flags, limit);
    else value = whole;
    text += pad(value, wanted, flags, 'diuxXo'.includes(kind) && limit < 0);
    if (text.length > MAX_TEXT) return text.slice(0, MAX_TEXT);
  }
  return text;
}

function textAt(space: KernelSpace, address: bigint, limit: number): string {
  const at = Number(BigInt.asIntN(64, address));
  if (at === 0) return '(null)'.slice(0, limit);
  const text = space.readText(at, limit);
  return isErr(text) ? '(efault)' : text;
}

function integer(word: bigint, kind: string, bits: number, flags: string, precision: number): string {
  const isSigned = kind === 'd' || kind === 'i';
  const value = isSigned ? BigInt.asIntN(bits, word) : BigInt.asUintN(bits, word);
  const radix = kind === 'o' ? 8 : kind === 'x' || kind === 'X' ? 16 : 10;
  let digits = (value < 0n ? -value : value).toString(radix);
  if (kind === 'X') digits = digits.toUpperCase();
  if (precision >= 0) digits = digits.padStart(precision, '0');
  let prefix = '';
  if (isSigned) prefix = value < 0n ? '-' : flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  else if (flags.includes('#')) prefix = radix === 16 ? `0${kind}` : radix === 8 ? '0' : '';
  return prefix + digits;
}

function pad(value: string, width: number, flags: string, mayZero: boolean): string {
  if (width < 0 || flags.includes('-')) return value.padEnd(Math.abs(width));
  if (!mayZero || !flags.includes('0')) return value.padStart(width);
  const prefix = /^(?:[-+ ]|0[xX](?=.))?/.exec(value)![0];
  return prefix + value.slice(prefix.length).padStart(width - prefix.length, '0');
}
