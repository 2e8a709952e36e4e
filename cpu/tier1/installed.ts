/**
 * The regions that are in place. Life of a region: a number in the table of handlers, a descriptor in memory, a WebAssembly
 * function. Its first record gets the region's handler number; a validity byte in the TLB block of every address space that
 * runs it says that its other pages are there too. When the content of one of its frames changes it is dropped, with all
 * that call it; so are modules that have not been entered for longest when there are too many. Nothing here keeps a dropped
 * region's function alive.
 */
import type { CodeCache } from '../code-cache.js';
import type { PhysicalMemory } from '../physical-memory.js';
import { R_OP, RECORD_SIZE } from '../record.js';
import type { ActiveSpace } from '../run-state.js';
import { PAGE_SIZE, TLB_HASH, VALIDITY, VALIDITY_BYTES } from '../state.js';
import type { HandlerSet } from '../tier0/handlers.js';
import type { CodeReader } from './code-reader.js';
import {
  D_DEFAULT_SSE,
  D_FLAGS,
  D_HANDLER,
  D_LEAST,
  D_ROOT,
  DESCRIPTOR_SIZE,
  DESCRIPTORS,
  HINT_BYTES,
  HINT_MASK,
  HINT_SHIFT,
  HINTS,
  MAX_REGIONS,
} from './layout.js';
import type { StaleFlags } from './stale-flags.js';
import {
  includes,
  type Reach,
  type RegionBody,
  type RegionFunction,
  type RegionModule,
  type Translation,
} from './translation.js';

const DESCRIPTOR_BYTES = MAX_REGIONS * DESCRIPTOR_SIZE;
/** When room has to be made, a share of so much is. */
const SPARE = 1 / 8;
/** Looks between two moments at which regions have to show that they are in use. */
const GENERATION = 16;

export interface RegionLimits {
  /** Bytes of WebAssembly in modules that are in place. */
  budget: number;
  /** At most MAX_REGIONS. */
  maxRegions: number;
}

export interface InstalledParts {
  memory: PhysicalMemory;
  code: CodeCache;
  handlers: HandlerSet;
  table: WebAssembly.Table;
  reader: CodeReader;
  stale: StaleFlags;
  space: ActiveSpace;
}

export class InstalledRegions {
  dropped = 0;
  evicted = 0;
  #parts: InstalledParts;
  #memory: PhysicalMemory;
  #limits: RegionLimits;
  #translations = new Array<Translation | undefined>(MAX_REGIONS).fill(undefined);
  #free: number[] = [];
  #next = 0;
  #byRoot = new Map<number, Translation[]>();
  #byFrame = new Map<number, Set<Translation>>();
  #modules = new Set<RegionModule>();
  #bytes = 0;
  #opened: RegionModule | undefined;
  #descriptors: number;
  #hints: number;
  #generation = 0;
  #looks = 0;
  /** How often it has changed which regions call which. */
  #links = 0;

