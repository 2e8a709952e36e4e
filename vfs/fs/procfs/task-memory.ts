/** What procfs shows of an address space: maps, smaps, cmdline, environ, auxv and mem. @source Linux fs/proc/task_mmu.c, base.c */
import { EIO, ENOENT, type Err, fail, isErr } from '../../../abi/errno.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../../abi/mman.js';
import type { Caller } from '../../caller.js';
import { majorOf, minorOf } from '../../devices.js';
import { OpenFile } from '../../file.js';
import type { Inode } from '../../inode.js';
import type { IoIter } from '../../iter.js';
import { fileString } from '../../path-string.js';
import { seekTo } from '../../seek.js';
import { escapeOctal, hex, kib } from './format.js';
import type { Reader } from './row.js';
import type { ProcMemory, ProcRegion, ProcRegionUsage, ProcTask } from './source.js';

const PAGE_SIZE = 4096;
/** Where the name of a mapping starts in its line. */
const NAME_COLUMN = 73;
/** Arguments or environment that are looked at; a process may claim any part of its memory as such. */
const AREA_LIMIT = 8 << 20;
const NUL = 0;
/** Beyond every user address. */
const MEMORY_END = 2 ** 47;

function mapLine(task: ProcTask, region: ProcRegion, reader: Reader): string {
  const { file, prot } = region;
  const device = file === null ? 0 : file.node.fs.device;
  const rights = `${prot & PROT_READ ? 'r' : '-'}${prot & PROT_WRITE ? 'w' : '-'}${prot & PROT_EXEC ? 'x' : '-'}`;
  const range = `${hex(region.start, 8)}-${hex(region.end, 8)} ${rights}${region.shared ? 's' : 'p'}`;
  const where = `${hex(region.offset, 8)} ${hex(majorOf(device), 2)}:${hex(minorOf(device), 2)} ${file?.node.ino ?? 0} `;
  const root = reader.root ?? task.directories?.root;
  const name = file === null || root === undefined ? region.name : escapeOctal(fileString({ root }, file), '\n');
  const line = `${range} ${where}`;
  return `${name === '' ? line : line.padEnd(NAME_COLUMN) + name}\n`;
}

export function maps(task: ProcTask, reader: Reader): string {
  let text = '';
  for (const region of task.memory?.regions() ?? []) text += mapLine(task, region, reader);
  return text;
}

/** Lines of smaps with what they show; absent here: swap, huge pages, shared kernel pages. */
const USAGE_LINES: readonly (readonly [name: string, get: (u: ProcRegionUsage) => number])[] = [
  ['Rss', (u) => u.rss],
  ['Pss', (u) => u.pss],
  ['Pss_Dirty', (u) => u.privateDirty],
  ['Shared_Clean', (u) => u.sharedClean],
  ['Shared_Dirty', (u) => u.sharedDirty],
  ['Private_Clean', (u) => u.privateClean],
  ['Private_Dirty', (u) => u.privateDirty],
  ['Referenced', (u) => u.rss],
  ['Anonymous', (u) => u.anonymous],
  ['KSM', () => 0],
  ['LazyFree', () => 0],
  ['AnonHugePages', () => 0],
  ['ShmemPmdMapped', () => 0],
  ['FilePmdMapped', () => 0],
  ['Shared_Hugetlb', () => 0],
  ['Private_Hugetlb', () => 0],
  ['Swap', () => 0],
  ['SwapPss', () => 0],
  ['Locked', (u) => u.locked],
];

const amount = (name: string, bytes: number): string => `${`${name}:`.padEnd(16)}${`${kib(bytes)}`.padStart(8)} kB\n`;

const usageLines = (usage: ProcRegionUsage): string =>
  USAGE_LINES.map(([name, get]) => amount(name, get(usage))).join('');

/** The order in which Linux shows them. @source Linux fs/proc/task_mmu.c show_smap_vma_flags */
const FLAG_ORDER = 'rd wr ex sh mr mw me ms gd pf lo io sr rr dc de ac nr ht sf wf dd'.split(' ');

function flagLetters({ prot, shared, flagLetters: more }: ProcRegion): string {
  const letters = new Set(more.split(' '));
  if (prot & PROT_READ) letters.add('rd');
  if (prot & PROT_WRITE) letters.add('wr');
  if (prot & PROT_EXEC) letters.add('ex');
  if (shared) letters.add('sh').add('ms');
  else if (prot & PROT_WRITE && !letters.has('nr')) letters.add('ac');
  return FLAG_ORDER.filter((pair) => letters.has(pair))
    .map((pair) => `${pair} `)
    .join('');
}

