/**
 * Writes an ELF core file, for gdb: registers and memory of a program, or of the kernel, at the moment it crashed. The file
 * comes in pieces, so that memory is read as it is written and never held twice; what is only zeros is said by its length.
 *
 *   ELF header | program headers | notes: process, threads | memory of each range, from whole pages on
 *
 * @source core(5), System V gABI chapter 5; Linux struct elf_prstatus, elf_prpsinfo of x86-64
 */
import {
  ET_CORE,
  NT_AUXV,
  NT_FILE,
  NT_FPREGSET,
  NT_PRPSINFO,
  NT_PRSTATUS,
  NT_SIGINFO,
  PF_R,
  PF_W,
  PF_X,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
  SHT_NULL,
} from '../abi/elf.js';
import { EHDR_SIZE, PHDR_SIZE, SHDR_SIZE, viewOf } from './fields.js';
import { writeElfHeader, writeProgramHeader, writeSectionHeader } from './write.js';

/** As they stand in NT_PRSTATUS, 8 bytes each. @source Linux struct user_regs_struct */
export const CORE_REGISTERS = [
  'r15',
  'r14',
  'r13',
  'r12',
  'rbp',
  'rbx',
  'r11',
  'r10',
  'r9',
  'r8',
  'rax',
  'rcx',
  'rdx',
  'rsi',
  'rdi',
  'orig_rax',
  'rip',
  'cs',
  'eflags',
  'rsp',
  'ss',
  'fs_base',
  'gs_base',
  'ds',
  'es',
  'fs',
  'gs',
] as const;
export type CoreRegister = (typeof CORE_REGISTERS)[number];

/** Processor time in nanoseconds: its own, and of children that were waited for. */
export interface CoreTimes {
  readonly user: number;
  readonly system: number;
  readonly childrenUser: number;
  readonly childrenSystem: number;
}

export interface CoreThread {
  readonly tid: number;
  /** What ended it, or its process: a signal's number; 0 for threads that were only there. */
  readonly signal: number;
  /** Signals 1 to 64 from bit 0 on; none when absent. */
  readonly pendingSignals?: bigint;
  readonly blockedSignals?: bigint;
  readonly times?: CoreTimes;
  /** Each of 64 bits, of either sign; missing ones are 0. */
  readonly registers: Readonly<Partial<Record<CoreRegister, bigint>>>;
  /** x87 and SSE state as FXSAVE writes it: 512 bytes. Without it gdb has none. */
  readonly fxsave?: Uint8Array;
  /** `siginfo_t` of the signal that ended it, 128 bytes: gdb's $_siginfo. */
  readonly siginfo?: Uint8Array;
}

/** A file that a program has mapped. */
export interface CoreFileMapping {
  /** Signed, of the range's first and one past its last byte. */
  readonly begin: number;
  readonly end: number;
  /** Bytes into the file, whole pages. */
  readonly offset: number;
  /** Latin1. */
  readonly path: string;
}

export interface CoreProcess {
  readonly pid: number;
  readonly ppid: number;
  readonly pgrp: number;
  readonly sid: number;
  readonly uid: number;
  readonly gid: number;
  readonly nice?: number;
  /** PF_* of the kernel. */
  readonly flags?: number;
  /** At most 15 bytes are kept, latin1. */
  readonly name: string;
  /** Command line; at most 79 bytes are kept, latin1. */
  readonly command: string;
  /** The auxiliary vector as the program got it: gdb finds a position-independent program by it. */
  readonly auxv?: Uint8Array;
  /** gdb finds shared libraries by them. */
  readonly files?: readonly CoreFileMapping[];
}

/** A part of the file: bytes, or how many zeros, which need not be stored. */
export type CorePiece = Uint8Array | number;

/** A range of memory, whole pages. */
export interface CoreMemory {
  /** Signed. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  /** Bytes from its beginning that the file holds; gdb takes the rest from the program's own file. */
  readonly stored: number;
  /** Those bytes, in pieces of any size. Too few are followed by zeros, too many are cut. */
  readonly pieces: () => Iterable<CorePiece>;
}

export interface Core {
  readonly process: CoreProcess;
  /** The one that crashed comes first: gdb begins with it. */
  readonly threads: readonly CoreThread[];
  readonly memory: readonly CoreMemory[];
}

const PAGE = 4096;
const NOTE_HEADER_SIZE = 12;
const NOTE_ALIGN = 4;
const OWNER = 'CORE';

const roundUp = (value: number, align: number): number => Math.ceil(value / align) * align;

