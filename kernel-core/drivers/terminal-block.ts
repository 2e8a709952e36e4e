/**
 * What drivers of terminal lines (tty.ts) and of line disciplines (ldisc.ts) see of a terminal: a block of their heap with the
 * structure that they know it by, its settings now and before as struct banos_termios, and bytes on their way to them.
 */
import type { Termios } from '../../pty/termios.js';
import type { Drivers } from './drivers.js';
import type { Owner } from './owner.js';
import type { KernelSpace } from './space.js';

/** struct banos_termios. */
const TERMIOS_SIZE = 48;
const LINE = 28;
const CC = 29;
/** Control characters that it has. */
const CC_COUNT = 19;
// Places in the block, behind the structure.
const NOW = 64;
const OLD = 128;
const BYTES = 256;
/** Bytes that a driver gets at once. */
export const CHUNK = 2048;
const BLOCK_SIZE = BYTES + CHUNK;

export class TerminalBlock {
  /** Of the structure. */
  readonly address: number;
  readonly #space: KernelSpace;

  /** Its structure has a size, and zeros. @returns null when there is no memory */
  static create({ heap, space }: Drivers, owner: Owner, structureSize: number): TerminalBlock | null {
    const address = heap.alloc(owner, BLOCK_SIZE, 0);
    if (address === 0) return null;
    space.fill(address, 0, BLOCK_SIZE);
    space.writeU32(address, structureSize);
    return new TerminalBlock(space, address);
  }

  private constructor(space: KernelSpace, address: number) {
    this.#space = space;
    this.address = address;
  }

  /** @param bytes CHUNK at most @returns where the driver finds them */
  putBytes(bytes: Uint8Array): number {
    this.#space.write(this.address + BYTES, bytes);
    return this.address + BYTES;
  }

  /** @returns where the driver finds the settings, and those that there were before; 0: there were none */
  putSettings(now: Readonly<Termios>, old: Readonly<Termios> | null): readonly [now: number, old: number] {
    this.#putTermios(NOW, now);
    if (old !== null) this.#putTermios(OLD, old);
    return [this.address + NOW, old === null ? 0 : this.address + OLD];
  }

  #putTermios(place: number, { iflag, oflag, cflag, lflag, ispeed, ospeed, line, cc }: Readonly<Termios>): void {
    const bytes = new Uint8Array(TERMIOS_SIZE);
    const view = new DataView(bytes.buffer);
    for (const [i, word] of [TERMIOS_SIZE, iflag, oflag, cflag, lflag, ispeed, ospeed].entries()) {
      view.setUint32(i * 4, word, true);
    }
    bytes[LINE] = line;
    bytes.set(cc.subarray(0, CC_COUNT), CC);
    this.#space.write(this.address + place, bytes);
  }
}
