/**
 * Translated code that outlives this run. A module is kept with the content of the pages that it was made from, by digest,
 * and what has to be written anew in it (relocation.ts). When tier 0 first decodes a page, the modules that begin in it are
 * fetched; each is installed as soon as an address space has all of its pages, and the regions that it calls are there.
 *
 * Only code of files is kept: its pages belong to a page cache besides the address space. What a program makes while it
 * runs would seldom be the same again.
 */
import type { PhysicalMemory } from '../physical-memory.js';
import { PAGE_SIZE } from '../state.js';
import { type Digest, decodeFile, encodeFile, type StoredModule } from './cache-format.js';
import type { RegionModule } from './translation.js';

/** Where modules are kept: names are hexadecimal, files whole or absent. */
export interface CodeStore {
  /** Stands for all that emitted code depends on besides the program. */
  readonly version: string;
  digest: Digest;
  load(name: string): Uint8Array | undefined;
  /** Empty: the file is not needed any more. */
  save(name: string, bytes: Uint8Array): void;
  /** Some files were saved: keeps the whole within its bounds. */
  trim(): void;
}

/** Bytes of modules that wait in memory, to be installed or to be written. */
const MAX_WAITING = 16 * 2 ** 20;
/** Modules of one file. */
const MAX_ENTRIES = 64;
/** Pages that were looked up, and modules that were used, of which notes are kept. */
const MAX_ASKED = 50_000;
const MAX_USED = 10_000;
/** Bytes of WebAssembly that one slice installs: bounds the time it takes. */
const MAX_INSTALLED = 64 * 1024;
/** Modules that lacked pages are tried again after so many slices: another program may be running. */
const RETRY = 64;
const NAME_LENGTH = 32;

interface Fetched {
  readonly stored: StoredModule;
  readonly file: string;
}

interface Kept {
  readonly stored: StoredModule;
  readonly file: string;
  readonly module: RegionModule;
}

export class TranslationCache {
  /** Modules that were installed instead of being translated, modules translated, and those written. */
  hits = 0;
  misses = 0;
  stores = 0;
  #store: CodeStore;
  #digest: Digest;
  #memory: PhysicalMemory;
  #version: Uint8Array;
  /** Digests of the content of frames that are marked as code. */
  #digests = new Map<number, string>();
  /** Files that were asked for, and are not to be again. */
  #asked = new Set<string>();
  #waiting = new Set<Fetched>();
  #waitingBytes = 0;
  #isDue = false;
  #looks = 0;
  #kept: Kept[] = [];
  #keptBytes = 0;
  /** Installed modules of files, with the regions that newer ones took the place of. */
  #used: Kept[] = [];