/** `struct elf_prstatus`, offsets in bytes. */
const PRSTATUS = {
  signo: 0,
  cursig: 12,
  pending: 16,
  blocked: 24,
  pid: 32,
  ppid: 36,
  pgrp: 40,
  sid: 44,
  times: 48,
  registers: 112,
  fpvalid: 328,
} as const;
const PRSTATUS_SIZE = 336;

function prstatus(process: CoreProcess, thread: CoreThread): Uint8Array {
  const bytes = new Uint8Array(PRSTATUS_SIZE);
  const view = viewOf(bytes);
  view.setInt32(PRSTATUS.signo, thread.signal, true);
  view.setInt16(PRSTATUS.cursig, thread.signal, true);
  view.setBigUint64(PRSTATUS.pending, thread.pendingSignals ?? 0n, true);
  view.setBigUint64(PRSTATUS.blocked, thread.blockedSignals ?? 0n, true);
  view.setInt32(PRSTATUS.pid, thread.tid, true);
  view.setInt32(PRSTATUS.ppid, process.ppid, true);
  view.setInt32(PRSTATUS.pgrp, process.pgrp, true);
  view.setInt32(PRSTATUS.sid, process.sid, true);
  if (thread.times !== undefined) {
    const { user, system, childrenUser, childrenSystem } = thread.times;
    for (const [i, time] of [user, system, childrenUser, childrenSystem].entries()) {
      view.setBigInt64(PRSTATUS.times + 16 * i, BigInt(Math.floor(time / 1e9)), true);
      view.setBigInt64(PRSTATUS.times + 16 * i + 8, BigInt(Math.floor((time % 1e9) / 1000)), true);
    }
  }
  for (const [i, name] of CORE_REGISTERS.entries()) {
    view.setBigInt64(PRSTATUS.registers + 8 * i, BigInt.asIntN(64, thread.registers[name] ?? 0n), true);
  }
  view.setInt32(PRSTATUS.fpvalid, thread.fxsave === undefined ? 0 : 1, true);
  return bytes;
}

/** `struct elf_prpsinfo`, offsets in bytes. */
const PRPSINFO = {
  sname: 1,
  nice: 3,
  flags: 8,
  uid: 16,
  gid: 20,
  pid: 24,
  ppid: 28,
  pgrp: 32,
  sid: 36,
  fname: 40,
  psargs: 56,
} as const;
const PRPSINFO_SIZE = 136;
const FNAME_SIZE = 16;
const PSARGS_SIZE = 80;
const RUNNING = 'R';

function prpsinfo(process: CoreProcess): Uint8Array {
  const bytes = new Uint8Array(PRPSINFO_SIZE);
  const view = viewOf(bytes);
  const text = (at: number, value: string, size: number): void => {
    for (let i = 0; i < Math.min(value.length, size - 1); i++) bytes[at + i] = value.charCodeAt(i);
  };
  text(PRPSINFO.sname, RUNNING, 2);
  view.setInt8(PRPSINFO.nice, process.nice ?? 0);
  view.setBigUint64(PRPSINFO.flags, BigInt(process.flags ?? 0), true);
  view.setUint32(PRPSINFO.uid, process.uid, true);
  view.setUint32(PRPSINFO.gid, process.gid, true);
  view.setInt32(PRPSINFO.pid, process.pid, true);
  view.setInt32(PRPSINFO.ppid, process.ppid, true);
  view.setInt32(PRPSINFO.pgrp, process.pgrp, true);
  view.setInt32(PRPSINFO.sid, process.sid, true);
  text(PRPSINFO.fname, process.name, FNAME_SIZE);
  text(PRPSINFO.psargs, process.command, PSARGS_SIZE);
  return bytes;
}

/** Number of ranges and unit of offsets; begin, end, offset of each; then the paths. Words of 8 bytes. @source Linux fill_files_note */
function files(mappings: readonly CoreFileMapping[]): Uint8Array {
  const paths = mappings.map(({ path }) => `${path}\0`).join('');
  const ranges = mappings.flatMap(({ begin, end, offset }) => [begin, end, Math.floor(offset / PAGE)]);
  const words = [mappings.length, PAGE, ...ranges];
  const bytes = new Uint8Array(8 * words.length + paths.length);
  const view = viewOf(bytes);
  for (const [i, word] of words.entries()) view.setBigInt64(8 * i, BigInt(word), true);
  for (let i = 0; i < paths.length; i++) bytes[8 * words.length + i] = paths.charCodeAt(i);
  return bytes;
}

