/**
 * rflags ↔ the lazy flag words of state.ts, for everything outside emitted code (signal frames, system calls, tests).
 */
import type { PhysicalMemory } from './physical-memory.js';
import { AUX, CF, DF, OTHER_FLAGS, RES } from './state.js';

export const FLAG_CF = 0x0001;
export const FLAG_PF = 0x0004;
export const FLAG_AF = 0x0010;
export const FLAG_ZF = 0x0040;
export const FLAG_SF = 0x0080;
export const FLAG_IF = 0x0200;
export const FLAG_DF = 0x0400;
export const FLAG_OF = 0x0800;
export const FLAG_NT = 0x4000;
export const FLAG_AC = 0x40000;
export const FLAG_ID = 0x200000;
/** Bit 1 always reads 1; user code always runs with interrupts on. */
export const FLAGS_FIXED = 0x0002 | FLAG_IF;
/** What popf in user mode changes besides the arithmetic flags and DF. */
export const FLAGS_OTHER = FLAG_NT | FLAG_AC | FLAG_ID;

function evenParity(byte: number): boolean {
  let bits = byte ^ (byte >> 4);
  bits ^= bits >> 2;
  bits ^= bits >> 1;
  return (bits & 1) === 0;
}

export function readFlags(memory: PhysicalMemory): number {
  const { i32 } = memory;
  const resLo = i32[RES >> 2]!;
  const resHi = i32[(RES >> 2) + 1]!;
  const auxLo = i32[AUX >> 2]!;
  const auxHi = i32[(AUX >> 2) + 1]!;
  const carry = i32[CF >> 2]! & 1;
  let flags = FLAGS_FIXED | i32[OTHER_FLAGS >> 2]!;
  if (carry) flags |= FLAG_CF;
  if (evenParity((resLo ^ (auxLo >> 8)) & 0xff)) flags |= FLAG_PF;
  if (auxLo & 0x10) flags |= FLAG_AF;
  if ((resLo | resHi) === 0) flags |= FLAG_ZF;
  if ((resHi ^ (auxHi << 1)) < 0) flags |= FLAG_SF;
  if (i32[DF >> 2]) flags |= FLAG_DF;
  if (carry !== auxHi >>> 31) flags |= FLAG_OF;
  return flags;
}

export function writeFlags(memory: PhysicalMemory, flags: number): void {
  const { i32 } = memory;
  const carry = flags & FLAG_CF ? 1 : 0;
  const overflow = flags & FLAG_OF ? 1 : 0;
  const zero = (flags & FLAG_ZF) !== 0;
  // The result is 0 or 1: sign clear, parity even or odd. What differs from the wanted flags goes into the flip bits.
  const parityFlips = zero === ((flags & FLAG_PF) !== 0) ? 0 : 1;
  i32[RES >> 2] = zero ? 0 : 1;
  i32[(RES >> 2) + 1] = 0;
  i32[AUX >> 2] = (flags & FLAG_AF) | (parityFlips << 8);
  i32[(AUX >> 2) + 1] = ((carry ^ overflow) << 31) | (flags & FLAG_SF ? 1 << 30 : 0);
  i32[CF >> 2] = carry;
  i32[DF >> 2] = flags & FLAG_DF ? 1 : 0;
  i32[OTHER_FLAGS >> 2] = flags & FLAGS_OTHER;
}
