/**
 * The linker's part of loading: from an image to a module that stands in memory and in the table, ready to be started. Two
 * requests, because between them other modules may have to be loaded. Refusals are values with a sentence for the log.
 */
import { EEXIST, ENOEXEC, type Err, isErr } from '../../abi/errno.js';
import {
  BANOS_VERSION,
  MODULE_INIT_IGNORE_MODVERSIONS,
  MODULE_INIT_IGNORE_VERMAGIC,
  MODULE_NAME_LEN,
} from '../../abi/modules.js';
import { type Layout, layOut } from '../../elf/link/layout.js';
import { type Bases, link } from '../../elf/link/link.js';
import {
  type DriverRecord,
  type ModuleInfo,
  readDriver,
  readExports,
  readModuleInfo,
  readParameters,
  readVersions,
  versionText,
} from '../../elf/link/metadata.js';
import { parseObject } from '../../elf/link/parse.js';
import { printable, Refusal } from '../../elf/link/refusal.js';
import { Owner } from '../drivers/owner.js';
import { KERNEL_RELEASE } from '../syscalls/system.js';
import { Module } from './module.js';
import { Parameter } from './parameters.js';
import { moduleName } from './search.js';
import type { ModuleTable } from './table.js';

/** An object that can be laid out, and what it says of itself. */
export interface Prepared {
  readonly layout: Layout;
  readonly info: ModuleInfo;
  readonly versions: ReadonlyMap<string, bigint>;
  /** Modules that it names. */
  readonly depends: readonly string[];
}

/** First request: what the object needs. */
export function prepare(image: Uint8Array, flags: number): Prepared | Refusal {
  const object = parseObject(image);
  if (object instanceof Refusal) return object;
  const layout = layOut(object);
  if (layout instanceof Refusal) return layout;
  const info = readModuleInfo(object);
  if (info instanceof Refusal) return info;
  const versions = readVersions(object);
  if (versions instanceof Refusal) return versions;
  const magic = info.get('vermagic')?.[0];
  if (magic !== undefined && magic.split(' ')[0] !== KERNEL_RELEASE && (flags & MODULE_INIT_IGNORE_VERMAGIC) === 0) {
    return new Refusal(ENOEXEC, `version magic '${printable(magic)}' should be '${KERNEL_RELEASE}'`);
  }
  const depends = (info.get('depends') ?? []).flatMap((text) => text.split(',')).filter((name) => name !== '');
  return { layout, info, versions, depends: depends.map(moduleName) };
}

/** A refusal of an object whose name is known. */
export class NamedRefusal extends Refusal {
  readonly module: string;

  constructor(module: string, { errno, reason }: Refusal) {
    super(-errno, reason);
    this.module = module;
  }
}

export interface BuildOptions {
  readonly flags: number;
  /** Loading an image again makes another module of it (banos_install); if not, its name must be free. */
  readonly mayRepeat: boolean;
}

/** The name that it wants is that of a module which is just coming or going. */
export class NameBusy {
  readonly module: Module;

  constructor(module: Module) {
    this.module = module;
  }
}

/** Second request: links, puts it into memory and into the table. What was taken for a refused one is given back. */
export function build(table: ModuleTable, prepared: Prepared, options: BuildOptions): Module | Refusal | NameBusy {
  const owner = new Owner('module');
  const result = buildFor(table, owner, prepared, options);
  if (!(result instanceof Module)) owner.release();
  return result;
}

