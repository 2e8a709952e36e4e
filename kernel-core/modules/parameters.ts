/**
 * Parameters of modules: variables in the driver's data that get values when it is loaded, and show them, or take others,
 * below /sys/module. @source Linux kernel/params.c, include/linux/moduleparam.h
 */
import { EINVAL, ENOMEM, ENOSPC, ERANGE, type Err, fail, isErr } from '../../abi/errno.js';
import type { ParameterRecord, ParameterType } from '../../elf/link/metadata.js';
import type { Drivers } from '../drivers/drivers.js';
import type { Owner } from '../drivers/owner.js';
import { latin1Bytes } from '../text.js';

/** Bytes of a charp's text. @source Linux param_set_charp */
const TEXT_MAX = 1024;

interface NumberType {
  readonly bytes: number;
  readonly least: bigint;
  readonly most: bigint;
}

const signed = (bytes: number): NumberType => ({
  bytes,
  least: -(1n << BigInt(bytes * 8 - 1)),
  most: (1n << BigInt(bytes * 8 - 1)) - 1n,
});
const unsigned = (bytes: number): NumberType => ({ bytes, least: 0n, most: (1n << BigInt(bytes * 8)) - 1n });

const NUMBERS: Readonly<Partial<Record<ParameterType, NumberType>>> = {
  byte: unsigned(1),
  short: signed(2),
  ushort: unsigned(2),
  int: signed(4),
  uint: unsigned(4),
  long: signed(8),
  ulong: unsigned(8),
};

const POINTER_BYTES = 8;

/** A whole number as the kernel reads it: decimal, 0x… or 0…, a newline may follow. @returns -EINVAL, -ERANGE */
function parseNumber(text: string, { least, most }: NumberType): bigint | Err {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?$/.exec(text);
  if (match === null || (match[1] === '-' && least === 0n)) return fail(EINVAL);
  const digits = match[2]!;
  const size = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const value = match[1] === '-' ? -size : size;
  return value < least || value > most ? fail(ERANGE) : value;
}

/** Only the beginning counts. @source Linux lib/kstrtox.c kstrtobool */
function parseBool(text: string): boolean | Err {
  if (/^[yYtT1]/.test(text)) return true;
  if (/^[nNfF0]/.test(text)) return false;
  if (/^o[nN]/i.test(text)) return true;
  return /^o[fF]/i.test(text) ? false : fail(EINVAL);
}

/** One parameter of a loaded module. */
export class Parameter {
  readonly record: ParameterRecord;
  readonly #drivers: Drivers;
  readonly #owner: Owner;
  /** Values that there are. */
  #given: number;

  constructor(record: ParameterRecord, drivers: Drivers, owner: Owner) {
    this.record = record;
    this.#drivers = drivers;
    this.#owner = owner;
    this.#given = record.count;
  }

  /**
   * @param text null: the name stood alone, which is "yes" for a bool
   * @returns 0; -EINVAL, -ERANGE; -ENOSPC: too long a text; -ENOMEM
   */
  set(text: string | null): number | Err {
    const { type, count } = this.record;
    if (text === null && type !== 'bool') return fail(EINVAL);
    const value = text ?? '1';
    if (type === 'string') return this.#setBuffer(value);
    const words = count === 1 ? [value] : value.split(',');
    if (words.length > count) return fail(EINVAL);
    for (const [i, word] of words.entries()) {
      const failed = this.#setOne(word, i);
      if (isErr(failed)) return failed;
    }
    this.#given = words.length;
    return this.record.given === 0 ? 0 : this.#write(this.record.given, BigInt(words.length), 4);
  }

