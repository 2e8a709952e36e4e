/** Device numbers as drivers know them, Linux' own: major << 20 | minor. vfs/devices.ts has those of programs. */

/** Minors of a major. */
export const MINORS = 2 ** 20;
export const MAX_MAJOR = 0xfff;

export const numberOf = (major: number, minor: number): number => major * MINORS + minor;
