/** Loading modules: flags, limits, numbers of taints, and what the driver interface fixes. */

/** Version of the driver interface: 8 bits major, 8 bits minor, 16 bits patch. */
export const BANOS_VERSION = 0x0001_0000;
/** Number of the system call that installs a driver. Upstream's own number, 111, is Linux's getpgrp. */
export const SYS_BANOS_INSTALL = 1111;

// Flags of finit_module(2). @source linux/module.h
export const MODULE_INIT_IGNORE_MODVERSIONS = 1;
export const MODULE_INIT_IGNORE_VERMAGIC = 2;
export const MODULE_INIT_COMPRESSED_FILE = 4;

/** Bytes of a module's name, its zero included. @source Linux include/linux/moduleparam.h MODULE_NAME_LEN, LP64 */
export const MODULE_NAME_LEN = 56;

/** Reasons why a kernel is tainted: letter n is bit n. @source Linux kernel/panic.c taint_flags */
export const TAINT_LETTERS = 'PFSRMBUDAWCIOELKXTNJ';
export type TaintLetter = 'P' | 'F' | 'R' | 'D' | 'O';
