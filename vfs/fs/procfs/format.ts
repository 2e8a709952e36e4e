/** Pieces that the texts of procfs are made of. */
import type { SignalMask } from './source.js';

const NS_PER_TICK = 10_000_000;
const KIB = 1024;

/** Nanoseconds in clock ticks of 1/100 s, the unit of all times in procfs. */
export const ticks = (nanoseconds: number): number => Math.floor(nanoseconds / NS_PER_TICK);

export const kib = (bytes: number): number => Math.floor(bytes / KIB);

/** Seconds with two digits behind the point, cut off. */
export function hundredths(nanoseconds: number): string {
  const total = ticks(nanoseconds);
  return `${Math.floor(total / 100)}.${String(total % 100).padStart(2, '0')}`;
}

export const hex = (value: number, width = 0): string => value.toString(16).padStart(width, '0');

export const maskHex = ({ lo, hi }: SignalMask): string => hex(hi >>> 0, 8) + hex(lo >>> 0, 8);

/** Octal escapes, as mount tables need them: the fields are separated by blanks. @source Linux fs/seq_file.c seq_escape */
export function escapeOctal(text: string, characters: string): string {
  let escaped = '';
  for (const c of text) {
    escaped += characters.includes(c) ? `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}` : c;
  }
  return escaped;
}