  constructor(parts: InstalledParts, limits: RegionLimits) {
    this.#parts = parts;
    this.#limits = { ...limits, maxRegions: Math.min(limits.maxRegions, MAX_REGIONS) };
    const { memory } = parts;
    this.#memory = memory;
    this.#descriptors = memory.allocRun((DESCRIPTOR_BYTES + HINT_BYTES) / PAGE_SIZE) * PAGE_SIZE;
    this.#hints = this.#descriptors + DESCRIPTOR_BYTES;
    memory.u32[DESCRIPTORS >> 2] = this.#descriptors;
    memory.u32[HINTS >> 2] = this.#hints;
    memory.onCodeWrite((frame) => this.#dropFrame(frame));
  }

  /** False: there was no memory for descriptors, and there can be no regions. */
  get isUsable(): boolean {
    return this.#descriptors !== 0;
  }

  get liveRegions(): number {
    return this.#next - this.#free.length;
  }

  get liveModules(): number {
    return this.#modules.size;
  }

  get liveBytes(): number {
    return this.#bytes;
  }

  /** A region; of a door the one that it leads into. */
  main(number: number): Translation | undefined {
    const translation = this.#translations[number];
    if (translation?.body.doorOf === undefined) return translation;
    const [main] = translation.callees;
    return main;
  }

  /** Handler that the first record of a region had. */
  handlerOf(number: number): number {
    return this.#translations[number]!.handler;
  }

  usersOf(frame: number): Iterable<Translation> {
    return this.#byFrame.get(frame) ?? [];
  }

  /** Roots of the regions that have an instruction at an address. */
  around(address: number): number[] {
    const users = [...this.usersOf(this.#parts.reader.frame(Math.floor(address / PAGE_SIZE)))];
    const isHere = (user: Translation): boolean => includes(user.body, address) && this.find(user.body.root) === user;
    return users.filter(isHere).map(({ body }) => body.root);
  }

  /** The region at a root that is valid in the active address space. */
  find(root: number): Translation | undefined {
    const frame = this.#parts.reader.frame(Math.floor(root / PAGE_SIZE));
    return this.#byRoot
      .get(root)
      ?.find((t) => t.entryFrame === frame && (this.#parts.space.pageTable!.isValid(t.number) || this.#isHere(t)));
  }

  /** A region is about to be entered: whether the active address space has its code. The reader has begun afresh. */
  validate(number: number): boolean {
    const translation = this.#translations[number];
    if (translation === undefined || !translation.live || !this.#isHere(translation)) return false;
    const reached = this.#reachOf(translation).regions;
    const breakpoints = this.#parts.space.pageTable!.marks?.breakpoints;
    if (breakpoints !== undefined && breakpoints.size > 0) {
      // Where a debugger wants to be told it is made anew, without the instruction.
      for (const other of reached) if (includesAny(other.body, breakpoints)) this.drop(other);
      if (!translation.live) return false;
    }
    for (const { module } of reached) module.generation = this.#generation;
    this.#parts.space.pageTable!.setValid(number);
    return true;
  }

  /** Record of an instruction of the active address space; 0 without. */
  recordAt(address: number): number {
    const page = Math.floor(address / PAGE_SIZE);
    const frame = this.#parts.reader.frame(page);
    const codePage = frame === 0 ? undefined : this.#parts.code.page(frame);
    return codePage === undefined ? 0 : this.#parts.code.record(codePage, address - page * PAGE_SIZE);
  }

  /** @param module open; @returns undefined when there is no number left or no record */
  install(body: RegionBody, module: RegionModule, func: RegionFunction): Translation | undefined {
    const record = this.recordAt(body.root);
    if (record === 0) return undefined;
    const number = this.#free.pop() ?? (this.#next < this.#limits.maxRegions ? this.#next++ : -1);
    if (number < 0) return undefined;
    const { reader, table } = this.#parts;
    const { firstRegion } = this.#parts.handlers;
    const { u16, u8, view } = this.#memory;
    // Somebody else's region may begin here, of other processes or an older one: one at a time.
    const present = u16[(record + R_OP) >> 1]!;
    if (present >= firstRegion) this.#supersede(this.#translations[present - firstRegion]!);
    const handler = u16[(record + R_OP) >> 1]!;
    const frames = new Map([...body.pages].map((page) => [page, reader.frame(page)]));
    const entryPage = Math.floor(body.root / PAGE_SIZE);
    const translation: Translation = {
      number,
      body,
      module,
      func,
      record,
      handler,
      entryFrame: reader.frame(entryPage),
      frames,
      callers: new Set(),
      callees: new Set(),
      unlinked: new Set(),
      live: true,
      reach: undefined,
    };
    const at = this.#descriptors + number * DESCRIPTOR_SIZE;
    view.setBigInt64(at + D_ROOT, BigInt(body.root), true);
    view.setInt32(at + D_LEAST, body.longest * RECORD_SIZE, true);
    view.setUint16(at + D_HANDLER, handler, true);
    view.setUint16(at + D_FLAGS, body.defaultSse ? D_DEFAULT_SSE : 0, true);
    for (const block of this.#memory.tlbBlocks) u8[block + VALIDITY + number] = 0;
    table.set(firstRegion + MAX_REGIONS + number, func);
    this.#translations[number] = translation;
    const same = this.#byRoot.get(body.root);
    if (same === undefined) this.#byRoot.set(body.root, [translation]);
    else same.push(translation);
    for (const frame of frames.values()) {
      let users = this.#byFrame.get(frame);
      if (users === undefined) this.#byFrame.set(frame, (users = new Set()));
      users.add(translation);
      this.#memory.markCode(frame);
    }
    module.live.add(translation);
    u16[(record + R_OP) >> 1] = firstRegion + number;
    u16[(this.#hints + ((Math.imul(body.root, TLB_HASH) >>> HINT_SHIFT) & HINT_MASK)) >> 1] = number;
    return translation;
  }

  /** Notes direct calls from a region to others. */
  link(caller: Translation, callee: Translation): void {
    this.#links++;
    callee.callers.add(caller);
    caller.callees.add(callee);
  }

  /** Makes room for a module by dropping others, those first that have not been in use for longest. */
  makeRoom(bytes: number, regions: number): void {
    const { budget, maxRegions } = this.#limits;
    const isRoom = (spare: number): boolean =>
      this.#bytes + bytes + budget * spare <= budget && this.liveRegions + regions + maxRegions * spare <= maxRegions;
    if (isRoom(0)) return;
    // The sort keeps the order of age among those of one generation.
    for (const module of [...this.#modules].sort((a, b) => a.generation - b.generation)) {
      if (isRoom(SPARE)) return;
      if (module.live.size === 0) continue;
      this.evicted++;
      for (const translation of [...module.live]) this.drop(translation);
    }
  }

  /** Regions that can be installed without dropping others. */
  get room(): number {
    return this.#limits.maxRegions - this.liveRegions;
  }

  /**
   * Comes now and then. When room gets scarce, validity is taken away from all regions: whatever is entered shows that it is
   * in use when it asks for it again.
   */
  age(): void {
    if (++this.#looks % GENERATION !== 0) return;
    const { budget, maxRegions } = this.#limits;
    if (this.#bytes < budget / 2 && this.liveRegions < maxRegions / 2) return;
    this.#generation++;
    const { u8, tlbBlocks } = this.#memory;
    for (const block of tlbBlocks) u8.fill(0, block + VALIDITY, block + VALIDITY + VALIDITY_BYTES);
  }

  /** All decoded code is gone. */
  dropAll(): void {
    for (const { live } of this.#modules) {
      for (const translation of [...live]) this.drop(translation, translation.entryFrame);
    }
  }

  /** @param lost frame whose records are gone already */
  drop(translation: Translation, lost = 0): void {
    if (!translation.live) return;
    translation.live = false;
    this.#links++;
    const { number, record, handler, entryFrame, callers, callees, frames } = translation;
    if (entryFrame !== lost && this.#translations[number] === translation) {
      this.#memory.u16[(record + R_OP) >> 1] = handler;
    }
    this.#unlist(translation);
    for (const frame of frames.values()) {
      const users = this.#byFrame.get(frame);
      users?.delete(translation);
      if (users?.size === 0) this.#byFrame.delete(frame);
    }
    this.dropped++;
    for (const caller of [...callers]) this.drop(caller, lost);
    for (const callee of callees) {
      callee.callers.delete(translation);
      this.#dropUnused(callee, lost);
    }
    translation.module.live.delete(translation);
    this.#exit(translation.module);
  }

  /** Takes a region out of its place. Regions that call it go on doing so. */
  #supersede(translation: Translation): void {
    this.#memory.u16[(translation.record + R_OP) >> 1] = translation.handler;
    translation.module.superseded.add(translation.body.root);
    this.#unlist(translation);
    this.#dropUnused(translation, 0);
  }

  /** Drops a region that cannot be entered any more. */
  #dropUnused(translation: Translation, lost: number): void {
    const { number, callers } = translation;
    if (this.#translations[number] === translation) return;
    for (const caller of callers) if (caller !== translation) return;
    this.drop(translation, lost);
  }

  /** Frees what a region has as a place to enter. */
  #unlist(translation: Translation): void {
    const { number, body } = translation;
    if (this.#translations[number] !== translation) return;
    const { u8 } = this.#memory;
    this.#parts.table.set(this.#parts.handlers.firstRegion + MAX_REGIONS + number, null);
    for (const block of this.#memory.tlbBlocks) u8[block + VALIDITY + number] = 0;
    this.#translations[number] = undefined;
    this.#free.push(number);
    const same = this.#byRoot.get(body.root)!.filter((other) => other !== translation);
    if (same.length === 0) this.#byRoot.delete(body.root);
    else this.#byRoot.set(body.root, same);
  }

  #dropFrame(frame: number): void {
    const users = this.#byFrame.get(frame);
    if (users === undefined) return;
    for (const translation of [...users]) this.drop(translation, frame);
  }

  /** Regions of a module are about to be installed: until `close` it stays, whatever happens to them. */
  open(module: RegionModule): void {
    this.#opened = module;
    this.#modules.add(module);
    this.#bytes += module.size;
    module.generation = this.#generation;
    this.#parts.stale.retain(module.flagSources);
  }

  close(module: RegionModule): void {
    this.#opened = undefined;
    this.#exit(module);
  }

  /** Lets go of a module without regions. */
  #exit(module: RegionModule): void {
    if (module.live.size > 0 || module === this.#opened || !this.#modules.delete(module)) return;
    this.#bytes -= module.size;
    this.#parts.stale.release(module.flagSources);
    module.onGone?.();
  }

  /** Whether the active address space has the code of the region and of all that it calls. */
  #isHere(translation: Translation): boolean {
    const { reader } = this.#parts;
    const { pages, frames } = this.#reachOf(translation);
    for (let i = 0; i < pages.length; i++) if (reader.frame(pages[i]!) !== frames[i]) return false;
    return true;
  }

  #reachOf(translation: Translation): Reach {
    const known = translation.reach;
    if (known?.links === this.#links) return known;
    const regions = new Set([translation]);
    // Some region of another address space may be among them: then a page has two frames, and it is nowhere.
    const pages: number[] = [];
    const frames: number[] = [];
    for (const region of regions) {
      for (const [page, frame] of region.frames) {
        if (pages.some((other, i) => other === page && frames[i] === frame)) continue;
        pages.push(page);
        frames.push(frame);
      }
      for (const callee of region.callees) regions.add(callee);
    }
    const reach = { links: this.#links, regions: [...regions], pages, frames };
    translation.reach = reach;
    return reach;
  }
}

function includesAny(body: RegionBody, addresses: Iterable<number>): boolean {
  for (const address of addresses) if (includes(body, address)) return true;
  return false;
}
