/**
 * Names for addresses: what a backtrace, `%pS` and /proc/kallsyms show. Symbols of the kernel text and of each loaded object,
 * looked up by the nearest one below.
 */
import type { Owner } from './owner.js';
import type { KernelSymbol } from './text.js';

/** Symbols of one range of addresses. */
export interface SymbolRange {
  /** Module name; null: the kernel itself. */
  readonly module: string | null;
  readonly start: number;
  /** Behind the last byte. */
  readonly end: number;
  /** Ascending by address. */
  readonly symbols: readonly KernelSymbol[];
  /** Whose it is; null: the kernel's. */
  readonly owner: Owner | null;
  /** It can be executed. */
  readonly isCode: boolean;
}

export class SymbolIndex {
  readonly #ranges = new Set<SymbolRange>();

  add(range: SymbolRange): void {
    this.#ranges.add(range);
  }

  remove(range: SymbolRange): void {
    this.#ranges.delete(range);
  }

  /** Address of a function of a module. @param name maybe with its module in front: `module:function` */
  find(name: string): number | undefined {
    const [symbol, module] = name.split(':').reverse();
    for (const range of this.#ranges) {
      if (!range.isCode || range.module === null || (module !== undefined && range.module !== module)) continue;
      const found = range.symbols.find((one) => one.name === symbol);
      if (found !== undefined) return found.address;
    }
    return undefined;
  }

  /** The range that an address lies in. */
  rangeOf(address: number): SymbolRange | undefined {
    for (const range of this.#ranges) if (address >= range.start && address < range.end) return range;
    return undefined;
  }

  /**
   * `function+0x12/0x34 [module]`, or the bare address.
   * @param isReturn the address is behind a call: the call itself is what counts, should it be a function's last instruction
   */
  describe(address: number, isReturn = false): string {
    const range = this.rangeOf(address);
    const symbol = range && nearest(range.symbols, isReturn ? address - 1 : address);
    if (range === undefined || symbol === undefined) return `0x${hex(address)}`;
    const size = symbol.size > 0 ? symbol.size : range.end - symbol.address;
    const place = `${symbol.name}+0x${(address - symbol.address).toString(16)}/0x${size.toString(16)}`;
    return range.module === null ? place : `${place} [${range.module}]`;
  }
}

/** The last symbol at or below an address. */
function nearest(symbols: readonly KernelSymbol[], address: number): KernelSymbol | undefined {
  let low = 0;
  let high = symbols.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (symbols[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return symbols[low - 1];
}

/** 16 digits, of a signed number. */
export const hex = (value: number): string =>
  BigInt.asUintN(64, BigInt(Math.trunc(value)))
    .toString(16)
    .padStart(16, '0');
