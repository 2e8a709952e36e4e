/** Attributes that drivers give their devices in /sys (drivers/include/banos/sysfs.h). */
import { EEXIST, EINVAL, ENODEV, ENOENT, type Err, fail, isErr } from '../../abi/errno.js';
import type { Caller } from '../../vfs/caller.js';
import type { SysDirectory, SysFile } from '../../vfs/fs/sysfs/index.js';
import type { KernelCall } from './call.js';
import type { DriverFunction } from './calls.js';
import type { DriverDevice } from './chrdev.js';
import type { Owned } from './owner.js';
import { readStructure } from './structure.js';
import { DriverText } from './text-call.js';

/** struct banos_attribute. */
const ATTRIBUTE_SIZE = 40;
const A_MODE = 4;
const A_NAME = 8;
const A_SHOW = 16;
const A_STORE = 24;
const A_DATA = 32;
/** Bytes that an attribute shows or takes at most. */
const TEXT_SIZE = 4096;
const MAX_NAME = 256;

/** @returns what a text of the driver's says; -EINVAL when it cannot be a name; null: it is not there */
function readName(call: KernelCall, address: number): string | Err | null {
  const name = call.kernel.drivers.space.readText(address, MAX_NAME);
  if (isErr(name)) return null;
  return /^[\w.+-]{1,255}$/.test(name) && !/^\.+$/.test(name) ? name : fail(EINVAL);
}

class DriverAttribute implements Owned {
  readonly file: SysFile;
  readonly #directory: SysDirectory;
  readonly #name: string;
  readonly #text: DriverText;

  constructor(device: DriverDevice, directory: SysDirectory, name: string, mode: number, calls: AttributeCalls) {
    this.#directory = directory;
    this.#name = name;
    const { show, store, data } = calls;
    this.#text = new DriverText(device.drivers, device.owner, data, TEXT_SIZE);
    this.file = directory.addFile(name, {
      mode,
      sleeps: true,
      ...(show !== null && {
        show: (caller: Caller) => this.#refusal(caller) || this.#text.show(show, caller),
      }),
      ...(store !== null && {
        store: (text: string, caller: Caller) => this.#refusal(caller) || this.#text.store(store, text, caller),
      }),
    });
  }

  release(): void {
    if (this.#directory.lookup(this.#name) === this.file) this.#directory.remove(this.#name);
  }

  #refusal(caller: Caller): 0 | Err {
    return !this.file.isAlive && !this.#text.isUnderWay(caller) ? fail(ENODEV) : 0;
  }
}

interface AttributeCalls {
  readonly show: DriverFunction | null;
  readonly store: DriverFunction | null;
  readonly data: number;
}

/** The device of the caller that has a number. */
function findDevice(call: KernelCall, number: number): { device: DriverDevice; directory: SysDirectory } | Err {
  const { drivers, sysfs } = call.kernel;
  for (const device of drivers.devices.values()) {
    const path = device.owner === call.owner ? device.sysPath(number) : undefined;
    if (path !== undefined) return { device, directory: sysfs.root.at(path) };
  }
  return fail(ENODEV);
}

/** @param address of a struct banos_attribute @returns 0; -ENODEV, -EINVAL, -EEXIST; BUG */
export function addAttribute(call: KernelCall, number: number, address: number): number {
  const structure = readStructure(call, address, ATTRIBUTE_SIZE, ATTRIBUTE_SIZE);
  if (typeof structure === 'number') return structure;
  const name = readName(call, structure.pointer(A_NAME));
  if (name === null) return call.bug('banos_attribute_add with a bad name');
  if (isErr(name)) return name;
  const found = findDevice(call, number);
  if (isErr(found)) return found;
  const { device, directory } = found;
  if (!isErr(directory.lookup(name))) return fail(EEXIST);
  const fn = (offset: number): DriverFunction | null =>
    structure.pointer(offset) === 0 ? null : { address: structure.pointer(offset), isInt: false };
  const calls = { show: fn(A_SHOW), store: fn(A_STORE), data: structure.pointer(A_DATA) };
  const attribute = new DriverAttribute(device, directory, name, structure.u32(A_MODE) & 0o777, calls);
  call.owner.add(attribute);
  device.attributes.set(attribute.file, attribute);
  return 0;
}

/** @returns 0; -ENODEV, -EINVAL, -ENOENT; BUG */
export function removeAttribute(call: KernelCall, number: number, nameAt: number): number {
  return withAttribute(call, number, nameAt, (attribute, device) => {
    call.owner.remove(attribute);
    device.attributes.delete(attribute.file);
    attribute.release();
  });
}

/** @returns as `removeAttribute` */
export const attributeChanged = (call: KernelCall, number: number, nameAt: number): number =>
  withAttribute(call, number, nameAt, ({ file }) => file.changed());

function withAttribute(
  call: KernelCall,
  number: number,
  nameAt: number,
  use: (attribute: DriverAttribute, device: DriverDevice) => void,
): number {
  const name = readName(call, nameAt);
  if (name === null) return call.bug('a name that is not there');
  const found = isErr(name) ? name : findDevice(call, number);
  if (isErr(found)) return found;
  const file = found.directory.lookup(name as string);
  const attribute = isErr(file) ? undefined : found.device.attributes.get(file as SysFile);
  if (attribute === undefined) return fail(ENOENT);
  use(attribute as DriverAttribute, found.device);
  return 0;
}
