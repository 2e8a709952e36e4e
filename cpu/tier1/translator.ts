/**
 * The translator of one processor: learns what is hot, forms regions, has them emitted and puts them in place of the
 * records where they begin; takes them away when their code changes.
 *
 * Life of a region: a number in the table of handlers, a descriptor in memory, a WebAssembly function. Its first record
 * gets the region's handler number; a validity byte in the TLB block of every address space that runs it says that its
 * other pages are there too. When the content of one of its frames changes it is dropped, with all that call it.
 */
import type { CodeCache } from '../code-cache.js';
import { Decoder } from '../decoder.js';
import type { PageTable } from '../page-table.js';
import type { PhysicalMemory } from '../physical-memory.js';
import { R_OP } from '../record.js';
import { PAGE_SIZE, RIP, RSP, SLOW_EA, VALIDITY } from '../state.js';
import { table } from '../table/index.js';
import type { HandlerSet } from '../tier0/handlers.js';
import { ModuleBuilder } from '../wasm/module.js';
import { OPENED, REPLACED } from '../windows.js';
import { CodeReader } from './code-reader.js';
import { RegionFormer } from './form.js';
import { emitRegion, type RegionEnvironment } from './function.js';
import {
  D_DEFAULT_SSE,
  D_FLAGS,
  D_HANDLER,
  D_LEAST,
  D_PAGE,
  DESCRIPTOR_SIZE,
  DESCRIPTORS,
  GROUP_ACCESS,
  KIND_MISS,
  MAX_REGIONS,
  STOP_KIND,
  WRITE_ACCESS,
} from './layout.js';
import { type Plan, planRegion } from './plan.js';
import { Profile, type Site } from './profile.js';
import { Profiler } from './profiler.js';
import type { Region } from './region.js';
import { Slots } from './slots.js';
import { StaleFlags } from './stale-flags.js';
import type { Step } from './step.js';
import type { RegionWatcher, SourceMark, TranslatedRegion } from './watch.js';

const TWO_32 = 2 ** 32;
const DESCRIPTOR_FRAMES = (MAX_REGIONS * DESCRIPTOR_SIZE) / PAGE_SIZE;
/** A loop inside of a region gets one of its own if it runs so much more often than the region is entered. */
const LONG_LOOP = 64;
/** A loop is left to the region around it so often before it gets one of its own after all. */
const MAX_SKIPS = 2;
/** Places that regions leave to: notes about more are dropped. */
const MAX_WAITING = 20_000;
/** A region is made anew so often. */
const MAX_VERSIONS = 8;
/** Guest instructions translated at one time. */
const MAX_BATCH = 2000;
/** A site that missed so often because its window held another extent goes through the TLB. */
const MAX_CONFLICTS = 16;
/** Checks of a group that failed so often are made one by one. */
const MAX_GROUP_MISSES = 32;
const MAX_MEMORY_PAGES = 65536;

/** When and what to translate. */
export interface TranslatorOptions {
  /** Instructions in tier 0 between looks at the running program: at first and as long as something is found, and at most. */
  interval: number;
  maxInterval: number;
  /** Instructions that one look executes and notes. */
  burst: number;
  /** Calls that were seen before a function is worth a region, and jumps back before a loop is. */
  hotCalls: number;
  hotLoops: number;
}

export const DEFAULT_TRANSLATOR: TranslatorOptions = {
  interval: 50_000,
  maxInterval: 400_000,
  burst: 256,
  hotCalls: 3,
  hotLoops: 4,
};

export interface TranslatorParts {
  memory: PhysicalMemory;
  code: CodeCache;
  handlers: HandlerSet;
  table: WebAssembly.Table;
  /** Functions of the interpreter's module: one record; one instruction with its repetitions. */
  step: (record: number) => number;
  repeat: (record: number, handler: number) => number;
  /** Who wants to see what is emitted. */
  watcher: () => RegionWatcher | undefined;
}

interface Translation {
  number: number;
  root: number;
  region: Region;
  func: (depth: number) => bigint;
  record: number;
  /** Handler that the record had. */
  handler: number;
  entryFrame: number;
  /** Page number → frame. */
  frames: Map<number, number>;
  /** Regions whose code calls this one directly, and those that this one calls. */
  callers: Set<Translation>;
  callees: Set<Translation>;
  live: boolean;
}

export interface TranslatorStats {
  regions: number;
  modules: number;
  translatedInstructions: number;
  moduleBytes: number;
  dropped: number;
  windowMisses: number;
  conflicts: number;
}

