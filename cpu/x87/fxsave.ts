/** The 512-byte fxsave image: x87, MXCSR and the xmm registers. Signal frames hold it, fxsave and fxrstor move it. */
import { MXCSR, XMM } from '../state.js';
import { readFxsave, writeFxsave } from './image.js';
import { X87, type X87Memory } from './unit.js';

/** MXCSR bits that can be set, as MXCSR_MASK of the image says. */
export const MXCSR_MASK = 0xffff;
const MXCSR_AT = 24;
const MASK_AT = 28;
const XMM_AT = 160;
const XMM_BYTES = 256;
const XMM_WORDS = XMM_BYTES / 4;
/** From here on the image is the program's: fxsave leaves it. */
export const FXSAVE_WRITTEN = XMM_AT + XMM_BYTES;

const units = new WeakMap<X87Memory, X87>();

/** The x87 unit over the CPU state in `memory`. */
export function x87Of(memory: X87Memory): X87 {
  let unit = units.get(memory);
  if (unit === undefined) {
    unit = new X87(memory);
    units.set(memory, unit);
  }
  return unit;
}

const staging = new Int32Array(FXSAVE_WRITTEN / 4);
const stagingBytes = new Uint8Array(staging.buffer);

/** Writes bytes 0…415 of the image at `target[offset]`. */
export function saveFx(memory: X87Memory, target: Uint8Array, offset: number): void {
  if (target === memory.u8 && (offset & 3) === 0) {
    saveWords(memory, memory.i32, offset >>> 2);
    return;
  }
  saveWords(memory, staging, 0);
  target.set(stagingBytes, offset);
}

/** Loads the state from an image. @returns false, with nothing changed, when a reserved bit of MXCSR is set */
export function restoreFx(memory: X87Memory, source: Uint8Array, offset: number): boolean {
  if (source === memory.u8 && (offset & 3) === 0) return restoreWords(memory, memory.i32, offset >>> 2);
  for (let i = 0; i < FXSAVE_WRITTEN; i++) stagingBytes[i] = source[offset + i]!;
  return restoreWords(memory, staging, 0);
}

function saveWords(memory: X87Memory, words: Int32Array, at: number): void {
  const { i32 } = memory;
  writeFxsave(x87Of(memory), words, at, true);
  words[at + MXCSR_AT / 4] = i32[MXCSR >> 2]!;
  words[at + MASK_AT / 4] = MXCSR_MASK;
  const to = at + XMM_AT / 4;
  if (words === i32) words.copyWithin(to, XMM >> 2, (XMM >> 2) + XMM_WORDS);
  else for (let i = 0; i < XMM_WORDS; i++) words[to + i] = i32[(XMM >> 2) + i]!;
}

function restoreWords(memory: X87Memory, words: Int32Array, at: number): boolean {
  const { i32 } = memory;
  const mxcsr = words[at + MXCSR_AT / 4]!;
  if ((mxcsr & ~MXCSR_MASK) !== 0) return false;
  readFxsave(x87Of(memory), words, at, true);
  i32[MXCSR >> 2] = mxcsr;
  const from = at + XMM_AT / 4;
  if (words === i32) words.copyWithin(XMM >> 2, from, from + XMM_WORDS);
  else for (let i = 0; i < XMM_WORDS; i++) i32[(XMM >> 2) + i] = words[from + i]!;
  return true;
}
