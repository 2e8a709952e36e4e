/**
 * The kernel text that drivers can call: a stub per exported function, which leaves to its handler by a system call
 * instruction, small functions in machine code, and the place that every driver function returns to.
 *
 *   stub:   mov r10, rcx      the system call instruction takes rcx
 *           syscall           rip says which stub it was
 *           ret
 *
 * A system call instruction anywhere else in kernel mode is an invalid opcode.
 */
import { type Err, isErr } from '../../abi/errno.js';
import { PAGE_SIZE } from '../mm/layout.js';
import { KERNEL_TEXT } from './layout.js';
import { type CodeRow, type ExportRow, symbolOf } from './row.js';
import { type KernelSpace, RX } from './space.js';

/** Bytes between two stubs. */
const STUB_SIZE = 16;
const STUB = [0x49, 0x89, 0xca, 0x0f, 0x05, 0xc3];
/** From the start of a stub to behind its system call instruction. */
const BEHIND_SYSCALL = 5;
/** Where driver functions return to: a stub, too, with a number that no export has. Nothing comes back from it. */
const RETURN_STUB = 0;
const INT3 = 0xcc;

export interface KernelSymbol {
  readonly name: string;
  readonly address: number;
  readonly size: number;
}

export class KernelText {
  /** Ascending. */
  readonly symbols: readonly KernelSymbol[];
  readonly size: number;
  readonly #byName = new Map<string, number>();
  readonly #rows: ExportRow[];
  readonly #pages: number;

  /** Maps the text. @returns -ENOMEM */
  static create(space: KernelSpace, rows: readonly ExportRow[], code: readonly CodeRow[]): KernelText | Err {
    const text = new KernelText(rows, code);
    const failed = text.#map(space, code);
    return isErr(failed) ? failed : text;
  }

  private constructor(rows: readonly ExportRow[], code: readonly CodeRow[]) {
    this.#rows = [...rows];
    const symbols: KernelSymbol[] = [];
    const add = (name: string, address: number, size: number): void => {
      symbols.push({ name, address, size });
      this.#byName.set(name, address);
    };
    add('banos_driver_return', KERNEL_TEXT, STUB.length);
    add('banos_probe_return', KERNEL_TEXT + STUB.length, 1);
    for (const [i, row] of rows.entries()) add(symbolOf(row), KERNEL_TEXT + (i + 1) * STUB_SIZE, STUB.length);
    let at = KERNEL_TEXT + (rows.length + 1) * STUB_SIZE;
    for (const row of code) {
      add(row.name, at, row.code.length);
      at += Math.ceil(row.code.length / STUB_SIZE) * STUB_SIZE;
    }
    for (const name of ['banos_driver_return', 'banos_probe_return']) this.#byName.delete(name);
    this.symbols = symbols;
    this.size = at - KERNEL_TEXT;
    this.#pages = Math.ceil(this.size / PAGE_SIZE);
  }

  #map(space: KernelSpace, code: readonly CodeRow[]): number | Err {
    const failed = space.map(KERNEL_TEXT, this.#pages, RX);
    if (isErr(failed)) return failed;
    const image = new Uint8Array(this.#pages * PAGE_SIZE).fill(INT3);
    for (let i = 0; i <= this.#rows.length; i++) image.set(STUB, i * STUB_SIZE);
    for (const row of code) image.set(row.code, this.#byName.get(row.name)! - KERNEL_TEXT);
    return space.install(KERNEL_TEXT, image);
  }

  /** What a driver function's return address is. */
  get returnAddress(): number {
    return KERNEL_TEXT;
  }

  /** Where functions return to whose return is probed: an int3 behind the first stub. */
  get probeReturn(): number {
    return KERNEL_TEXT + STUB.length;
  }

  /** Address of a symbol as objects name it; undefined: there is none. */
  find(symbol: string): number | undefined {
    return this.#byName.get(symbol);
  }

  /**
   * What a system call instruction in kernel mode was for.
   * @param rip behind it
   * @returns the export; null: a driver function has returned; undefined: it is in no stub
   */
  at(rip: number): ExportRow | null | undefined {
    const offset = rip - KERNEL_TEXT - BEHIND_SYSCALL;
    const index = offset / STUB_SIZE;
    if (index === RETURN_STUB) return null;
    return this.#rows[index - 1];
  }

  /** The export whose stub begins at an address. */
  rowOf(address: number): ExportRow | undefined {
    return this.#rows[(address - KERNEL_TEXT) / STUB_SIZE - 1];
  }

  /** Puts another handler in the place of the one that is called from a stub. */
  replace(address: number, row: ExportRow): void {
    this.#rows[(address - KERNEL_TEXT) / STUB_SIZE - 1] = row;
  }

  /** Behind the stubs: functions that are machine code of their own. */
  get codeStart(): number {
    return KERNEL_TEXT + (this.#rows.length + 1) * STUB_SIZE;
  }

  unmap(space: KernelSpace): void {
    space.unmap(KERNEL_TEXT, this.#pages);
  }
}