  constructor(memory: PhysicalMemory, store: CodeStore) {
    this.#memory = memory;
    this.#store = store;
    this.#digest = (bytes) => store.digest(bytes);
    this.#version = store.digest(new TextEncoder().encode(store.version));
    memory.onCodeWrite((frame) => this.#digests.delete(frame));
  }

  /** A page is executed for the first time, or again after it was changed. */
  touched(page: number, frame: number): void {
    if (!this.#isOfFile(frame)) return;
    this.#isDue = true;
    if (this.#asked.size > MAX_ASKED) this.#asked.clear();
    const file = this.#fileOf(page, this.digestOf(frame));
    if (this.#asked.has(file) || this.#waitingBytes > MAX_WAITING) return;
    this.#asked.add(file);
    const bytes = this.#store.load(file);
    if (bytes === undefined) return;
    for (const stored of this.#decode(bytes)) this.#wait({ stored, file });
  }

  /** Digest of a frame's content, in hexadecimal. The frame is code: it is not written without notice. */
  digestOf(frame: number): string {
    let known = this.#digests.get(frame);
    if (known === undefined) {
      this.#memory.markCode(frame);
      known = hex(this.#store.digest(this.#memory.u8.subarray(frame * PAGE_SIZE, (frame + 1) * PAGE_SIZE)));
      this.#digests.set(frame, known);
    }
    return known;
  }

  /** Whether there are modules to be installed. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether some of them may fit by now: pages have been executed that were not before. */
  get isDue(): boolean {
    return this.#isDue && this.isWaiting;
  }

  /**
   * Offers modules that may fit the active address space.
   * @param frameOf frame of an executable page, 0 without
   * @param install undefined: not now; null: never
   * @returns whether one was installed
   */
  install(
    frameOf: (page: number) => number,
    install: (stored: StoredModule) => RegionModule | undefined | null,
  ): boolean {
    if (!this.isWaiting || (!this.#isDue && ++this.#looks % RETRY !== 0)) return false;
    this.#isDue = false;
    let bytes = 0;
    for (let progress = true; progress; ) {
      progress = false;
      for (const fetched of this.#waiting) {
        const { stored, file } = fetched;
        if (!this.#isHere(stored, frameOf)) continue;
        if (bytes > MAX_INSTALLED) {
          this.#isDue = true;
          return true;
        }
        const module = install(stored);
        if (module === undefined) continue;
        this.#waiting.delete(fetched);
        this.#waitingBytes -= stored.bytes.length;
        if (module === null) continue;
        bytes += stored.bytes.length;
        progress = true;
        this.hits++;
        if (this.#used.length > MAX_USED) this.#used = this.#used.filter(({ module: { live } }) => live.size > 0);
        this.#used.push({ stored: withoutCode(stored), file, module });
        // Its pages have gone, or it made room: if they come again, so may it.
        module.onGone = () => this.#asked.delete(file);
      }
    }
    return bytes > 0;
  }

  /** A module was translated, all of its regions are in place: it is kept if its code is that of files. */
  keep(module: RegionModule, describe: (pages: [page: number, digest: string][]) => StoredModule): void {
    this.misses++;
    const pages = new Map<number, number>();
    for (const { frames } of module.live) for (const [page, frame] of frames) pages.set(page, frame);
    for (const frame of pages.values()) if (!this.#isOfFile(frame)) return;
    const stored = describe([...pages].map(([page, frame]) => [page, this.digestOf(frame)]));
    const first = stored.regions[0];
    if (first === undefined || this.#keptBytes > MAX_WAITING) return;
    const page = Math.floor(first.root / PAGE_SIZE);
    const file = this.#fileOf(page, this.digestOf(pages.get(page)!));
    const kept = { stored, file, module };
    this.#kept.push(kept);
    this.#keptBytes += stored.bytes.length;
    module.onGone = () => this.#gone(kept);
  }

  /** Whether there is something to write. */
  get hasKept(): boolean {
    return this.#kept.length > 0;
  }

  /** Writes what was kept since the last time. */
  flush(): void {
    const files = new Set(this.#kept.map(({ file }) => file));
    for (const { file, module } of this.#used) if (module.superseded.size > 0) files.add(file);
    for (const file of files) this.#write(file);
    if (files.size > 0) this.#store.trim();
    // What is in a file and in place needs no second copy; it counts as used from now on.
    const written = this.#kept.filter(({ module }) => module.live.size > 0);
    for (const { stored, file, module } of written) {
      this.#used.push({ stored: withoutCode(stored), file, module });
      module.onGone = () => this.#asked.delete(file);
    }
    this.#used = this.#used.filter(({ module }) => module.live.size > 0);
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #write(file: string): void {
    const fresh = this.#kept.filter((kept) => kept.file === file).flatMap(current);
    const replaced = new Set(fresh.flatMap(({ regions }) => regions.map(({ root }) => root)));
    const bytes = this.#store.load(file);
    const before = bytes === undefined ? [] : this.#decode(bytes);
    const superseded = this.#used.filter((used) => used.file === file && used.module.superseded.size > 0);
    const old = before.flatMap((stored) => {
      const same = superseded.find((used) => isSame(used.stored, stored));
      const gone = (root: number): boolean => replaced.has(root) || same?.module.superseded.has(root) === true;
      return without(stored, gone);
    });
    this.stores += fresh.length;
    // One of several with the same roots is enough: the newest.
    const modules = [...fresh.reverse(), ...old.reverse()].slice(0, MAX_ENTRIES).reverse();
    this.#store.save(file, modules.length === 0 ? new Uint8Array(0) : encodeFile(this.#version, modules, this.#digest));
  }

  /** A module that was not written yet is out of place: it may come back. */
  #gone(kept: Kept): void {
    if (!this.#kept.includes(kept)) return;
    for (const stored of current(kept)) this.#wait({ stored, file: kept.file });
  }

  #wait(fetched: Fetched): void {
    if (this.#waitingBytes > MAX_WAITING) return;
    this.#waiting.add(fetched);
    this.#waitingBytes += fetched.stored.bytes.length;
    this.#isDue = true;
  }

  #decode(bytes: Uint8Array): StoredModule[] {
    return decodeFile(this.#version, bytes, this.#digest);
  }

  #isHere({ pages }: StoredModule, frameOf: (page: number) => number): boolean {
    for (const [page, digest] of pages) {
      const frame = frameOf(page);
      if (frame === 0 || this.digestOf(frame) !== digest) return false;
    }
    return true;
  }

  /** A page that only one address space holds was made by the program. */
  #isOfFile(frame: number): boolean {
    return this.#memory.refs(frame) > 1;
  }

  #fileOf(page: number, digest: string): string {
    const key = new TextEncoder().encode(`${this.#store.version} ${page} ${digest}`);
    return hex(this.#store.digest(key)).slice(0, NAME_LENGTH);
  }
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** A kept module without the regions that newer ones have taken the place of. */
function current({ stored, module }: Kept): StoredModule[] {
  return without(stored, (root) => module.superseded.has(root));
}

function without(stored: StoredModule, gone: (root: number) => boolean): StoredModule[] {
  const regions = stored.regions.filter(({ root }) => !gone(root));
  if (regions.length === stored.regions.length) return [stored];
  return regions.length === 0 ? [] : [{ ...stored, regions }];
}

/** Whether two descriptions are of one module. */
function isSame(a: StoredModule, b: StoredModule): boolean {
  return (
    a.regions.length === b.regions.length &&
    a.regions.every(({ index, root, size }, i) => {
      const other = b.regions[i]!;
      return index === other.index && root === other.root && size === other.size;
    })
  );
}

function withoutCode(stored: StoredModule): StoredModule {
  return { ...stored, bytes: new Uint8Array(0), places: [], pages: [] };
}