function buildFor(
  table: ModuleTable,
  owner: Owner,
  { layout, info, versions, depends }: Prepared,
  { flags, mayRepeat }: BuildOptions,
): Module | Refusal | NameBusy {
  const { drivers } = table.kernel;
  const { text, rodata, data } = layout.segments;
  const bases = drivers.reserve(owner, { text: text.size, rodata: rodata.size, data: data.size });
  if (isErr(bases)) return outOfMemory(bases);
  const dependencies = new Set<Module>();
  let mismatch: string | null = null;
  const linked = link(layout, bases, (name) => {
    const resolved = table.resolve(name);
    if (resolved === undefined) return undefined;
    const wanted = versions.get(name);
    if (wanted !== undefined && resolved.version !== undefined && wanted !== resolved.version) mismatch ??= name;
    if (resolved.module !== null) dependencies.add(resolved.module);
    return resolved.address;
  });
  if (linked instanceof Refusal) return named(layout, bases, linked);
  const driver = readDriver(linked);
  if (driver instanceof Refusal) return driver;
  const refuse = (errno: number, reason: string): Refusal =>
    new NamedRefusal(fitName(driver), new Refusal(errno, reason));
  if (mismatch !== null && (flags & MODULE_INIT_IGNORE_MODVERSIONS) === 0) {
    return refuse(ENOEXEC, `disagrees about version of symbol ${printable(mismatch)}`);
  }
  if (driver.minimalVersion > BANOS_VERSION) {
    const [wanted, ours] = [versionText(driver.minimalVersion), versionText(BANOS_VERSION)];
    return refuse(ENOEXEC, `needs version ${wanted} of the driver interface; this kernel has ${ours}`);
  }
  const name = chooseName(table, driver, mayRepeat);
  if (typeof name !== 'string') return name;
  owner.name = name;
  const exports = readExports(linked);
  if (exports instanceof Refusal) return exports;
  for (const one of exports) {
    const other = table.exporterOf(one.name);
    if (other === undefined || mayRepeat) continue;
    return refuse(ENOEXEC, `exports duplicate symbol ${printable(one.name)} (owned by ${other})`);
  }
  const records = readParameters(linked);
  if (records instanceof Refusal) return records;
  for (const needed of depends) {
    const module = table.find(needed);
    if (module?.state !== 'Live') return refuse(ENOEXEC, `module ${printable(needed)}, which it needs, is not there`);
    dependencies.add(module);
  }
  const instance = drivers.instantiate(owner, linked);
  if (isErr(instance)) return outOfMemory(instance);
  const parameters = records.map((record) => new Parameter(record, drivers, owner));
  const index = table.nextIndex();
  const module = new Module({ name, index, owner, driver, info, linked, instance, parameters, dependencies, exports });
  table.add(module);
  if (mismatch !== null) table.taint(module, 'F', `forced, though it disagrees about version of symbol ${mismatch}`);
  return module;
}

const outOfMemory = (errno: Err): Refusal => new Refusal(-errno, 'no memory for its segments');

/** The name of an object that could not be linked, for the log: it is found when whatever is missing lies just anywhere. */
function named(layout: Layout, bases: Bases, refusal: Refusal): Refusal {
  const linked = link(layout, bases, () => bases.text);
  const driver = linked instanceof Refusal ? linked : readDriver(linked);
  return driver instanceof Refusal ? refusal : new NamedRefusal(fitName(driver), refusal);
}

/** What cannot stand in a line of /proc/modules or in a path, and what tools take for the end of a name. */
const UNFIT = /\W/g;

/** The embedded name, as far as it can be a name in the table. */
const fitName = ({ name }: DriverRecord): string =>
  name
    .replace(UNFIT, '_')
    .replace(/^\.+/, '_')
    .slice(0, MODULE_NAME_LEN - 1);

/** @returns the name in the table: a module that is loaded again gets a number behind it */
function chooseName(table: ModuleTable, driver: DriverRecord, mayRepeat: boolean): string | Refusal | NameBusy {
  const wanted = fitName(driver);
  const other = table.find(wanted);
  if (other === undefined) return wanted;
  if (mayRepeat) {
    for (let number = 1; ; number++) {
      const suffix = `_${number}`;
      const name = wanted.slice(0, MODULE_NAME_LEN - 1 - suffix.length) + suffix;
      if (table.find(name) === undefined) return name;
    }
  }
  if (other.state !== 'Live') return new NameBusy(other);
  return new NamedRefusal(wanted, new Refusal(EEXIST, 'is loaded already'));
}
