/**
 * The module table: which modules there are, what they export, who holds whom. Loading (load.ts) and unloading (unload.ts)
 * are sequences of steps over it; nothing here waits.
 *
 * A module is in the table from the moment it is linked: Loading → Live → Unloading → gone. Its name is taken all the time.
 * Whoever waits for a state to change hangs on `hook`.
 */
import { EventEmitter } from 'eventemitter3';
import { KERN_ERR, KERN_WARNING, LOG_KERN } from '../../abi/klog.js';
import type { TaintLetter } from '../../abi/modules.js';
import type { Owner } from '../drivers/owner.js';
import type { Kernel } from '../kernel.js';
import type { Hook } from '../wait.js';
import { Linker } from './linker.js';
import type { Module, ModuleExport, ModuleState } from './module.js';
import { ModuleSecurity } from './security.js';
import { hideModule, showModule, showOopses, showSecurity } from './sysfs.js';
import { isFreeLicense, Taints } from './taint.js';

/** Where a name leads. */
export interface Resolved {
  readonly address: number;
  /** null: it is the kernel's. */
  readonly module: Module | null;
  readonly version: bigint | undefined;
}

export class ModuleTable {
  readonly kernel: Kernel;
  readonly hook: Hook = new EventEmitter();
  readonly linker: Linker;
  readonly security: ModuleSecurity;
  readonly taints = new Taints();
  readonly #modules = new Map<string, Module>();
  readonly #exports = new Map<string, ModuleExport>();
  /** Changes whenever a module comes or goes. */
  generation = 0;
  #nextIndex = 0;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.linker = new Linker(kernel, this.hook);
    this.security = new ModuleSecurity(kernel.host);
    showSecurity(kernel.sysfs, this.security);
    showOopses(kernel);
    const { drivers } = kernel;
    drivers.lookup = (name) => this.#exports.get(name)?.address;
    drivers.listModules = () => this.list().map(reportName).join(' ');
    drivers.describeTaint = () => this.taints.text;
    drivers.onOops = (owner) => this.#crashed(owner);
  }

  /** The youngest first, as /proc/modules has them. */
  list(): Module[] {
    return [...this.#modules.values()].reverse();
  }

  find(name: string): Module | undefined {
    return this.#modules.get(name);
  }

  /** A number for a new module. */
  nextIndex(): number {
    return this.#nextIndex++;
  }

  /** What an object's undefined name means: the kernel's function, or what a module exports. */
  resolve(name: string): Resolved | undefined {
    const address = this.kernel.drivers.find(name);
    if (address !== undefined) return { address, module: null, version: undefined };
    const found = this.#exports.get(name);
    return found === undefined ? undefined : { address: found.address, module: found.module, version: found.version };
  }

  /** Who exports a name already, or is about to: a module, or the kernel; undefined: nobody. */
  exporterOf(name: string): string | undefined {
    if (this.kernel.drivers.find(name) !== undefined) return 'kernel';
    for (const module of this.#modules.values()) if (module.exports.has(name)) return module.name;
    return undefined;
  }

  /** The module takes its name and holds what it needs. */
  add(module: Module): void {
    this.#modules.set(module.name, module);
    this.generation++;
    for (const dependency of module.dependencies) {
      dependency.users.add(module);
      dependency.owner.holds++;
    }
    showModule(this.kernel, module);
  }

  /** It works: its exports can be used from now on. */
  publish(module: Module): void {
    for (const [name, one] of module.exports) this.#exports.set(name, one);
    this.setState(module, 'Live');
  }

  setState(module: Module, state: ModuleState): void {
    module.state = state;
    this.hook.emit('notify', 0);
  }

  /** It is about to go: its exports cannot be used any more. The same driver may be there once more, and have them, too. */
  withdraw(module: Module): void {
    for (const name of module.exports.keys()) {
      if (this.#exports.get(name)?.module !== module) continue;
      const other = this.list().find((one) => one !== module && one.state === 'Live' && one.exports.has(name));
      if (other === undefined) this.#exports.delete(name);
      else this.#exports.set(name, other.exports.get(name)!);
    }
    this.setState(module, 'Unloading');
  }

  /** The module is gone: it gives everything back, and lets go of what it needed. */
  remove(module: Module): void {
    this.withdraw(module);
    hideModule(this.kernel, module);
    module.owner.release();
    for (const dependency of module.dependencies) {
      dependency.users.delete(module);
      dependency.owner.holds--;
    }
    this.#modules.delete(module.name);
    this.generation++;
    this.hook.emit('notify', 0);
  }

  /** The machine is turned off: everything goes as it is. */
  dispose(): void {
    for (const module of this.list()) this.remove(module);
  }

  /** A refusal, or something odd, with the reason. */
  log(name: string, reason: string, level = KERN_ERR): void {
    this.kernel.log.write(level, LOG_KERN, name === '' ? reason : `${name}: ${reason}`);
  }

  /** The module taints the kernel. @param reason said the first time only */
  taint(module: Module, letter: TaintLetter, reason: string): void {
    module.taints.add(letter);
    if (this.taints.add(letter)) this.log(module.name, reason, KERN_WARNING);
  }

  /** A module has crashed: it is marked, and goes by force only. */
  #crashed(owner: Owner): void {
    this.taints.add('D');
    for (const module of this.#modules.values()) if (module.owner === owner) module.taints.add('D');
  }

  /** What a module is by itself: its licence, where it comes from. */
  judge(module: Module): void {
    const license = module.info.get('license')?.[0] ?? module.driver.license ?? 'unspecified';
    if (!isFreeLicense(license)) this.taint(module, 'P', `module license '${license}' taints kernel.`);
    if (module.info.get('intree')?.[0] !== 'Y') this.taint(module, 'O', 'loading out-of-tree module taints kernel.');
  }
}

/** What stands behind the taints of a module that is coming or going. */
export const STATE_MARKS: Readonly<Record<ModuleState, string>> = { Loading: '+', Live: '', Unloading: '-' };

/** As in a report's `Modules linked in:`: `name(O+)`. */
function reportName(module: Module): string {
  const marks = module.taintText + STATE_MARKS[module.state];
  return marks === '' ? module.name : `${module.name}(${marks})`;
}
