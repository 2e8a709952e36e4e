/**
 * Which entry of a symbol table defines what another entry of the same name means. A strong definition wins over common
 * symbols, these over weak definitions, any over none. @source gABI, symbol binding; System V ABI, common symbols
 */
import { STB_LOCAL, STB_WEAK } from '../../abi/elf.js';
import { EINVAL, ENOEXEC } from '../../abi/errno.js';
import { isPowerOfTwo } from '../fields.js';
import { COMMON, DROPPED, type ObjectSymbol, type RelocatableObject, UNDEFINED } from './object.js';
import { printable, Refusal } from './refusal.js';

/** Memory for common symbols of one name. Bytes. */
export interface CommonBlock {
  size: number;
  align: number;
}

export interface Definitions {
  /** One for each symbol: index of the entry that defines it; its own if none does. */
  readonly by: Int32Array;
  /** By defining symbol: as large and aligned as the largest of that name. */
  readonly commons: ReadonlyMap<number, CommonBlock>;
}

const STRENGTH = { none: 0, weak: 1, common: 2, strong: 3 } as const;

function strengthOf(symbol: ObjectSymbol): number {
  if (symbol.place === UNDEFINED || symbol.place === DROPPED) return STRENGTH.none;
  if (symbol.place === COMMON) return STRENGTH.common;
  return symbol.binding === STB_WEAK ? STRENGTH.weak : STRENGTH.strong;
}

/** Local symbols and those without a name stand for themselves. */
const isShared = (symbol: ObjectSymbol): boolean => symbol.binding !== STB_LOCAL && symbol.name !== '';

export function chooseDefinitions({ symbols }: RelocatableObject): Definitions | Refusal {
  const winners = new Map<string, number>();
  for (const [index, symbol] of symbols.entries()) {
    if (symbol.place === UNDEFINED && symbol.name === '') {
      return new Refusal(EINVAL, `symbol ${index} is undefined and has no name`);
    }
    const strength = strengthOf(symbol);
    if (!isShared(symbol) || strength === STRENGTH.none) continue;
    const rival = winners.get(symbol.name);
    const rivalStrength = rival === undefined ? STRENGTH.none : strengthOf(symbols[rival]!);
    if (strength === STRENGTH.strong && rivalStrength === STRENGTH.strong) {
      return new Refusal(ENOEXEC, `symbol ${printable(symbol.name)} is defined twice`);
    }
    if (strength > rivalStrength) winners.set(symbol.name, index);
  }
  const by = Int32Array.from(symbols, (symbol, index) =>
    isShared(symbol) ? (winners.get(symbol.name) ?? index) : index,
  );
  const commons = sizeCommons(symbols, by);
  return commons instanceof Refusal ? commons : { by, commons };
}

function sizeCommons(symbols: readonly ObjectSymbol[], by: Int32Array): ReadonlyMap<number, CommonBlock> | Refusal {
  const blocks = new Map<number, CommonBlock>();
  for (const [index, symbol] of symbols.entries()) {
    const winner = by[index]!;
    if (symbol.place !== COMMON || symbols[winner]!.place !== COMMON) continue;
    const align = Math.max(Number(symbol.value), 1);
    if (!isPowerOfTwo(align)) {
      return new Refusal(EINVAL, `common symbol ${printable(symbol.name)}: alignment ${align} is not a power of two`);
    }
    const block = blocks.get(winner);
    if (block === undefined) blocks.set(winner, { size: symbol.size, align });
    else {
      block.size = Math.max(block.size, symbol.size);
      block.align = Math.max(block.align, align);
    }
  }
  return blocks;
}
