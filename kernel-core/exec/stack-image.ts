/**
 * The first stack of a program, byte for byte as Linux lays it out (addresses fall from top to bottom):
 *
 *   STACK_TOP     8 zero bytes
 *                 name of the program as execve got it (AT_EXECFN)
 *                 environment strings, argument strings: the first of each lowest
 *                 padding to 16, "x86_64" (AT_PLATFORM), 16 random bytes (AT_RANDOM), padding
 *                 auxiliary vector, its end marked by AT_NULL
 *                 envp pointers and 0, argv pointers and 0
 *   rsp           argc; a multiple of 16
 *
 * @source fs/binfmt_elf.c create_elf_tables
 */
import {
  AT_BASE,
  AT_CLKTCK,
  AT_EGID,
  AT_ENTRY,
  AT_EUID,
  AT_EXECFN,
  AT_FLAGS,
  AT_GID,
  AT_HWCAP,
  AT_HWCAP2,
  AT_MINSIGSTKSZ,
  AT_NULL,
  AT_PAGESZ,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  AT_PLATFORM,
  AT_RANDOM,
  AT_SECURE,
  AT_SYSINFO_EHDR,
  AT_UID,
} from '../../abi/elf.js';
import { PHDR_SIZE } from '../../elf/fields.js';
import { PAGE_SIZE, STACK_TOP } from '../mm/layout.js';

/** Whose rights the new program has. */
export interface ProgramIdentity {
  readonly uid: number;
  readonly euid: number;
  readonly gid: number;
  readonly egid: number;
  /** AT_SECURE: the program gained rights; the C library distrusts its environment. */
  readonly secure: boolean;
}

/** What the auxiliary vector tells about the processor. */
export interface ProcessorFacts {
  /** cpuid(1).edx */
  readonly hwcap: number;
  readonly hwcap2: number;
  /** Bytes that a signal frame needs at most. */
  readonly minSignalStack: number;
}

/** Where a program came to lie. */
export interface Placement {
  /** Address of its program headers. */
  readonly headers: number;
  readonly headerCount: number;
  /** Load address of the interpreter; 0: none. */
  readonly interpreterBase: number;
  /** Entry of the program itself, not of the interpreter. */
  readonly entry: number;
  /** Address of the vDSO, null without. */
  readonly vdso: number | null;
}

export interface StackImage {
  /** Bytes from `stackPointer` up to STACK_TOP, until the next image is built. */
  readonly bytes: Uint8Array;
  readonly stackPointer: number;
  /** First byte of the strings: what lies below is written after the stack has got its size. */
  readonly stringsStart: number;
  readonly argStart: number;
  readonly argEnd: number;
  readonly envStart: number;
  readonly envEnd: number;
  /** The words of the auxiliary vector. */
  readonly auxiliary: readonly number[];
}

const CLOCK_TICKS = 100;
const PLATFORM = 'x86_64';
const RANDOM_BYTES = 16;
const WORD = 8;

export interface StackContents {
  readonly name: string;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  readonly placement: Placement;
  readonly identity: ProgramIdentity;
  readonly processor: ProcessorFacts;
  /** 16 bytes. */
  readonly random: Uint8Array;
}

function sizeOf(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length + 1;
  return sum;
}

/** Lowest address of the strings. */
export const stringsStart = (name: string, argv: readonly string[], envp: readonly string[]): number =>
  STACK_TOP - WORD - (name.length + 1) - sizeOf(envp) - sizeOf(argv);

