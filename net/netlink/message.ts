/** Netlink messages: requests as they are read, answers as they are written. @source netlink(7); Linux lib/nlattr.c */
import { NLA_HDRLEN, NLMSG_FLAGS, NLMSG_HDRLEN, NLMSG_PID, NLMSG_SEQ, NLMSG_TYPE } from '../../abi/netlink.js';

/** Messages and attributes begin at multiples of four bytes. */
export const align = (length: number): number => Math.ceil(length / 4) * 4;

/** One message that a program has sent. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** All of it, the header included. */
  readonly bytes: Uint8Array;
  /** What is behind the header. */
  readonly payload: DataView;
}

/** Messages of one datagram, and how many bytes of it each takes; what is behind a message with a wrong length is lost. */
export function* requestsIn(bytes: Uint8Array): Generator<Request> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + NLMSG_HDRLEN <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < NLMSG_HDRLEN || length > bytes.length - at) return;
    yield {
      type: view.getUint16(at + NLMSG_TYPE, true),
      flags: view.getUint16(at + NLMSG_FLAGS, true),
      sequence: view.getUint32(at + NLMSG_SEQ, true),
      bytes: bytes.subarray(at, at + length),
      payload: new DataView(view.buffer, view.byteOffset + at + NLMSG_HDRLEN, length - NLMSG_HDRLEN),
    };
    at += align(length);
  }
}

/** Messages one behind the other, in a buffer that does not grow. */
export class MessageWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the message under way begins. */
  #start = 0;
  #end = 0;

  /** @param room bytes */
  constructor(room: number) {
    this.#bytes = new Uint8Array(room);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** What is written so far. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  /** @param port whom it is for @returns a view of the payload, zeroes; null: no room */
  begin(type: number, flags: number, sequence: number, port: number, payload: number): DataView | null {
    const start = this.#end;
    if (start + NLMSG_HDRLEN + align(payload) > this.#bytes.length) return null;
    this.#start = start;
    this.#end = start + NLMSG_HDRLEN + align(payload);
    this.#view.setUint32(start, NLMSG_HDRLEN + payload, true);
    this.#view.setUint16(start + NLMSG_TYPE, type, true);
    this.#view.setUint16(start + NLMSG_FLAGS, flags, true);
    this.#view.setUint32(start + NLMSG_SEQ, sequence, true);
    this.#view.setUint32(start + NLMSG_PID, port, true);
    return new DataView(this.#bytes.buffer, start + NLMSG_HDRLEN, payload);
  }

  /** Adds an attribute to the message. @returns false: no room */
  attribute(type: number, value: Uint8Array): boolean {
    const at = this.#end;
    const length = NLA_HDRLEN + value.length;
    if (at + align(length) > this.#bytes.length) return false;
    this.#view.setUint16(at, length, true);
    this.#view.setUint16(at + 2, type, true);
    this.#bytes.set(value, at + NLA_HDRLEN);
    this.#end = at + align(length);
    this.#view.setUint32(this.#start, this.#end - this.#start, true);
    return true;
  }

  /** An attribute that is an array of u32. */
  words(type: number, ...values: readonly number[]): boolean {
    return this.attribute(type, new Uint8Array(new Uint32Array(values).buffer));
  }

  /** Takes the message under way back. */
  cancel(): void {
    this.#bytes.fill(0, this.#start, this.#end);
    this.#end = this.#start;
  }
}
