/**
 * Character classes as the line discipline sees them: Latin-1, independent of any locale, whatever IUTF8 says.
 * @source Linux lib/ctype.c, include/linux/ctype.h (behaviour)
 */
const CNTRL = 1;
const UPPER = 2;
const LOWER = 4;
const DIGIT = 8;

const CLASS = new Uint8Array(256);
CLASS.fill(CNTRL, 0, 32);
CLASS[127] = CNTRL;
CLASS.fill(DIGIT, 0x30, 0x3a);
CLASS.fill(UPPER, 0x41, 0x5b);
CLASS.fill(LOWER, 0x61, 0x7b);
CLASS.fill(UPPER, 0xc0, 0xdf);
CLASS.fill(LOWER, 0xdf, 0x100);
// The multiplication and the division sign stand among the letters of Latin-1 without being letters.
CLASS[0xd7] = 0;
CLASS[0xf7] = 0;

export const isControl = (c: number): boolean => (CLASS[c] & CNTRL) !== 0;
export const isAlphanumeric = (c: number): boolean => (CLASS[c] & (UPPER | LOWER | DIGIT)) !== 0;
export const toLower = (c: number): number => ((CLASS[c] & UPPER) !== 0 ? c + 32 : c);
export const toUpper = (c: number): number => ((CLASS[c] & LOWER) !== 0 ? c - 32 : c);