export class Translator {
  readonly stats: TranslatorStats = {
    regions: 0,
    modules: 0,
    translatedInstructions: 0,
    moduleBytes: 0,
    dropped: 0,
    windowMisses: 0,
    conflicts: 0,
  };
  /** Instructions that tier 0 should execute between looks. */
  interval: number;
  #options: TranslatorOptions;
  #parts: TranslatorParts;
  #memory: PhysicalMemory;
  #pageTable: PageTable | undefined;
  #reader: CodeReader;
  #profile = new Profile();
  #profiler: Profiler;
  #former: RegionFormer;
  #slots = new Slots();
  #stale: StaleFlags;
  #translations: (Translation | undefined)[] = new Array<Translation | undefined>(MAX_REGIONS).fill(undefined);
  #free: number[] = [];
  #next = 0;
  #byRoot = new Map<number, Translation[]>();
  #byFrame = new Map<number, Set<Translation>>();
  /** Roots whose regions are to be made anew, and how often that was done. */
  #redo = new Set<number>();
  #versionOf = new Map<number, number>();
  /** Address that is no root → roots of the regions that leave to it. */
  #waiting = new Map<number, Set<number>>();
  #descriptors: number;

  constructor(parts: TranslatorParts, options: TranslatorOptions) {
    this.#options = options;
    this.interval = options.interval;
    const { memory, handlers, step } = parts;
    this.#parts = parts;
    this.#memory = memory;
    this.#stale = new StaleFlags(memory);
    this.#reader = new CodeReader(memory, new Decoder(table), handlers);
    this.#profiler = new Profiler(memory, handlers, this.#reader, this.#profile, step);
    this.#former = new RegionFormer(this.#reader, this.#profile);
    this.#descriptors = memory.allocRun(DESCRIPTOR_FRAMES) * PAGE_SIZE;
    memory.u32[DESCRIPTORS >> 2] = this.#descriptors;
    memory.onCodeWrite((frame) => this.#dropFrame(frame));
  }

  setPageTable(pageTable: PageTable): void {
    this.#pageTable = pageTable;
  }

  /**
   * Executes some instructions from a record on while noting what they do, then translates what has become hot.
   * @returns the record to go on at, 0 when the run loop must be left
   */
  look(record: number): number {
    if (this.#descriptors === 0) return record;
    this.#reader.begin(this.#pageTable!);
    const next = this.#profiler.run(record, this.#options.burst);
    const found = this.#profile.fresh.size + this.#redo.size > 0 && this.#translateHot();
    this.interval = found ? this.#options.interval : Math.min(this.#options.maxInterval, this.interval * 2);
    return next;
  }

  // Called by emitted code

  /** Whether the active address space has the code of a region. */
  validate(number: number): boolean {
    const translation = this.#translations[number];
    if (translation === undefined || !translation.live) return false;
    this.#reader.begin(this.#pageTable!);
    const seen = new Set([translation]);
    for (const { frames, callees } of seen) {
      for (const [page, frame] of frames) if (this.#reader.frame(page) !== frame) return false;
      for (const callee of callees) seen.add(callee);
    }
    this.#pageTable!.setValid(number);
    return true;
  }

  /** A region stopped: its window is opened where the access was, if it can be. */
  stopped(): void {
    const { u32, i32 } = this.#memory;
    const kind = u32[STOP_KIND >> 2]!;
    if ((kind & 0xff) !== KIND_MISS) return;
    this.stats.windowMisses++;
    const slot = (kind >> 8) & 0xff;
    const write = (kind & WRITE_ACCESS) !== 0;
    const vpn = i32[(SLOW_EA >> 2) + 1]! * 2 ** 20 + (u32[SLOW_EA >> 2]! >>> 12);
    const { windows } = this.#pageTable!;
    const isHeld = windows.holds(slot, vpn, write);
    const opened = isHeld ? OPENED : windows.open(slot, vpn, write);
    const address = i32[(RIP >> 2) + 1]! * TWO_32 + u32[RIP >> 2]!;
    const site = this.#profile.sites.get(address);
    if (site === undefined) return;
    if (isHeld && kind & GROUP_ACCESS) {
      // The extent ends between the accesses of the group.
      if (++site.groupMisses === MAX_GROUP_MISSES) this.#redoAt(site, address);
    } else if (opened === REPLACED) {
      this.stats.conflicts++;
      if (++site.conflicts === MAX_CONFLICTS) this.#redoAt(site, address);
    }
  }

  #redoAt(site: Site, address: number): void {
    for (const translation of this.#byFrame.get(site.frame) ?? []) {
      if (includes(translation.region, address)) this.#redo.add(translation.root);
    }
  }

  staleFlags(): void {
    this.#stale.resolve();
  }

  // Choosing

  #translateHot(): boolean {
    this.#former.begin();
    const roots = this.#chooseRoots();
    for (const root of this.#redo) {
      this.#versionOf.set(root, this.#versions(root) + 1);
      roots.add(root);
    }
    this.#redo.clear();
    if (roots.size === 0) return false;
    return this.#translate(roots);
  }

  #chooseRoots(): Set<number> {
    const { sites, fresh } = this.#profile;
    const { hotCalls, hotLoops } = this.#options;
    const chosen = new Set<number>();
    const loops: number[] = [];
    for (const address of fresh) {
      const site = sites.get(address);
      if (site === undefined || this.#find(address) !== undefined) {
        fresh.delete(address);
        continue;
      }
      if (site.entries >= hotCalls) chosen.add(address);
      else if (site.exits >= hotLoops) this.#chooseExit(address, chosen);
      else if (site.loops >= hotLoops) loops.push(address);
    }
    // The outer loops come first: they turn less often.
    loops.sort((a, b) => sites.get(a)!.loops - sites.get(b)!.loops || a - b);
    for (const address of loops) {
      const site = sites.get(address)!;
      const isCovered = (root: number): boolean => {
        const around = sites.get(root);
        if (around === undefined || !this.#former.covers(root, address)) return false;
        return site.loops < LONG_LOOP * (around.entries + around.loops + around.exits);
      };
      if ([...chosen].some(isCovered) || (site.skips < MAX_SKIPS && [...this.#byRoot.keys()].some(isCovered))) {
        // The region around it should serve. If tier 0 still sees it after that, it is entered in other ways.
        site.skips++;
        site.loops = 0;
        fresh.delete(address);
      } else chosen.add(address);
    }
    for (const address of chosen) fresh.delete(address);
    return chosen;
  }

  /** Control often comes out of a region to here: a way that should be inside of it, or a place to go in. */
  #chooseExit(address: number, chosen: Set<number>): void {
    const from = this.#translations[this.#profiler.leftFrom.get(address)!];
    const site = this.#profile.sites.get(address)!;
    site.exits = 0;
    if (
      from !== undefined &&
      !includes(from.region, address) &&
      this.#former.covers(from.root, address) &&
      this.#versions(from.root) < MAX_VERSIONS
    ) {
      this.#redo.add(from.root);
    } else chosen.add(address);
  }

  #versions(root: number): number {
    return this.#versionOf.get(root) ?? 0;
  }

  /** The region at a root that is valid in the active address space. */
  #find(root: number): Translation | undefined {
    const frame = this.#reader.frame(Math.floor(root / PAGE_SIZE));
    return this.#byRoot
      .get(root)
      ?.find((t) => t.entryFrame === frame && (this.#pageTable!.isValid(t.number) || this.validate(t.number)));
  }

  // Translating

  #translate(roots: ReadonlySet<number>): boolean {
    const accepted = this.#acceptable(roots);
    const isRoot = (address: number): boolean => accepted.has(address) || this.#find(address) !== undefined;
    const plans = [...accepted].map((root) => planRegion(this.#former.form(root, isRoot)!));
    const made = plans.length > 0 && this.#emit(plans);
    return made;
  }

  /**
   * Those of the roots that have code, with what they call and the regions that wait for them: as many as go into one
   * batch and as there is room for. Others come later.
   */
  #acceptable(roots: ReadonlySet<number>): Set<number> {
    const accepted = new Set<number>();
    const queue = new Set(roots);
    let room = this.#free.length + (MAX_REGIONS - this.#next);
    let size = 0;
    for (const root of queue) {
      const own = this.#former.size(root);
      if (own === 0) continue;
      if (size > MAX_BATCH || room === 0) {
        this.#profile.fresh.add(root);
        continue;
      }
      accepted.add(root);
      size += own;
      room--;
      for (const callee of this.#former.calls(root)) if (this.#find(callee) === undefined) queue.add(callee);
      for (const waiting of this.#waiting.get(root) ?? []) {
        if (queue.has(waiting) || this.#versions(waiting) >= MAX_VERSIONS || this.#find(waiting) === undefined)
          continue;
        this.#versionOf.set(waiting, this.#versions(waiting) + 1);
        queue.add(waiting);
      }
    }
    return accepted;
  }

  /** Notes that a region leaves to a place that may become a root. */
  #wait(address: number, root: number): void {
    if (this.#waiting.size > MAX_WAITING) this.#waiting.clear();
    const waiting = this.#waiting.get(address);
    if (waiting === undefined) this.#waiting.set(address, new Set([root]));
    else waiting.add(root);
  }

  #emit(plans: readonly Plan[]): boolean {
    const module = new ModuleBuilder();
    module.importMemory('cpu', 'memory', 1, MAX_MEMORY_PAGES);
    const stepFunction = module.importFunction('cpu', 'step', ['i32', 'i32'], ['i32']);
    const flagsFunction = module.importFunction('cpu', 'flags', [], []);
    const own = new Set(plans.map(({ region }) => region.root));
    const functions = new Map<number, number>();
    const outside = new Map<number, Translation>();
    const imports: Record<string, (depth: number) => bigint> = {};
    for (const plan of plans) {
      for (const callee of destinations(plan)) {
        if (own.has(callee) || outside.has(callee)) continue;
        const known = this.#find(callee);
        if (known === undefined) continue;
        outside.set(callee, known);
        imports[`r${known.number}`] = known.func;
        functions.set(callee, module.importFunction('regions', `r${known.number}`, ['i32'], ['i64']));
      }
    }
    for (const root of own) functions.set(root, module.declare(['i32'], ['i64']));
    const environment: RegionEnvironment = {
      region: (root) => functions.get(root),
      stepFunction,
      flagsFunction,
      record: (address) => this.#recordAt(address),
      handler: (step) => step.instruction.variant.op,
      flagSource: (source) => this.#stale.number(source),
      path: (step, write, stack) => this.#path(step, write, stack),
      isAlone: (step) => (this.#profile.sites.get(step.instruction.address)?.groupMisses ?? 0) >= MAX_GROUP_MISSES,
    };
    const records = plans.map(({ region }) => this.#recordAt(region.root));
    const watcher = this.#parts.watcher();
    const watched: TranslatedRegion[] = [];
    const functionNames = new Map([
      [stepFunction, 'step'],
      [flagsFunction, 'flags'],
    ]);
    if (watcher !== undefined) {
      for (const [root, func] of functions) functionNames.set(func, `region_${(root >>> 0).toString(16)}`);
    }
    for (const plan of plans) {
      const marks: SourceMark[] | undefined = watcher && [];
      const code = emitRegion(plan, environment, marks);
      if (code === undefined) return false;
      if (marks !== undefined) {
        const { root } = plan.region;
        watched.push({ root, code: code.view(), marks, locals: code.names, functions: functionNames });
      }
      module.define(functions.get(plan.region.root)!, code);
    }
    for (const [i, { region }] of plans.entries()) module.export(`f${i}`, functions.get(region.root)!);
    const bytes = module.build();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      cpu: { memory: this.#memory.memory, step: this.#parts.repeat, flags: () => this.staleFlags() },
      regions: imports,
    });
    this.stats.modules++;
    this.stats.moduleBytes += bytes.length;
    for (const region of watched) watcher!(region);
    const made = plans.map((plan, i) =>
      this.#install(plan, records[i]!, instance.exports[`f${i}`] as (depth: number) => bigint),
    );
    for (const [i, translation] of made.entries()) {
      if (translation === undefined) continue;
      for (const { address } of plans[i]!.leaving) if (!functions.has(address)) this.#wait(address, translation.root);
      for (const callee of destinations(plans[i]!)) {
        const target = outside.get(callee) ?? made.find((other) => other?.root === callee);
        if (target === undefined) continue;
        target.callers.add(translation);
        translation.callees.add(target);
      }
    }
    return true;
  }

  #recordAt(address: number): number {
    const page = Math.floor(address / PAGE_SIZE);
    const frame = this.#reader.frame(page);
    const codePage = frame === 0 ? undefined : this.#parts.code.page(frame);
    return codePage === undefined ? 0 : this.#parts.code.record(codePage, address - page * PAGE_SIZE);
  }

  #path(step: Step, write: boolean, stack: boolean): number {
    const { i32, u32 } = this.#memory;
    const site = this.#profile.sites.get(step.instruction.address);
    if (site !== undefined && site.conflicts >= MAX_CONFLICTS) return -1;
    const { ripRelative, address, length, displacement, base, index } = step.instruction;
    let at = site?.lastAddress ?? Number.NaN;
    if (stack) at = i32[(RSP >> 2) + 1]! * TWO_32 + u32[RSP >> 2]!;
    else if (ripRelative) at = address + length + displacement;
    else if (Number.isNaN(at) && base === RSP && index === 0x400) at = i32[(RSP >> 2) + 1]! * TWO_32 + u32[RSP >> 2]!;
    return Number.isNaN(at) ? -1 : this.#slots.find(this.#pageTable!, at, write);
  }

  #install(plan: Plan, record: number, func: (depth: number) => bigint): Translation | undefined {
    const { region } = plan;
    const number = this.#free.pop() ?? (this.#next < MAX_REGIONS ? this.#next++ : -1);
    if (number < 0 || record === 0) return undefined;
    const { firstRegion } = this.#parts.handlers;
    const { u16, u8, view } = this.#memory;
    // Somebody else's region may begin here, of other processes or an older one: one at a time.
    const present = u16[(record + R_OP) >> 1]!;
    if (present >= firstRegion) this.#supersede(this.#translations[present - firstRegion]!);
    const handler = u16[(record + R_OP) >> 1]!;
    const frames = new Map([...region.pages].map((page) => [page, this.#reader.frame(page)]));
    const entryFrame = this.#reader.frame(Math.floor(region.root / PAGE_SIZE));
    const translation: Translation = {
      number,
      root: region.root,
      region,
      func,
      record,
      handler,
      entryFrame,
      frames,
      callers: new Set(),
      callees: new Set(),
      live: true,
    };
    const at = this.#descriptors + number * DESCRIPTOR_SIZE;
    view.setBigInt64(at + D_PAGE, BigInt(Math.floor(region.root / PAGE_SIZE) * PAGE_SIZE), true);
    view.setInt32(at + D_LEAST, region.size * 32, true);
    view.setUint16(at + D_HANDLER, handler, true);
    view.setUint16(at + D_FLAGS, plan.defaultSse ? D_DEFAULT_SSE : 0, true);
    for (const block of this.#memory.tlbBlocks) u8[block + VALIDITY + number] = 0;
    this.#parts.table.set(firstRegion + MAX_REGIONS + number, func);
    this.#translations[number] = translation;
    const same = this.#byRoot.get(region.root);
    if (same === undefined) this.#byRoot.set(region.root, [translation]);
    else same.push(translation);
    for (const frame of frames.values()) {
      let users = this.#byFrame.get(frame);
      if (users === undefined) this.#byFrame.set(frame, (users = new Set()));
      users.add(translation);
      this.#parts.code.page(frame);
    }
    u16[(record + R_OP) >> 1] = firstRegion + number;
    this.stats.regions++;
    this.stats.translatedInstructions += region.size;
    return translation;
  }

  // Dropping

  /** All decoded code is gone. */
  dropAll(): void {
    for (const translation of this.#translations) {
      if (translation !== undefined) this.#drop(translation, translation.entryFrame);
    }
  }

  #dropFrame(frame: number): void {
    const users = this.#byFrame.get(frame);
    if (users === undefined) return;
    for (const translation of [...users]) this.#drop(translation, frame);
  }

  /** Takes a region out of its place. Regions that call it go on doing so. */
  #supersede(translation: Translation): void {
    this.#memory.u16[(translation.record + R_OP) >> 1] = translation.handler;
    this.#unlist(translation);
  }

  /** Frees what a region has as a place to enter. */
  #unlist(translation: Translation): void {
    const { number, root } = translation;
    if (this.#translations[number] !== translation) return;
    const { u8 } = this.#memory;
    this.#parts.table.set(this.#parts.handlers.firstRegion + MAX_REGIONS + number, null);
    for (const block of this.#memory.tlbBlocks) u8[block + VALIDITY + number] = 0;
    this.#translations[number] = undefined;
    this.#free.push(number);
    const same = this.#byRoot.get(root)!.filter((other) => other !== translation);
    if (same.length === 0) this.#byRoot.delete(root);
    else this.#byRoot.set(root, same);
  }

  /** @param lost frame whose records are gone already */
  #drop(translation: Translation, lost = 0): void {
    if (!translation.live) return;
    translation.live = false;
    const { number, record, handler, entryFrame, callers, frames } = translation;
    if (entryFrame !== lost && this.#translations[number] === translation) {
      this.#memory.u16[(record + R_OP) >> 1] = handler;
    }
    this.#unlist(translation);
    for (const frame of frames.values()) {
      const users = this.#byFrame.get(frame);
      users?.delete(translation);
      if (users?.size === 0) this.#byFrame.delete(frame);
    }
    this.stats.dropped++;
    for (const caller of callers) this.#drop(caller, lost);
  }
}

/** Where the code of a region goes by itself when it leaves: calls, and jumps to constant addresses. */
function destinations({ region, leaving }: Plan): Set<number> {
  return new Set([...region.callees, ...leaving.map(({ address }) => address)]);
}

function includes(region: Region, address: number): boolean {
  return region.blocks.some((block) => block.instructions.some((instruction) => instruction.address === address));
}
