/**
 * Memory images of the x87 state: the 14- and 28-byte environments, fsave's 94/108 bytes, fxsave's 512 bytes.
 * @source AMD64 APM volume 2, section 11.4
 */

import { FDP, FIP, FOP, ST } from '../state.js';
import { unpack80 } from './formats.js';
import { ES, type X87 } from './unit.js';
import { INF, NORMAL, Unpacked, ZERO } from './unpacked.js';

const scratch = new Unpacked();

/** The 16-bit tag word: 0 valid, 1 zero, 2 special, 3 empty, by physical register. */
function fullTags(u: X87): number {
  let word = 0;
  const { i32 } = u.memory;
  for (let p = 0; p < 8; p++) {
    let tag = 3;
    if (((u.tags >>> (2 * p)) & 3) !== 3) {
      const at = (ST >> 2) + 4 * p;
      unpack80(scratch, i32[at + 2]! & 0xffff, i32[at + 1]!, i32[at]!);
      tag = scratch.kind === ZERO ? 1 : scratch.kind >= INF || scratch.denormal ? 2 : 0;
      if (scratch.kind !== NORMAL && tag === 0) tag = 2;
    }
    word |= tag << (2 * p);
  }
  return word;
}

function setTags(u: X87, word: number): void {
  let tags = 0;
  for (let p = 0; p < 8; p++) if (((word >>> (2 * p)) & 3) === 3) tags |= 3 << (2 * p);
  u.tags = tags;
}

/** fxsave's form: bit n set = physical register n is in use. */
function abridgedTags(u: X87): number {
  let bits = 0;
  for (let p = 0; p < 8; p++) if (((u.tags >>> (2 * p)) & 3) !== 3) bits |= 1 << p;
  return bits;
}

function setAbridgedTags(u: X87, bits: number): void {
  let tags = 0;
  for (let p = 0; p < 8; p++) if (((bits >>> p) & 1) === 0) tags |= 3 << (2 * p);
  u.tags = tags;
}

const environmentBytes = (u: X87) => (u.operand16 ? 14 : 28);

/** fnstenv, without the masking that follows it. */
export function writeEnvironment(u: X87, at: number): void {
  const { view, i32 } = u.memory;
  const fip = i32[FIP >> 2]!;
  const fdp = i32[FDP >> 2]!;
  const fop = i32[FOP >> 2]!;
  if (u.operand16) {
    const words = [u.control, u.statusWord, fullTags(u), fip, 0, fdp, 0];
    for (let i = 0; i < 7; i++) view.setUint16(at + 2 * i, words[i]! & 0xffff, true);
    return;
  }
  view.setUint32(at, 0xffff0000 | u.control, true);
  view.setUint32(at + 4, 0xffff0000 | u.statusWord, true);
  view.setUint32(at + 8, 0xffff0000 | fullTags(u), true);
  view.setInt32(at + 12, fip, true);
  view.setInt32(at + 16, (fop & 0x7ff) << 16, true);
  view.setInt32(at + 20, fdp, true);
  view.setUint32(at + 24, 0xffff0000, true);
}

/** fldenv. */
export function readEnvironment(u: X87, at: number): void {
  const { view, i32 } = u.memory;
  const step = u.operand16 ? 2 : 4;
  setControl(u, view.getUint16(at, true));
  setTags(u, view.getUint16(at + 2 * step, true));
  u.statusWord = view.getUint16(at + step, true);
  const fip = u.operand16 ? view.getUint16(at + 6, true) : view.getInt32(at + 12, true);
  const fdp = u.operand16 ? view.getUint16(at + 10, true) : view.getInt32(at + 20, true);
  i32[FIP >> 2] = fip;
  i32[(FIP + 4) >> 2] = 0;
  i32[FDP >> 2] = fdp;
  i32[(FDP + 4) >> 2] = 0;
  i32[FOP >> 2] = u.operand16 ? 0 : (view.getInt32(at + 16, true) >>> 16) & 0x7ff;
}

/** Control word with its fixed bits: bit 6 reads as 1, 7 and 13…15 as 0. */
export function setControl(u: X87, word: number): void {
  u.control = (word & 0x1f3f) | 0x40;
}

/** fnsave, without the initialisation that follows it. */
export function writeSave(u: X87, at: number): void {
  writeEnvironment(u, at);
  const { u8, i32 } = u.memory;
  let to = at + environmentBytes(u);
  for (let i = 0; i < 8; i++, to += 10) {
    const from = u.index(i) << 2;
    // Registers hold two undefined words behind the exponent: copy ten bytes.
    i32[(from >> 2) + 2]! &= 0xffff;
    u8.copyWithin(to, from, from + 10);
  }
}

/** frstor. */
export function readSave(u: X87, at: number): void {
  readEnvironment(u, at);
  const { u8 } = u.memory;
  let from = at + environmentBytes(u);
  for (let i = 0; i < 8; i++, from += 10) u8.copyWithin(u.index(i) << 2, from, from + 10);
}

/**
 * Bytes 0…31 (but MXCSR) and the registers of an fxsave image, in words from `words[at]`; `long`: fxsave64's 64-bit
 * pointers. Signals of programs live from this: nothing is allocated.
 */
export function writeFxsave(u: X87, words: Int32Array, at: number, long: boolean): void {
  const { i32 } = u.memory;
  // AMD processors save the pointers only while an unmasked exception is pending.
  const pending = (u.status & ES) !== 0;
  words[at] = (u.control & 0xffff) | (u.statusWord << 16);
  words[at + 1] = abridgedTags(u) | (pending ? i32[FOP >> 2]! << 16 : 0);
  words[at + 2] = pending ? i32[FIP >> 2]! : 0;
  words[at + 3] = pending && long ? i32[(FIP + 4) >> 2]! : 0;
  words[at + 4] = pending ? i32[FDP >> 2]! : 0;
  words[at + 5] = pending && long ? i32[(FDP + 4) >> 2]! : 0;
  const { top } = u;
  for (let i = 0; i < 8; i++) {
    const from = (ST >> 2) + (((top + i) & 7) << 2);
    const to = at + 8 + 4 * i;
    words[to] = i32[from]!;
    words[to + 1] = i32[from + 1]!;
    words[to + 2] = i32[from + 2]! & 0xffff;
    words[to + 3] = 0;
  }
}

export function readFxsave(u: X87, words: Int32Array, at: number, long: boolean): void {
  const { i32 } = u.memory;
  setControl(u, words[at]! & 0xffff);
  setAbridgedTags(u, words[at + 1]! & 0xff);
  u.statusWord = words[at]! >>> 16;
  i32[FOP >> 2] = (words[at + 1]! >>> 16) & 0x7ff;
  i32[FIP >> 2] = words[at + 2]!;
  i32[(FIP + 4) >> 2] = long ? words[at + 3]! : 0;
  i32[FDP >> 2] = words[at + 4]!;
  i32[(FDP + 4) >> 2] = long ? words[at + 5]! : 0;
  const { top } = u;
  for (let i = 0; i < 8; i++) {
    const to = (ST >> 2) + (((top + i) & 7) << 2);
    const from = at + 8 + 4 * i;
    i32[to] = words[from]!;
    i32[to + 1] = words[from + 1]!;
    i32[to + 2] = words[from + 2]! & 0xffff;
  }
}
