/**
 * What execve needs to know of an ELF file, judged as Linux judges it: lax about identification, strict about what
 * would be dangerous. Two steps, so that the caller reads no more of the file than needed: the first 64 bytes say
 * where the program headers are, these give the plan. @source fs/binfmt_elf.c
 */
import { EM_X86_64, ET_DYN, ET_EXEC, PF_R, PF_W, PF_X, PT_GNU_STACK, PT_INTERP, PT_LOAD } from '../abi/elf.js';
import { ENOEXEC, type Err, fail } from '../abi/errno.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../abi/mman.js';
import { hasElfMagic, isPowerOfTwo, PHDR_SIZE, readElfHeader, readProgramHeader, viewOf } from './fields.js';

/** Where the program headers are. */
export interface ProgramTable {
  /** ET_DYN: may be loaded anywhere. */
  readonly isRelocatable: boolean;
  /** ET_EXEC or ET_DYN. Only interpreters get this far without. */
  readonly isRunnable: boolean;
  /** Signed, as all addresses here: Linux lets them wrap when the load bias is added. */
  readonly entry: number;
  /** Bytes in the file. */
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

export interface Segment {
  /** Bytes in the file. */
  readonly offset: number;
  readonly fileSize: number;
  /** Relative to the load bias; bytes. */
  readonly address: number;
  readonly memorySize: number;
  /** PROT_* */
  readonly prot: number;
}

export interface ProgramPlan extends ProgramTable {
  /** PT_LOAD in file order. */
  readonly segments: readonly Segment[];
  /** Where in the file the interpreter's path is, with its final zero byte; null: there is none. */
  readonly interpreter: { readonly offset: number; readonly size: number } | null;
  readonly hasExecutableStack: boolean;
  /** Address of the program headers before the bias; 0 when no segment holds them. */
  readonly headersAddress: number;
  /** Largest power-of-two p_align of a PT_LOAD, at least a page. */
  readonly alignment: number;
  /** Bytes from the first page to the end of the last segment; 0 without segments. */
  readonly span: number;
}

const PAGE_SIZE = 4096;
const MAX_TABLE_BYTES = 65536;

/**
 * @param head the first 64 bytes of the file, zeros where it is shorter
 * @returns -ENOEXEC when this is no ELF file for this machine
 */
export function locateProgram(head: Uint8Array): ProgramTable | Err {
  const view = viewOf(head);
  if (!hasElfMagic(view)) return fail(ENOEXEC);
  const header = readElfHeader(view);
  if (header.machine !== EM_X86_64 || header.phentsize !== PHDR_SIZE) return fail(ENOEXEC);
  const size = header.phnum * PHDR_SIZE;
  if (size === 0 || size > MAX_TABLE_BYTES) return fail(ENOEXEC);
  return {
    isRelocatable: header.type === ET_DYN,
    isRunnable: header.type === ET_EXEC || header.type === ET_DYN,
    entry: header.entry,
    offset: header.phoff,
    size,
    count: header.phnum,
  };
}

/** @param headers the `table.size` bytes at `table.offset` of the file */
export function planProgram(table: ProgramTable, headers: Uint8Array): ProgramPlan {
  const view = viewOf(headers);
  const segments: Segment[] = [];
  let interpreter: ProgramPlan['interpreter'] = null;
  let hasExecutableStack = false;
  let headersAddress = 0;
  let alignment = PAGE_SIZE;
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (let i = 0; i < table.count; i++) {
    const header = readProgramHeader(view, i * PHDR_SIZE);
    if (header.type === PT_GNU_STACK) hasExecutableStack = (header.flags & PF_X) !== 0;
    if (header.type === PT_INTERP && interpreter === null) {
      interpreter = { offset: header.offset, size: header.filesz };
    }
    if (header.type !== PT_LOAD) continue;
    segments.push({
      offset: header.offset,
      fileSize: header.filesz,
      address: header.vaddr,
      memorySize: header.memsz,
      prot: protOf(header.flags),
    });
    if (header.offset <= table.offset && table.offset < header.offset + header.filesz) {
      headersAddress = table.offset - header.offset + header.vaddr;
    }
    if (isPowerOfTwo(header.align)) alignment = Math.max(alignment, header.align);
    low = Math.min(low, unsigned(Math.floor(header.vaddr / PAGE_SIZE) * PAGE_SIZE));
    high = Math.max(high, unsigned(header.vaddr + header.memsz));
  }
  const span = segments.length === 0 ? 0 : high - low;
  return { ...table, segments, interpreter, hasExecutableStack, headersAddress, alignment, span };
}

const unsigned = (address: number): number => (address < 0 ? address + 2 ** 64 : address);

const protOf = (flags: number): number =>
  (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