export function buildStack(contents: StackContents): StackImage {
  const { name, argv, envp, random } = contents;
  const nameAt = STACK_TOP - WORD - (name.length + 1);
  const envStart = nameAt - sizeOf(envp);
  const argStart = envStart - sizeOf(argv);
  const platformAt = argStart - (argStart % 16) - (PLATFORM.length + 1);
  const randomAt = platformAt - RANDOM_BYTES;
  const auxiliary = auxiliaryVector(contents, { nameAt, platformAt, randomAt });
  const words = 1 + argv.length + 1 + envp.length + 1;
  const unaligned = randomAt - auxiliary.length * WORD - words * WORD;
  const stackPointer = unaligned - (unaligned % 16);

  const bytes = clearImage(STACK_TOP - stackPointer);
  let at = putWord(0, argv.length);
  at = putPointers(at, argv, argStart);
  at = putPointers(at, envp, envStart);
  for (const value of auxiliary) at = putWord(at, value);
  bytes.set(random.subarray(0, RANDOM_BYTES), randomAt - stackPointer);
  putString(bytes, platformAt - stackPointer, PLATFORM);
  putStrings(bytes, argStart - stackPointer, argv);
  putStrings(bytes, envStart - stackPointer, envp);
  putString(bytes, nameAt - stackPointer, name);
  return {
    bytes,
    stackPointer,
    stringsStart: argStart,
    argStart,
    argEnd: envStart,
    envStart,
    envEnd: nameAt,
    auxiliary,
  };
}

/** Where images are built, one after the other: memory of its own for each costs more than filling it. */
let image = new Uint8Array(PAGE_SIZE);
let imageView = new DataView(image.buffer);
/** An image of more bytes is not kept for the next. */
const MOST_KEPT = 16 * PAGE_SIZE;

function clearImage(size: number): Uint8Array {
  if (size <= image.length && image.length <= MOST_KEPT) image.fill(0, 0, size);
  else {
    image = new Uint8Array(Math.max(size, PAGE_SIZE));
    imageView = new DataView(image.buffer);
  }
  return image.subarray(0, size);
}

/** @returns where the next word goes */
function putWord(at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32);
  imageView.setUint32(at, value - high * 2 ** 32, true);
  imageView.setUint32(at + 4, high, true);
  return at + WORD;
}

/** Pointers to strings that lie one behind the other from `start` on, and a null pointer. @returns where the next word goes */
function putPointers(from: number, texts: readonly string[], start: number): number {
  let at = from;
  let address = start;
  for (const text of texts) {
    at = putWord(at, address);
    address += text.length + 1;
  }
  return putWord(at, 0);
}

function putStrings(bytes: Uint8Array, start: number, texts: readonly string[]): void {
  let at = start;
  for (const text of texts) at = putString(bytes, at, text);
}

/** @returns behind its final zero byte, which is there already */
function putString(bytes: Uint8Array, start: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[start + i] = text.charCodeAt(i);
  return start + text.length + 1;
}

interface Addresses {
  readonly nameAt: number;
  readonly platformAt: number;
  readonly randomAt: number;
}

/** Pairs of tag and value, in Linux's order. */
function auxiliaryVector(contents: StackContents, addresses: Addresses): readonly number[] {
  const { placement, identity, processor } = contents;
  // biome-ignore format: a pair per line
  const pairs = [
    AT_SYSINFO_EHDR, placement.vdso ?? 0,
    AT_MINSIGSTKSZ, processor.minSignalStack,
    AT_HWCAP, processor.hwcap,
    AT_PAGESZ, PAGE_SIZE,
    AT_CLKTCK, CLOCK_TICKS,
    AT_PHDR, placement.headers,
    AT_PHENT, PHDR_SIZE,
    AT_PHNUM, placement.headerCount,
    AT_BASE, placement.interpreterBase,
    AT_FLAGS, 0,
    AT_ENTRY, placement.entry,
    AT_UID, identity.uid,
    AT_EUID, identity.euid,
    AT_GID, identity.gid,
    AT_EGID, identity.egid,
    AT_SECURE, identity.secure ? 1 : 0,
    AT_RANDOM, addresses.randomAt,
    AT_HWCAP2, processor.hwcap2,
    AT_EXECFN, addresses.nameAt,
    AT_PLATFORM, addresses.platformAt,
    AT_NULL, 0,
  ];
  return placement.vdso === null ? pairs.slice(2) : pairs;
}