  /** As its file shows it. */
  show(): string {
    const { type, count, address } = this.record;
    if (type === 'string') return `${this.#textAt(address, count)}\n`;
    const values = Array.from({ length: count === 1 ? 1 : this.#given }, (_, i) => this.#showOne(i));
    return `${values.join(',')}\n`;
  }

  #setOne(word: string, index: number): number | Err {
    const { type, address } = this.record;
    if (type === 'bool' || type === 'invbool') {
      const value = parseBool(word);
      if (isErr(value)) return value;
      return this.#write(address + index, value === (type === 'bool') ? 1n : 0n, 1);
    }
    if (type === 'charp') return this.#setText(word, address + index * POINTER_BYTES);
    const number = NUMBERS[type]!;
    const value = parseNumber(word, number);
    return typeof value === 'bigint' ? this.#write(address + index * number.bytes, value, number.bytes) : value;
  }

  #showOne(index: number): string {
    const { type, address } = this.record;
    if (type === 'bool' || type === 'invbool') {
      return (this.#read(address + index, 1) !== 0n) === (type === 'bool') ? 'Y' : 'N';
    }
    if (type === 'charp') {
      const pointer = BigInt.asIntN(64, this.#read(address + index * POINTER_BYTES, POINTER_BYTES));
      return pointer === 0n ? '(null)' : this.#textAt(Number(pointer), TEXT_MAX + 1);
    }
    const { bytes, least } = NUMBERS[type]!;
    const value = this.#read(address + index * bytes, bytes);
    return String(least < 0n ? BigInt.asIntN(bytes * 8, value) : value);
  }

  /** A text of its own on the heap; the one that was there before is given back if it is one of ours. */
  #setText(text: string, pointer: number): number | Err {
    if (text.length > TEXT_MAX) return fail(ENOSPC);
    const { heap, space } = this.#drivers;
    const block = heap.alloc(this.#owner, text.length + 1, 0);
    if (block === 0) return fail(ENOMEM);
    const old = space.readI64(pointer);
    const failed = space.write(block, latin1Bytes(`${text}\0`));
    if (isErr(failed)) return failed;
    if (heap.find(old)?.owner === this.#owner) heap.free(old);
    return this.#write(pointer, BigInt(block), POINTER_BYTES);
  }

  #setBuffer(text: string): number | Err {
    const { address, count } = this.record;
    return text.length + 1 > count ? fail(ENOSPC) : this.#drivers.space.write(address, latin1Bytes(`${text}\0`));
  }

  #textAt(address: number, max: number): string {
    const text = this.#drivers.space.readText(address, max);
    return isErr(text) ? '' : text;
  }

  #read(address: number, bytes: number): bigint {
    const value = new Uint8Array(8);
    this.#drivers.space.read(address, value.subarray(0, bytes));
    return new DataView(value.buffer).getBigUint64(0, true);
  }

  #write(address: number, value: bigint, bytes: number): number | Err {
    const all = new Uint8Array(8);
    new DataView(all.buffer).setBigInt64(0, BigInt.asIntN(64, value), true);
    return this.#drivers.space.write(address, all.subarray(0, bytes));
  }
}

/** One word of a parameter list; without `=` its value is null. */
export interface Assignment {
  readonly name: string;
  readonly value: string | null;
}

/** Takes `name=value other="with blanks"` apart. Quotes may stand around the value or around all of it. @source Linux lib/cmdline.c next_arg */
export function parseAssignments(text: string): Assignment[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  for (const c of text) {
    if (/[\s\0]/.test(c) && !isQuoted) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    if (c === '"') isQuoted = !isQuoted;
    word += c;
  }
  if (word !== '') words.push(word);
  return words.map((one) => {
    const whole = one.startsWith('"') ? unquoted(one) : one;
    const equals = whole.indexOf('=');
    return equals < 0
      ? { name: whole, value: null }
      : { name: whole.slice(0, equals), value: unquoted(whole.slice(equals + 1)) };
  });
}

const unquoted = (text: string): string => (text.startsWith('"') ? text.slice(1).replace(/"$/, '') : text);

/** Names of parameters are the same whether they have dashes or underscores. */
const canonical = (name: string): string => name.replaceAll('-', '_');

/**
 * Gives parameters their values.
 * @param warn gets a sentence for the log about each that nobody knows, and about one that is refused
 * @returns 0; what the refused one answers
 */
export function setParameters(
  parameters: readonly Parameter[],
  text: string,
  warn: (sentence: string) => void,
): number | Err {
  for (const { name, value } of parseAssignments(text)) {
    const parameter = parameters.find(({ record }) => canonical(record.name) === canonical(name));
    if (parameter === undefined) {
      warn(`unknown parameter '${name}' ignored`);
      continue;
    }
    const result = parameter.set(value);
    if (isErr(result)) {
      const what = result === -ENOSPC ? 'too large' : 'invalid';
      warn(`'${value ?? ''}' ${what} for parameter '${name}'`);
      return result;
    }
  }
  return 0;
}
