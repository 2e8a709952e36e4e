/**
 * The vDSO: a shared object of one page that the kernel maps into every program and names in AT_SYSINFO_EHDR, so that
 * the C library reads clocks without system calls. Written here from nothing; `vdso.s` is the source of its code, and a
 * test assembles it.
 *
 * The image: ELF header, program headers (load, dynamic), hash table, symbols, versions, strings, dynamic section, code.
 * There are no sections: loaders need none. @source vdso(7), System V gABI chapters 4 and 5, Linux Documentation/ABI/stable/vdso
 */
import {
  DT_HASH,
  DT_NULL,
  DT_SONAME,
  DT_STRSZ,
  DT_STRTAB,
  DT_SYMENT,
  DT_SYMTAB,
  DT_VERDEF,
  DT_VERDEFNUM,
  DT_VERSYM,
  ET_DYN,
  PF_R,
  PF_X,
  PT_DYNAMIC,
  PT_LOAD,
  STB_GLOBAL,
  STT_FUNC,
} from '../abi/elf.js';
import { EHDR_SIZE, PHDR_SIZE, SYMBOL_SIZE } from './fields.js';
import { writeElfHeader, writeProgramHeader, writeSymbol } from './write.js';

/** Bytes of the image: one page. */
export const VDSO_SIZE = 4096;

const NAME = 'linux-vdso.so.1';
const VERSION = 'LINUX_2.6';
const VERDEF_SIZE = 28;
const DYNAMIC_SIZE = 16;
const VERSION_INDEX = 2;
const VER_FLG_BASE = 1;
/** Any section but the undefined one. */
const SOME_SECTION = 1;

/** What `as` makes of vdso.s: the word that the kernel fills in, and the functions behind it. */
const CODE: readonly (readonly [symbol: string, bytes: string])[] = [
  ['', '0000000000000000'],
  [
    '__vdso_clock_gettime',
    '83ff0b7750b8f30800000fa3f873460f3148c1e2204809d0b9210800000fa3f97307480305cfffffff4889c148c1e80948ba535a9ba02fb8440048f7e248c1ea0b' +
      '4869c200ca9a3b4829c148891648894e0831c0c3b8e40000000f05c3',
  ],
  [
    '__vdso_gettimeofday',
    '4885ff74470f3148c1e2204809d048030586ffffff4889c148c1e80948ba535a9ba02fb8440048f7e248c1ea0b4869c200ca9a3b4829c14889174889c84869c0d3' +
      '4d621048c1e8264889470831c04885f67403488906c3',
  ],
  ['__vdso_time', '0f3148c1e2204809d048030534ffffff48c1e80948ba535a9ba02fb8440048f7e248c1ea0b4889d04885ff7403488907c3'],
  ['__vdso_getcpu', '31c04885ff740289074885f674028906c3'],
];

/** The code and where each symbol begins in it. */
export function vdsoCode(): { bytes: Uint8Array; symbols: { name: string; offset: number; size: number }[] } {
  const symbols: { name: string; offset: number; size: number }[] = [];
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, hex] of CODE) {
    const part = Buffer.from(hex, 'hex');
    if (name !== '') symbols.push({ name, offset, size: part.length });
    parts.push(part);
    offset += part.length;
  }
  return { bytes: new Uint8Array(Buffer.concat(parts)), symbols };
}

/** Function of the gABI's hash table, chapter 5. */
function elfHash(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) {
    hash = ((hash << 4) + name.charCodeAt(i)) >>> 0;
    const top = hash & 0xf0000000;
    hash = (hash ^ (top >>> 24)) & ~top;
  }
  return hash >>> 0;
}

/** Puts parts one behind the other, aligned, and knows where. */
class Image {
  readonly bytes = new Uint8Array(VDSO_SIZE);
  readonly view = new DataView(this.bytes.buffer);
  #end = 0;