export function smaps(task: ProcTask, reader: Reader): string {
  const { memory } = task;
  let text = '';
  for (const region of memory?.regions() ?? []) {
    text += mapLine(task, region, reader) + amount('Size', region.end - region.start);
    text += amount('KernelPageSize', PAGE_SIZE) + amount('MMUPageSize', PAGE_SIZE);
    text += usageLines(memory!.usage(region));
    text += `THPeligible:           0\nVmFlags: ${flagLetters(region)}\n`;
  }
  return text;
}

export function smapsRollup(task: ProcTask): string {
  const { memory } = task;
  if (memory === null) return '';
  const sum = {
    rss: 0,
    pss: 0,
    sharedClean: 0,
    sharedDirty: 0,
    privateClean: 0,
    privateDirty: 0,
    anonymous: 0,
    locked: 0,
  };
  let start = 0;
  let end = 0;
  for (const region of memory.regions()) {
    const usage = memory.usage(region);
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += usage[key];
    if (end === 0) start = region.start;
    end = region.end;
  }
  const line = `${hex(start, 8)}-${hex(end, 8)} ---p 00000000 00:00 0 `.padEnd(NAME_COLUMN);
  return `${line}[rollup]\n${usageLines(sum)}`;
}

/** Copies `[start, end)` as far as it can be read. */
function area(memory: ProcMemory, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, Math.min(end - start, AREA_LIMIT)));
  for (let at = 0; at < bytes.length; ) {
    const count = Math.min(PAGE_SIZE - ((start + at) % PAGE_SIZE), bytes.length - at);
    if (isErr(memory.user.read(start + at, bytes.subarray(at, at + count)))) return bytes.subarray(0, at);
    at += count;
  }
  return bytes;
}

/** The arguments. A program that wrote over the NUL at their end has set a title, which may run on into the environment. */
export function cmdline({ memory }: ProcTask): Uint8Array {
  if (memory === null) return new Uint8Array(0);
  const { argStart, argEnd, envStart, envEnd } = memory;
  const bytes = area(memory, argStart, argEnd);
  if (bytes.length === 0 || bytes[bytes.length - 1] === NUL) return bytes;
  const title = area(memory, argStart, envStart === argEnd && envEnd > envStart ? envEnd : argEnd);
  const end = title.indexOf(NUL);
  return end < 0 ? title : title.subarray(0, end + 1);
}

export const environ = ({ memory }: ProcTask): Uint8Array =>
  memory === null ? new Uint8Array(0) : area(memory, memory.envStart, memory.envEnd);

export const auxv = ({ memory }: ProcTask): Uint8Array => memory?.auxv ?? new Uint8Array(0);

/** /proc/PID/mem: the offset is the address. */
export class MemoryFile extends OpenFile {
  readonly #task: ProcTask;
  /** The space that was there on opening; after an execve the file reads as empty. */
  readonly #memory: ProcMemory;

  static open(inode: Inode, task: ProcTask, flags: number): OpenFile | Err {
    const { memory } = task;
    return memory === null ? fail(ENOENT) : new MemoryFile(inode, flags, task, memory);
  }

  private constructor(inode: Inode, flags: number, task: ProcTask, memory: ProcMemory) {
    super(inode, flags);
    this.#task = task;
    this.#memory = memory;
  }

  override get seekable(): boolean {
    return true;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = seekTo(offset, whence, MEMORY_END, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override read(to: IoIter, position: number, _caller: Caller): number | Err {
    return this.#copy(to.remaining, position, (page, at) => {
      const error = this.#memory.user.read(at, page);
      return isErr(error) ? error : to.put(page, 0, page.length);
    });
  }

  override write(from: IoIter, position: number, _caller: Caller): number | Err {
    return this.#copy(from.remaining, position, (page, at) => {
      const taken = from.take(page, 0, page.length);
      if (isErr(taken)) return taken;
      const error = this.#memory.user.write(at, page.subarray(0, taken));
      if (!isErr(error)) return taken;
      from.rewind(taken);
      return error;
    });
  }

  /** Page by page, because each may be missing. */
  #copy(length: number, position: number, move: (page: Uint8Array, address: number) => number | Err): number | Err {
    if (this.#task.memory?.user !== this.#memory.user) return 0;
    let done = 0;
    while (done < length && position + done < MEMORY_END) {
      const at = position + done;
      const count = Math.min(PAGE_SIZE - (at % PAGE_SIZE), length - done);
      const moved = move(new Uint8Array(count), at);
      if (isErr(moved)) return done > 0 ? done : fail(EIO);
      done += moved;
      if (moved < count) break;
    }
    return done;
  }
}
