/**
 * Emits regions as one WebAssembly module: their functions, which call each other directly, and the functions of regions in
 * other modules, imported by the address of their roots.
 */
import { PAGE_SIZE } from '../state.js';
import { Code, type Place } from '../wasm/code.js';
import { ModuleBuilder } from '../wasm/module.js';
import type { FlagSource } from './flags.js';
import { emitRegion, type RegionEnvironment } from './function.js';
import { DOOR } from './layout.js';
import type { Plan } from './plan.js';
import { destinations, type Region } from './region.js';
import type { Relocation } from './relocation.js';
import type { Step } from './step.js';
import type { RegionFunction } from './translation.js';
import type { SourceMark, TranslatedRegion } from './watch.js';

const MAX_MEMORY_PAGES = 65536;

/** What the code of regions needs to know of those in place and of this run. */
export interface ModuleEnvironment {
  /** Whether there is a region at an address, in another module. */
  isInstalled(root: number): boolean;
  record(address: number): number;
  flagSource(source: FlagSource): number;
  /** Slot and the address that it was chosen for; slot −1: through the extents by address. */
  path(step: Step, write: boolean, stack: boolean): { slot: number; address: number };
  isAlone(step: Step): boolean;
}

/** An address at which the region at a root can be entered, besides that root. */
export interface Door {
  readonly address: number;
  readonly region: number;
}

export interface EmittedModule {
  readonly bytes: Uint8Array;
  /** Functions behind those of the regions. */
  readonly doors: readonly Door[];
  /** What has to be written anew in another run. */
  readonly places: readonly Place<Relocation>[];
  /** Roots of regions that it imports. Region i is exported as `exportName(i)`, doors behind them. */
  readonly imports: readonly number[];
  /** Numbers of flag sources in the code. */
  readonly flagSources: readonly number[];
  /** Slot → a page that accesses through it went to. */
  readonly slots: ReadonlyMap<number, number>;
  /** For people who look; empty when nobody does. */
  readonly watched: readonly TranslatedRegion[];
}

export function exportName(index: number): string {
  return `f${index}`;
}

export function importName(root: number): string {
  return `r${root.toString(16)}`;
}

export class ModuleEmitter {
  #regions: readonly Region[];
  #module = new ModuleBuilder();
  #functions = new Map<number, number>();
  #imports: number[];
  #doors: Door[] = [];
  #flagSources = new Set<number>();
  #slots = new Map<number, number>();
  #environment: RegionEnvironment;
  #names: Map<number, string>;
  #watched: TranslatedRegion[] = [];
  #isWatched: boolean;

  constructor(regions: readonly Region[], env: ModuleEnvironment, isWatched: boolean) {
    const module = this.#module;
    const functions = this.#functions;
    this.#regions = regions;
    this.#isWatched = isWatched;
    module.importMemory('cpu', 'memory', 1, MAX_MEMORY_PAGES);
    const stepFunction = module.importFunction('cpu', 'step', ['i32', 'i32'], ['i32']);
    const flagsFunction = module.importFunction('cpu', 'flags', [], []);
    const onwardFunction = module.importFunction('cpu', 'onward', ['i64', 'i64', 'i32'], ['i64']);
    const own = new Set(regions.map(({ root }) => root));
    for (const region of regions) {
      for (const root of destinations(region)) {
        if (own.has(root) || functions.has(root) || !env.isInstalled(root)) continue;
        functions.set(root, module.importFunction('regions', importName(root), ['i32'], ['i64']));
      }
    }
    this.#imports = [...functions.keys()];
    for (const root of own) functions.set(root, module.declare(['i32'], ['i64']));
    for (const region of regions) {
      for (const door of region.doors) {
        // It may be another region's already, in this module or in place.
        if (functions.has(door)) continue;
        functions.set(door, module.declare(['i32'], ['i64']));
        this.#doors.push({ address: door, region: region.root });
      }
    }
    this.#environment = {
      region: (root) => functions.get(root),
      stepFunction,
      flagsFunction,
      onwardFunction,
      record: (address) => env.record(address),
      handler: (step) => step.instruction.variant.op,
      flagSource: (source) => {
        const number = env.flagSource(source);
        this.#flagSources.add(number);
        return number;
      },
      path: (step, write, stack) => {
        const { slot, address } = env.path(step, write, stack);
        if (slot >= 0 && !this.#slots.has(slot)) this.#slots.set(slot, Math.floor(address / PAGE_SIZE));
        return slot;
      },
      isAlone: (step) => env.isAlone(step),
    };
    this.#names = new Map([
      [stepFunction, 'step'],
      [flagsFunction, 'flags'],
      [onwardFunction, 'onward'],
    ]);
    if (isWatched) for (const [root, func] of functions) this.#names.set(func, `region_${(root >>> 0).toString(16)}`);
  }

  /**
   * Emits a region, as `emitRegion`.
   * @param index which of the regions
   * @returns false when its control flow cannot be laid out
   */
  *emit(index: number, plan: Plan): Generator<number, boolean> {
    const { root } = plan.region;
    const marks: SourceMark[] | undefined = this.#isWatched ? [] : undefined;
    const code = yield* emitRegion(plan, this.#environment, marks);
    if (code === undefined) return false;
    if (marks !== undefined) {
      this.#watched.push({ root, code: code.view(), marks, locals: code.names, functions: this.#names });
    }
    this.#module.define(this.#functions.get(root)!, code);
    this.#module.export(exportName(index), this.#functions.get(root)!);
    return true;
  }

  /** Enters a region at one of its doors. */
  #emitDoor({ address, region }: Door, index: number): void {
    const code = new Code(1);
    code.i32(0);
    code.i64(address);
    code.memory('i64.store', DOOR);
    code.get(0);
    code.returnCall(this.#functions.get(region)!);
    this.#module.define(this.#functions.get(address)!, code);
    this.#module.export(exportName(index), this.#functions.get(address)!);
  }

  /** All regions have been emitted. */
  finish(): EmittedModule {
    for (const [i, door] of this.#doors.entries()) this.#emitDoor(door, this.#regions.length + i);
    const bytes = this.#module.build();
    return {
      bytes,
      places: this.#module.places as Place<Relocation>[],
      doors: this.#doors,
      imports: this.#imports,
      flagSources: [...this.#flagSources],
      slots: this.#slots,
      watched: this.#watched,
    };
  }
}

/** What a module of regions is linked against. */
export interface RegionImports {
  memory: WebAssembly.Memory;
  step: (record: number, handler: number) => number;
  flags: () => void;
  /** Of the interpreter's module: see `onwardFunction` in tier0/regions.ts. */
  onward: unknown;
}

/**
 * @param regions the functions of imported regions, by root
 * @param indices of the functions wanted
 * @throws WebAssembly.LinkError when it is no such module
 */
export function instantiate(
  module: WebAssembly.Module,
  cpu: RegionImports,
  regions: ReadonlyMap<number, RegionFunction>,
  indices: Iterable<number>,
): RegionFunction[] {
  const imported = Object.fromEntries([...regions].map(([root, func]) => [importName(root), func]));
  const { exports } = new WebAssembly.Instance(module, {
    cpu: { memory: cpu.memory, step: cpu.step, flags: cpu.flags, onward: cpu.onward },
    regions: imported,
  });
  return [...indices].map((i) => exports[exportName(i)] as RegionFunction);
}
