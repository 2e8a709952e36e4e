/**
 * Packets of gdb's remote serial protocol: `$data#checksum`, the acknowledgements `+` and `-`, and the byte 3, which asks
 * for a stop. Pure: bytes in, items out. The peer may send anything: what is no packet is dropped, what is too long
 * is refused as a whole.
 *
 * Text is latin1, one character per byte, because some packets carry binary data.
 * @source GDB manual, appendix "Remote Protocol", Overview
 */
import { latin1Bytes } from '../text.js';

/** Bytes of a packet's data that are taken; told to gdb as PacketSize. */
export const MAX_PACKET = 0x4000;
/** Answer to what cannot be done. */
export const ERROR = 'E01';
/** Answer to what is not known: gdb does without. */
export const UNSUPPORTED = '';

export type Item =
  | { kind: 'packet'; data: string }
  /** `+`: the last packet has arrived; `-`: it is to be sent again. */
  | { kind: 'ack' | 'nack' | 'interrupt' }
  /** A packet whose checksum is wrong, or that is too long. */
  | { kind: 'damaged' };

const DOLLAR = 0x24;
const HASH = 0x23;
const PLUS = 0x2b;
const MINUS = 0x2d;
const INTERRUPT = 3;
const ESCAPE = '}';
const ESCAPED_BIT = 0x20;

export class PacketReader {
  #data: number[] = [];
  #state: 'between' | 'data' | 'checksum' = 'between';
  #isTooLong = false;
  #checksum = '';

  /** Items that are complete with these bytes, in order. */
  *read(bytes: Uint8Array): Generator<Item> {
    for (const byte of bytes) {
      const item = this.#next(byte);
      if (item !== undefined) yield item;
    }
  }

  #next(byte: number): Item | undefined {
    switch (this.#state) {
      case 'between':
        return this.#between(byte);
      case 'data':
        if (byte === HASH) this.#state = 'checksum';
        // A new packet begins: the one before was cut off.
        else if (byte === DOLLAR) this.#begin();
        else if (this.#data.length < MAX_PACKET) this.#data.push(byte);
        else this.#isTooLong = true;
        return undefined;
      case 'checksum':
        this.#checksum += String.fromCharCode(byte);
        return this.#checksum.length < 2 ? undefined : this.#complete();
    }
  }

  #between(byte: number): Item | undefined {
    if (byte === DOLLAR) this.#begin();
    else if (byte === PLUS) return { kind: 'ack' };
    else if (byte === MINUS) return { kind: 'nack' };
    else if (byte === INTERRUPT) return { kind: 'interrupt' };
    return undefined;
  }

  #begin(): void {
    this.#data = [];
    this.#checksum = '';
    this.#isTooLong = false;
    this.#state = 'data';
  }

  #complete(): Item {
    this.#state = 'between';
    const data = this.#data;
    const isRight = /^[0-9a-f]{2}$/i.test(this.#checksum) && Number.parseInt(this.#checksum, 16) === checksumOf(data);
    if (!isRight || this.#isTooLong) return { kind: 'damaged' };
    return { kind: 'packet', data: unescapeBinary(Buffer.from(data).toString('latin1')) };
  }
}

/** Modulo 256. */
function checksumOf(bytes: Iterable<number>): number {
  let sum = 0;
  for (const byte of bytes) sum = (sum + byte) & 0xff;
  return sum;
}

function unescapeBinary(data: string): string {
  return data.replaceAll(/\}([\s\S])/g, (_all, byte: string) => String.fromCharCode(byte.charCodeAt(0) ^ ESCAPED_BIT));
}

/** For the data of a packet that is binary: what has a meaning in packets is escaped. */
export function escapeBinary(data: string): string {
  return data.replaceAll(/[#$}*]/g, (byte) => ESCAPE + String.fromCharCode(byte.charCodeAt(0) ^ ESCAPED_BIT));
}

/** @param data escaped where it is binary */
export function encodePacket(data: string): Uint8Array {
  const bytes = latin1Bytes(data);
  const checksum = checksumOf(bytes).toString(16).padStart(2, '0');
  return latin1Bytes(`$${data}#${checksum}`);
}

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** @returns null when it is not pairs of hexadecimal digits */
export function fromHex(text: string): Uint8Array | null {
  return text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : null;
}

/** A number without sign below 2^53. @returns NaN when it is none */
export function parseCount(text: string): number {
  if (!/^[0-9a-f]{1,16}$/i.test(text)) return Number.NaN;
  const value = Number.parseInt(text, 16);
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** An address of 64 bits. @returns it as the kernel has addresses, signed; NaN when it is none, or not canonical */
export function parseAddress(text: string): number {
  if (!/^[0-9a-f]{1,16}$/i.test(text)) return Number.NaN;
  const value = BigInt.asIntN(64, BigInt(`0x${text}`));
  return BigInt.asIntN(48, value) === value ? Number(value) : Number.NaN;
}

/** As gdb writes addresses: without sign, no leading zeros. */
export const formatAddress = (address: number): string => BigInt.asUintN(64, BigInt(address)).toString(16);