  /** @returns offset of the first of `size` bytes */
  take(size: number, align = 8): number {
    const at = Math.ceil(this.#end / align) * align;
    this.#end = at + size;
    if (this.#end > VDSO_SIZE) throw new Error('the vDSO does not fit a page');
    return at;
  }

  u16(at: number, ...values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint16(at + 2 * i, value, true);
  }

  u32(at: number, ...values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.view.setUint32(at + 4 * i, value, true);
  }

  u64(at: number, ...values: readonly (number | bigint)[]): void {
    for (const [i, value] of values.entries()) this.view.setBigUint64(at + 8 * i, BigInt(value), true);
  }
}

/** @param epoch nanoseconds since 1970 when the clock that the time stamp counter counts was 0 */
export function vdsoImage(epoch: bigint): Uint8Array {
  const image = new Image();
  const { bytes: code, symbols } = vdsoCode();
  image.take(EHDR_SIZE);
  const programs = image.take(2 * PHDR_SIZE);

  const strings = `\0${[NAME, VERSION, ...symbols.map(({ name }) => name)].join('\0')}\0`;
  const nameAt = (name: string): number => strings.indexOf(`\0${name}\0`) + 1;
  const stringsAt = image.take(strings.length);
  image.bytes.set(Buffer.from(strings, 'latin1'), stringsAt);

  const codeAt = image.take(code.length, 64);
  image.bytes.set(code, codeAt);
  image.u64(codeAt, epoch);

  const count = symbols.length + 1;
  const symbolsAt = image.take(count * SYMBOL_SIZE);
  const versionsAt = image.take(count * 2);
  for (const [i, { name, offset, size }] of symbols.entries()) {
    writeSymbol(image.view, symbolsAt + (i + 1) * SYMBOL_SIZE, {
      name: nameAt(name),
      type: STT_FUNC,
      binding: STB_GLOBAL,
      section: SOME_SECTION,
      value: codeAt + offset,
      size,
    });
    image.u16(versionsAt + (i + 1) * 2, VERSION_INDEX);
  }
  // One bucket: its chain has every symbol.
  const hashAt = image.take((3 + count) * 4);
  image.u32(hashAt, 1, count, 1, 0, ...symbols.map((_, i) => (i + 2) % count));

  const verdefAt = image.take(2 * VERDEF_SIZE);
  for (const [i, name] of [NAME, VERSION].entries()) {
    const at = verdefAt + i * VERDEF_SIZE;
    image.u16(at, 1, i === 0 ? VER_FLG_BASE : 0, i + 1, 1);
    image.u32(at + 8, elfHash(name), 20, i === 0 ? VERDEF_SIZE : 0, nameAt(name), 0);
  }

  const dynamic: readonly (readonly [tag: number, value: number])[] = [
    [DT_SONAME, nameAt(NAME)],
    [DT_HASH, hashAt],
    [DT_STRTAB, stringsAt],
    [DT_STRSZ, strings.length],
    [DT_SYMTAB, symbolsAt],
    [DT_SYMENT, SYMBOL_SIZE],
    [DT_VERSYM, versionsAt],
    [DT_VERDEF, verdefAt],
    [DT_VERDEFNUM, 2],
    [DT_NULL, 0],
  ];
  const dynamicAt = image.take(dynamic.length * DYNAMIC_SIZE);
  image.u64(dynamicAt, ...dynamic.flat());

  writeElfHeader(image.view, { type: ET_DYN, phoff: programs, phnum: 2 });
  const segment = (at: number, type: number, flags: number, from: number, size: number, align: number): void =>
    writeProgramHeader(image.view, at, {
      type,
      flags,
      offset: from,
      address: from,
      fileSize: size,
      memorySize: size,
      align,
    });
  segment(programs, PT_LOAD, PF_R | PF_X, 0, VDSO_SIZE, VDSO_SIZE);
  segment(programs + PHDR_SIZE, PT_DYNAMIC, PF_R, dynamicAt, dynamic.length * DYNAMIC_SIZE, 8);
  return image.bytes;
}