function note(type: number, content: Uint8Array): Uint8Array {
  const nameSize = roundUp(OWNER.length + 1, NOTE_ALIGN);
  const bytes = new Uint8Array(NOTE_HEADER_SIZE + nameSize + roundUp(content.length, NOTE_ALIGN));
  const view = viewOf(bytes);
  view.setUint32(0, OWNER.length + 1, true);
  view.setUint32(4, content.length, true);
  view.setUint32(8, type, true);
  for (let i = 0; i < OWNER.length; i++) bytes[NOTE_HEADER_SIZE + i] = OWNER.charCodeAt(i);
  bytes.set(content, NOTE_HEADER_SIZE + nameSize);
  return bytes;
}

/** In Linux's order: all of the first thread, with what is the process's own, then the others. */
function notes({ process, threads }: Core): readonly Uint8Array[] {
  return threads.flatMap((thread, i) => [
    note(NT_PRSTATUS, prstatus(process, thread)),
    ...(i === 0 ? [note(NT_PRPSINFO, prpsinfo(process))] : []),
    ...(thread.siginfo === undefined ? [] : [note(NT_SIGINFO, thread.siginfo)]),
    ...(i === 0 && process.auxv !== undefined ? [note(NT_AUXV, process.auxv)] : []),
    ...(i === 0 && process.files !== undefined ? [note(NT_FILE, files(process.files))] : []),
    ...(thread.fxsave === undefined ? [] : [note(NT_FPREGSET, thread.fxsave)]),
  ]);
}

/** The file, piece by piece. Each piece is its receiver's only until it asks for the next. */
export function* coreFile(core: Core): Generator<CorePiece, void, void> {
  const written = notes(core);
  const notesSize = written.reduce((sum, { length }) => sum + length, 0);
  const segmentCount = 1 + core.memory.length;
  // More segments than fit the header are counted in section 0. @source elf(5), PN_XNUM
  const isExtended = segmentCount >= PN_XNUM;
  const headersSize = EHDR_SIZE + segmentCount * PHDR_SIZE;
  const notesAt = headersSize + (isExtended ? SHDR_SIZE : 0);
  const head = new Uint8Array(notesAt);
  const view = viewOf(head);
  writeElfHeader(view, {
    type: ET_CORE,
    phoff: EHDR_SIZE,
    phnum: Math.min(segmentCount, PN_XNUM),
    shoff: isExtended ? headersSize : 0,
    shnum: isExtended ? 1 : 0,
  });
  if (isExtended) writeSectionHeader(view, headersSize, { name: 0, type: SHT_NULL, size: 1, info: segmentCount });
  writeProgramHeader(view, EHDR_SIZE, {
    type: PT_NOTE,
    flags: 0,
    offset: notesAt,
    address: 0,
    fileSize: notesSize,
    memorySize: 0,
    align: NOTE_ALIGN,
  });
  let offset = roundUp(notesAt + notesSize, PAGE);
  const padding = offset - notesAt - notesSize;
  for (const [i, { address, size, stored, read, write, execute }] of core.memory.entries()) {
    writeProgramHeader(view, EHDR_SIZE + (i + 1) * PHDR_SIZE, {
      type: PT_LOAD,
      flags: (read ? PF_R : 0) | (write ? PF_W : 0) | (execute ? PF_X : 0),
      offset,
      address,
      fileSize: stored,
      memorySize: size,
      align: PAGE,
    });
    offset += roundUp(stored, PAGE);
  }
  for (let at = 0; at < notesAt; at += at === 0 ? EHDR_SIZE : PHDR_SIZE) {
    yield head.subarray(at, at === 0 ? EHDR_SIZE : Math.min(at + PHDR_SIZE, notesAt));
  }
  yield* written;
  if (padding > 0) yield padding;
  for (const range of core.memory) yield* exactly(range);
}

/** As many bytes as the headers promise. */
function* exactly({ stored, pieces }: CoreMemory): Generator<CorePiece, void, void> {
  let left = stored;
  for (const piece of pieces()) {
    if (left <= 0) break;
    const size = typeof piece === 'number' ? piece : piece.length;
    if (size <= left) yield piece;
    else yield typeof piece === 'number' ? left : piece.subarray(0, left);
    left -= size;
  }
  const zeros = Math.max(left, 0) + roundUp(stored, PAGE) - stored;
  if (zeros > 0) yield zeros;
}

/** For who has to write the zeros. */
export function* withZeros(pieces: Iterable<CorePiece>): Generator<Uint8Array, void, void> {
  const page = new Uint8Array(PAGE);
  for (const piece of pieces) {
    if (typeof piece !== 'number') yield piece;
    else for (let left = piece; left > 0; left -= PAGE) yield page.subarray(0, Math.min(left, PAGE));
  }
}
