/**
 * What the kernel and the driver of an address family hand each other about one socket (drivers/include/banos/family.h): a
 * block of the driver's heap with struct banos_socket, struct banos_message, struct banos_option, and room for an address or
 * the value of an option. No operation sleeps, so one of each is enough.
 */
import { ENOMEM, type Err, fail } from '../../abi/errno.js';
import { SOCKADDR_MAX } from '../../abi/socket.js';
import type { Drivers } from './drivers.js';
import type { Owner } from './owner.js';
import type { KernelSpace } from './space.js';

const SOCKET_SIZE = 32;
const S_FAMILY = 4;
const S_TYPE = 8;
const S_PROTOCOL = 12;
const MESSAGE = 64;
const MESSAGE_SIZE = 40;
const M_FLAGS = MESSAGE + 4;
const M_NAME = MESSAGE + 8;
const M_NAME_LENGTH = MESSAGE + 16;
const M_LENGTH = MESSAGE + 24;
const OPTION = 128;
const OPTION_SIZE = 32;
const O_LEVEL = OPTION + 4;
const O_NAME = OPTION + 8;
const O_LENGTH = OPTION + 12;
const O_VALUE = OPTION + 16;
const ROOM = 192;
/** Longest value of an option. */
export const MAX_VALUE = 64;
const BLOCK_SIZE = ROOM + SOCKADDR_MAX;

export class SocketBlock {
  /** Of its struct banos_socket. */
  readonly address: number;
  readonly #space: KernelSpace;

  /** @returns -ENOMEM */
  static make(
    { heap, space }: Drivers,
    owner: Owner,
    family: number,
    type: number,
    protocol: number,
  ): SocketBlock | Err {
    const address = heap.alloc(owner, BLOCK_SIZE, 0);
    if (address === 0) return fail(ENOMEM);
    space.fill(address, 0, BLOCK_SIZE);
    space.writeU32(address, SOCKET_SIZE);
    space.writeU32(address + S_FAMILY, family);
    space.writeU32(address + S_TYPE, type);
    space.writeU32(address + S_PROTOCOL, protocol);
    return new SocketBlock(space, address);
  }

  private constructor(space: KernelSpace, address: number) {
    this.#space = space;
    this.address = address;
  }

  get message(): number {
    return this.address + MESSAGE;
  }

  get option(): number {
    return this.address + OPTION;
  }

  get room(): number {
    return this.address + ROOM;
  }

  /** Flags of a message, as the driver has left them. */
  get messageFlags(): number {
    return this.#space.readU32(this.address + M_FLAGS);
  }

  /** Length of a message as the driver says it, bytes. */
  get messageLength(): number {
    return this.#space.readI64(this.address + M_LENGTH);
  }

  /** Length of a sender's address, bytes; 0: none. */
  get nameLength(): number {
    return this.#space.readU32(this.address + M_NAME_LENGTH);
  }

  /** Length of an option's value, bytes. */
  get valueLength(): number {
    return this.#space.readU32(this.address + O_LENGTH);
  }

  /** @param name address of the peer's address, or of the room for it */
  setMessage(flags: number, name: number, nameLength: number): void {
    const { address } = this;
    const space = this.#space;
    space.writeU32(address + MESSAGE, MESSAGE_SIZE);
    space.writeU32(address + M_FLAGS, flags >>> 0);
    space.writeI64(address + M_NAME, name);
    space.writeU32(address + M_NAME_LENGTH, nameLength);
    space.writeI64(address + M_LENGTH, 0);
  }

  /** @param value null: the driver is to fill it in */
  setOption(level: number, option: number, value: Uint8Array | null): void {
    const { address } = this;
    const space = this.#space;
    space.writeU32(address + OPTION, OPTION_SIZE);
    space.writeU32(address + O_LEVEL, level >>> 0);
    space.writeU32(address + O_NAME, option >>> 0);
    space.writeU32(address + O_LENGTH, value === null ? MAX_VALUE : value.length);
    space.writeI64(address + O_VALUE, value === null ? this.room : this.put(value));
  }

  clearRoom(): void {
    this.#space.fill(this.room, 0, SOCKADDR_MAX);
  }

  /** Puts bytes where the driver finds them. @returns their address */
  put(bytes: Uint8Array): number {
    this.#space.write(this.room, bytes.subarray(0, SOCKADDR_MAX));
    return this.room;
  }

  /** Takes what the driver has put there. */
  take(length: number): Uint8Array {
    const bytes = new Uint8Array(Math.min(length, SOCKADDR_MAX));
    this.#space.read(this.room, bytes);
    return bytes;
  }
}
