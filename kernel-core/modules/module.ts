/** A loaded module: what it is made of, who needs it, which state it is in. */
import { TAINT_LETTERS, type TaintLetter } from '../../abi/modules.js';
import type { LinkedObject } from '../../elf/link/link.js';
import type { DriverRecord, ExportRecord, ModuleInfo } from '../../elf/link/metadata.js';
import type { Instance } from '../drivers/instance.js';
import type { Owner } from '../drivers/owner.js';
import type { Parameter } from './parameters.js';
import type { UnloadTimer } from './unload.js';

/** As /proc/modules has it. */
export type ModuleState = 'Loading' | 'Live' | 'Unloading';

/** How far a sequence is that loads or unloads: for finding out who waits for whom. */
export interface Progress {
  /** Nothing goes on until this module's init or uninit has returned; null: it waits for none. */
  waitsFor: Module | null;
}

export interface ModuleExport {
  readonly module: Module;
  readonly name: string;
  /** Signed. */
  readonly address: number;
  /** Version or checksum that the module gives it (`__crc_NAME`); undefined: none. */
  readonly version: bigint | undefined;
}

export interface ModuleParts {
  readonly name: string;
  readonly index: number;
  readonly owner: Owner;
  readonly driver: DriverRecord;
  readonly info: ModuleInfo;
  readonly linked: LinkedObject;
  readonly instance: Instance;
  readonly parameters: readonly Parameter[];
  readonly dependencies: ReadonlySet<Module>;
  readonly exports: readonly ExportRecord[];
}

/** Absolute symbol that gives an export its version. @source Linux CONFIG_MODVERSIONS */
const VERSION_PREFIX = '__crc_';

export class Module {
  /** Unique among those that are loaded. */
  readonly name: string;
  /** What banos_install answers: from 0, never used twice. */
  readonly index: number;
  readonly owner: Owner;
  readonly driver: DriverRecord;
  readonly info: ModuleInfo;
  readonly linked: LinkedObject;
  readonly instance: Instance;
  readonly parameters: readonly Parameter[];
  /** Modules whose symbols it uses, or that it says it needs. Each of them is held by it. */
  readonly dependencies: ReadonlySet<Module>;
  /** Modules that use it, the youngest last. */
  readonly users = new Set<Module>();
  /** By name. Others can use them as long as it is Live. */
  readonly exports: ReadonlyMap<string, ModuleExport>;
  /** What its own functions have asked for, and wait for now (requests.ts). */
  readonly requests = new Set<Progress>();
  readonly taints = new Set<TaintLetter>();
  state: ModuleState = 'Loading';
  /** Loaded because another needed it: goes when nobody does any more. */
  isAutoLoaded = false;
  /** Made when nobody needs it any more for the first time (unload.ts). */
  unloadTimer: UnloadTimer | null = null;

  constructor(parts: ModuleParts) {
    this.name = parts.name;
    this.index = parts.index;
    this.owner = parts.owner;
    this.driver = parts.driver;
    this.info = parts.info;
    this.linked = parts.linked;
    this.instance = parts.instance;
    this.parameters = parts.parameters;
    this.dependencies = parts.dependencies;
    const versions = new Map(parts.linked.symbols.map((symbol) => [symbol.name, symbol.address]));
    this.exports = new Map(
      parts.exports.map(({ name, address }) => {
        const version = versions.get(`${VERSION_PREFIX}${name}`);
        return [name, { module: this, name, address, version: version === undefined ? undefined : BigInt(version) }];
      }),
    );
  }

  /** Who holds it: open nodes, dependants. */
  get references(): number {
    return this.owner.holds;
  }

  /** Bytes of memory of its segments. */
  get size(): number {
    return this.instance.size;
  }

  /** Lowest address, signed. */
  get address(): number {
    return this.instance.base;
  }

  /** Letters in the order of the kernel's taint mask. */
  get taintText(): string {
    return [...this.taints].sort((a, b) => (TAINT_LETTERS.indexOf(a) < TAINT_LETTERS.indexOf(b) ? -1 : 1)).join('');
  }
}
