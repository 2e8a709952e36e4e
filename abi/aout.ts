/**
 * a.out objects as NetBSD defines them, with the sizes that its structures have on LP64.
 * @source NetBSD a.out(5), sys/exec_aout.h, sys/aout_mids.h, nlist.h
 */

/** Magic numbers: low 16 bits of a_midmag. Relocatable objects are OMAGIC. */
export const OMAGIC = 0o407;
export const NMAGIC = 0o410;
export const ZMAGIC = 0o413;
export const QMAGIC = 0o314;
/** Machine: the 10 bits above. */
export const MID_X86_64 = 0x9d;
/** Flags: the 6 bits above those. */
export const EX_PIC = 0x10;
export const EX_DYNAMIC = 0x20;

/** `struct exec`: offsets in bytes of fields of 8; only the first, of 4, is big-endian. */
export const EXEC = { midmag: 0, text: 8, data: 16, bss: 24, syms: 32, entry: 40, trsize: 48, drsize: 56 } as const;
export const EXEC_SIZE = 64;

/** `struct nlist`: offsets in bytes. */
export const NLIST = { strx: 0, type: 8, other: 9, desc: 10, value: 16 } as const;
export const NLIST_SIZE = 24;

/** n_type: N_EXT, the type under N_TYPE, or a debugger's symbol if a bit of N_STAB is set. */
export const N_EXT = 0x01;
export const N_TYPE = 0x1e;
export const N_STAB = 0xe0;
export const N_UNDF = 0x00;
export const N_ABS = 0x02;
export const N_TEXT = 0x04;
export const N_DATA = 0x06;
export const N_BSS = 0x08;
export const N_INDR = 0x0a;
export const N_SIZE = 0x0c;
export const N_FN = 0x1e;

/** n_other: what the symbol is in the low 4 bits, its binding in the high 4. */
export const AUX_OBJECT = 1;
export const AUX_FUNC = 2;
export const BIND_WEAK = 2;

/** `struct relocation_info`: r_address, 4 bytes, signed; then a word of bit fields. */
export const RELOCATION_INFO_SIZE = 8;
export const R_SYMBOLNUM_MASK = 0xffffff;
export const R_PCREL = 1 << 24;
/** Of 2 bits: log2 of the field's bytes. */
export const R_LENGTH_SHIFT = 25;
export const R_EXTERN = 1 << 27;
export const R_BASEREL = 1 << 28;
export const R_JMPTABLE = 1 << 29;
export const R_RELATIVE = 1 << 30;
export const R_COPY = -(2 ** 31);
