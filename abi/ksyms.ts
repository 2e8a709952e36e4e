/** ioctl requests of /dev/ksyms. @source NetBSD sys/ksyms.h, ksyms(4) */

/** `int`: bytes of the image. */
export const KIOCGSIZE = 0x40046c03;
/** `{ const char *name; u64 value }`: the value of a symbol. */
export const KIOCGVALUE = 0xc0106c04;
/** `{ const char *name; Elf64_Sym sym }`: the symbol itself. */
export const KIOCGSYMBOL = 0xc0206c05;
