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
import { Module } from './module.js';
import { errnoOf, perform, type Steps } from './operation.js';
import { setParameters } from './parameters.js';
import { findModule, moduleExporting } from './search.js';
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
  return perform(task, table.hook, loadAll(table, task, image, options, finish), 'load_module');
}

function* loadAll(
  table: ModuleTable,
  task: Task,
  image: Uint8Array,
  options: LoadOptions,
  finish: (module: Module) => number,
): Steps<number> {
  const job: Job = { table, task, options, autoLoaded: [] };
  try {
    const result = yield* loadModule(job, image, options, []);
    return isErr(result) ? result : finish(result);
  } finally {
    // Should nothing have come of it, what was loaded for it goes again.
    for (const module of job.autoLoaded) considerUnloading(table, module);
  }
}

/** One call's loading, with all that it brings about. */
interface Job {
  readonly table: ModuleTable;
  readonly task: Task;
  readonly options: LoadOptions;
  readonly autoLoaded: Module[];
}

/** @param chain names of the modules that are being loaded and need this one */
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
    if (built instanceof Module) return yield* start(table, built, options);
    if (built instanceof Refusal) return refuse(table, built, options);
    const { module } = built;
    yield { isReady: () => module.state === 'Live' || table.find(module.name) !== module };
  }
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

function* loadByName(job: Job, name: string, chain: readonly string[]): Steps<number | Err> {
  const { table, task } = job;
  for (let known = table.find(name); known !== undefined; known = table.find(name)) {
    const module = known;
    if (module.state === 'Live') return 0;
    yield { isReady: () => module.state === 'Live' || table.find(name) !== module };
  }
  if (chain.includes(name)) {
    table.log(name, `needs itself, by way of ${[...chain, name].join(', ')}`);
    return fail(EDEADLK);
  }
  const image = findModule(task.fs, name);
  if (isErr(image)) {
    table.log(printable(name), image === -ENOENT ? 'no such module' : `cannot be read, errno ${-image}`);
    return image;
  }
  const options: LoadOptions = { ...job.options, parameters: '', mayRepeat: false };
  const module = yield* loadModule(job, image, options, [...chain, name]);
  if (isErr(module)) return module;
  module.isAutoLoaded = true;
  job.autoLoaded.push(module);
  return 0;
}

/** Gives the parameters their values, then runs the module's own beginning. */
function* start(table: ModuleTable, module: Module, { parameters }: LoadOptions): Steps<Module | Err> {
  const { owner, driver, linked } = module;
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
    if (module.state === 'Loading') {
      table.remove(module);
      for (const dependency of module.dependencies) considerUnloading(table, dependency);
    }
  }
}
