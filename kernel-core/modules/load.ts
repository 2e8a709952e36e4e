/**
 * Loading a module, step by step:
 *
 *   permission → linker: what does it need → those that are missing are loaded first, the same way → linker: link → parameters
 *   → constructors and init, on behalf of the task that asked → Live
 *
 * Whatever fails undoes all that went before, and says why in the log.
 */
import {
  EDEADLK,
  EEXIST,
  EINVAL,
  EIO,
  ENOENT,
  ENOEXEC,
  ENOSYS,
  EOPNOTSUPP,
  EPERM,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import { KERN_WARNING } from '../../abi/klog.js';
import { printable, Refusal } from '../../elf/link/refusal.js';
import type { Task } from '../task.js';
import { build, NamedRefusal, type Prepared, prepare } from './build.js';
import { Module, type Progress } from './module.js';
import { errnoOf, perform, type Steps } from './operation.js';
import { setParameters } from './parameters.js';
import { findModule, moduleExporting, moduleName } from './search.js';
import type { ModuleTable } from './table.js';
import { considerUnloading } from './unload.js';

export interface LoadOptions {
  /** MODULE_INIT_*. */
  readonly flags: number;
  /** `name=value …` */
  readonly parameters: string;
  /** Loading an image again makes another module of it. */
  readonly mayRepeat: boolean;
  /** Errno for an object that cannot be linked: Linux says ENOEXEC only, upstream's own call tells more. */
  readonly answerTo: (refusal: Refusal) => Err;
}

/** What init_module(2) and finit_module(2) answer. */
export const linuxErrno = ({ errno }: Refusal): Err =>
  errno === -EINVAL || errno === -EOPNOTSUPP || errno === -ENOSYS ? fail(ENOEXEC) : errno;

/** Who is named in the log when the module's own name is not known. */
const NAMELESS = 'linker';

/**
 * For a system call: loads an image.
 * @param finish what the call answers for the loaded module
 * @returns that, a negative errno, or PENDING
 */
export function load(
  table: ModuleTable,
  task: Task,
  image: Uint8Array,
  options: LoadOptions,
  finish: (module: Module) => number,
): number {
  return perform(task, table.hook, loadImage(table, task, image, options, finish), 'load_module');
}

function loadImage(
  table: ModuleTable,
  task: Task,
  image: Uint8Array,
  options: LoadOptions,
  finish: (module: Module) => number,
): Steps<number> {
  const job: Job = { table, task, options, autoLoaded: [], progress: { waitsFor: null } };
  return loadAll(job, function* () {
    const result = yield* loadModule(job, image, options, []);
    return isErr(result) ? result : finish(result);
  });
}

/**
 * For a driver: loads a module by its name, unless it is there, or by its path.
 * @param task on whose behalf its init runs
 * @param requester name of the module that waits for it; '': none does
 * @returns 0, or a negative errno
 */
export function loadRequested(
  table: ModuleTable,
  task: Task,
  wanted: string,
  requester: string,
  progress: Progress,
): Steps<number> {
  const options: LoadOptions = { flags: 0, parameters: '', mayRepeat: false, answerTo: linuxErrno };
  const job: Job = { table, task, options, autoLoaded: [], progress };
  const chain = requester === '' ? [] : [requester];
  return loadAll(job, function* () {
    const name = wanted.includes('/') ? wanted : moduleName(wanted);
    const result = yield* loadNamed(job, name, chain);
    return isErr(result) ? result : 0;
  });
}

/** @param body loads what the job is about */
function* loadAll({ table, autoLoaded }: Job, body: () => Steps<number>): Steps<number> {
  try {
    return yield* body();
  } finally {
    // Should nothing have come of it, what was loaded for it goes again.
    for (const module of autoLoaded) considerUnloading(table, module);
  }
}

/** One call's loading, with all that it brings about. */
interface Job {
  readonly table: ModuleTable;
  readonly task: Task;
  readonly options: LoadOptions;
  readonly autoLoaded: Module[];
  readonly progress: Progress;
}

/** @param chain names of the modules that are being loaded and need this one, and at the end its own; empty: nobody does */
function* loadModule(job: Job, image: Uint8Array, options: LoadOptions, chain: readonly string[]): Steps<Module | Err> {
  const { table } = job;
  const { linker, security } = table;
  if (!security.permits(image)) {
    table.log(NAMELESS, `securelevel ${security.secureLevel}: the image is not registered as safe`);
    return fail(EPERM);
  }
  const prepared = yield* linker.ask(image.length, () => prepare(image, options.flags));
  if (prepared instanceof Refusal) return refuse(table, prepared, options);
  const failed = yield* loadNeeded(job, prepared, chain);
  if (isErr(failed)) return failed;
  for (;;) {
    const built = yield* linker.ask(
      image.length,
      () => build(table, prepared, options),
      (unwanted) => unwanted instanceof Module && table.remove(unwanted),
    );
    if (built instanceof Module) return yield* start(job, built, options);
    if (built instanceof Refusal) return refuse(table, built, options);
    const refused = yield* settle(job, built.module, chain.slice(0, -1));
    if (isErr(refused)) return refused;
  }
}

/** Waits until a module that is coming or going is there, or gone. @returns 0; -EDEADLK: it waits for us */
function* settle({ table, progress }: Job, module: Module, chain: readonly string[]): Steps<number | Err> {
  if (waitsForAny(module, chain, new Set())) return deadlock(table, module.name, chain);
  progress.waitsFor = module;
  try {
    yield { isReady: () => module.state === 'Live' || table.find(module.name) !== module };
    return 0;
  } finally {
    progress.waitsFor = null;
  }
}

/** Is it one of those, or waits, by what its init or uninit has asked for, for one of them? */
function waitsForAny(module: Module, names: readonly string[], seen: Set<Module>): boolean {
  if (names.includes(module.name)) return true;
  if (seen.has(module)) return false;
  seen.add(module);
  for (const { waitsFor } of module.requests) if (waitsFor !== null && waitsForAny(waitsFor, names, seen)) return true;
  return false;
}

function deadlock(table: ModuleTable, name: string, chain: readonly string[]): Err {
  table.log(printable(name), `needs itself, by way of ${[...chain, name].map(printable).join(', ')}`);
  return fail(EDEADLK);
}

function refuse(table: ModuleTable, refusal: Refusal, { answerTo }: LoadOptions): Err {
  table.log(refusal instanceof NamedRefusal ? refusal.module : NAMELESS, refusal.reason);
  return answerTo(refusal);
}

/** Loads what a module says that it needs, and whoever exports the symbols that it misses. */
function* loadNeeded(job: Job, { layout, depends }: Prepared, chain: readonly string[]): Steps<number | Err> {
  for (const name of depends) {
    const result = yield* loadByName(job, name, chain);
    if (isErr(result)) return result;
  }
  // What the kernel itself has is known from then on.
  const started = job.table.kernel.drivers.start();
  if (isErr(started)) return started;
  for (const { name: symbol, weak } of layout.imports) {
    if (weak || job.table.resolve(symbol) !== undefined) continue;
    const name = moduleExporting(job.task.fs, symbol);
    // Nobody is known to have it: the linker will say so.
    if (name === undefined) continue;
    const result = yield* loadByName(job, name, chain);
    if (isErr(result)) return result;
  }
  return 0;
}

/** Loads a module that another needs. */
function* loadByName(job: Job, name: string, chain: readonly string[]): Steps<number | Err> {
  const module = yield* loadNamed(job, name, chain);
  if (!(module instanceof Module)) return module;
  module.isAutoLoaded = true;
  job.autoLoaded.push(module);
  return 0;
}

/** @returns the module that was loaded, 0 when it was there */
function* loadNamed(job: Job, name: string, chain: readonly string[]): Steps<Module | number | Err> {
  const { table, task } = job;
  for (let known = table.find(name); known !== undefined; known = table.find(name)) {
    if (known.state === 'Live') return 0;
    const refused = yield* settle(job, known, chain);
    if (isErr(refused)) return refused;
  }
  if (chain.includes(name)) return deadlock(table, name, chain);
  const image = findModule(task.fs, name);
  if (isErr(image)) {
    table.log(printable(name), image === -ENOENT ? 'no such module' : `cannot be read, errno ${-image}`);
    return image;
  }
  const options: LoadOptions = { ...job.options, parameters: '', mayRepeat: false };
  const module = yield* loadModule(job, image, options, [...chain, name]);
  // Somebody else has been faster.
  return module === fail(EEXIST) && table.find(name)?.state === 'Live' ? 0 : module;
}

/** Gives the parameters their values, then runs the module's own beginning. */
function* start({ table, progress }: Job, module: Module, { parameters }: LoadOptions): Steps<Module | Err> {
  const { owner, driver, linked } = module;
  progress.waitsFor = module;
  try {
    const refused = setParameters(module.parameters, parameters, (text) => table.log(module.name, text, KERN_WARNING));
    if (isErr(refused)) return refused;
    table.judge(module);
    for (const address of linked.constructors) yield { owner, address, args: [] };
    const result = owner.hasCrashed ? 0 : (yield { owner, address: driver.init, args: [driver.address] }) | 0;
    if (owner.hasCrashed) return fail(EIO);
    if (result !== 0) {
      table.log(module.name, `init failed with ${result}`, KERN_WARNING);
      for (const address of linked.destructors) yield { owner, address, args: [] };
      return errnoOf(result);
    }
    table.publish(module);
    return module;
  } finally {
    progress.waitsFor = null;
    if (module.state === 'Loading') {
      table.remove(module);
      for (const dependency of module.dependencies) considerUnloading(table, dependency);
    }
  }
}
