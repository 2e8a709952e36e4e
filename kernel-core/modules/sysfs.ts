/** /sys/module/NAME: figures of a module, its parameters, its sections, who uses it. @source Linux kernel/module/sysfs.c */
import { type Err, isErr } from '../../abi/errno.js';
import type { Sysfs } from '../../vfs/fs/sysfs/index.js';
import { hex } from '../drivers/symbols.js';
import type { Kernel } from '../kernel.js';
import type { Module, ModuleState } from './module.js';
import type { ModuleSecurity } from './security.js';

const READ_ALL = 0o444;
const PRIVATE = 0o400;
const ANY_WRITE = 0o222;
const STATES: Readonly<Record<ModuleState, string>> = { Loading: 'coming', Live: 'live', Unloading: 'going' };

export function showModule({ sysfs }: Kernel, module: Module): void {
  const modules = sysfs.root.directory('module');
  const directory = modules.directory(module.name);
  const figure = (name: string, show: () => string | number): void => {
    directory.addFile(name, { mode: READ_ALL, show: () => `${show()}\n` });
  };
  figure('coresize', () => module.size);
  figure('initsize', () => 0);
  figure('initstate', () => STATES[module.state]);
  figure('refcnt', () => module.references);
  figure('taint', () => module.taintText);
  const version = module.info.get('version')?.[0];
  if (version !== undefined) figure('version', () => version);
  directory.directory('holders');
  for (const { name } of module.dependencies) {
    modules.directory(name).directory('holders').addLink(module.name, `../../${module.name}`);
  }
  const sections = directory.directory('sections');
  for (const { name, address } of module.linked.sections) {
    sections.addFile(name.replaceAll('/', '!'), { mode: PRIVATE, show: () => `0x${hex(address)}\n` });
  }
  showParameters(module, () => directory.directory('parameters'));
}

function showParameters(
  { parameters }: Module,
  directory: () => ReturnType<Kernel['sysfs']['root']['directory']>,
): void {
  for (const parameter of parameters) {
    const { name, mode } = parameter.record;
    if (mode === 0) continue;
    directory().addFile(name.replaceAll('/', '!'), {
      mode,
      show: () => parameter.show(),
      ...((mode & ANY_WRITE) !== 0 && {
        store: (text: string): number | Err => parameter.set(text.replace(/\n$/, '')),
      }),
    });
  }
}

export function hideModule({ sysfs }: Kernel, module: Module): void {
  const modules = sysfs.root.directory('module');
  modules.remove(module.name);
  for (const { name } of module.dependencies) {
    const dependency = modules.lookup(name);
    if (!isErr(dependency)) modules.directory(name).directory('holders').remove(module.name);
  }
}

/** /sys/kernel/oops_count: how often a driver has crashed. @source Linux kernel/exit.c */
export function showOopses({ sysfs, drivers }: Kernel): void {
  sysfs.root.directory('kernel').addFile('oops_count', { mode: READ_ALL, show: () => `${drivers.oopses}\n` });
}

/** /sys/kernel/security/module_digests: SHA-256 of images that may be loaded at any securelevel, a line each. */
export function showSecurity({ root }: Sysfs, security: ModuleSecurity): void {
  root.at('kernel/security').addFile('module_digests', {
    mode: 0o600,
    show: () => security.safeText,
    store: (text) => {
      for (const line of text.split('\n')) {
        const result = line === '' ? 0 : security.register(line);
        if (isErr(result)) return result;
      }
      return 0;
    },
  });
}
