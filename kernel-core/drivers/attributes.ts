/** Attributes that drivers give their devices in /sys (drivers/include/banos/sysfs.h). */
import { EEXIST, EINVAL, EIO, ENODEV, ENOENT, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { KERN_ALERT, LOG_KERN } from '../../abi/klog.js';
import type { SysDirectory, SysFile } from '../../vfs/fs/sysfs/index.js';
import type { KernelCall } from './call.js';
import type { DriverFunction } from './calls.js';
import type { DriverDevice } from './chrdev.js';
import type { Drivers } from './drivers.js';
import { asError } from './fs-layout.js';
import type { Owned, Owner } from './owner.js';
import { readStructure } from './structure.js';

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
  readonly #drivers: Drivers;
  readonly #owner: Owner;
  readonly #directory: SysDirectory;
  readonly #name: string;
  readonly #data: number;

  constructor(device: DriverDevice, directory: SysDirectory, name: string, mode: number, calls: AttributeCalls) {
    this.#drivers = device.drivers;
    this.#owner = device.owner;
    this.#directory = directory;
    this.#name = name;
    this.#data = calls.data;
    const { show, store } = calls;
    this.file = directory.addFile(name, {
      mode,
      ...(show !== null && { show: () => this.#show(show) }),
      ...(store !== null && { store: (text: string) => this.#store(store, text) }),
    });
  }

  release(): void {
    if (this.#directory.lookup(this.#name) === this.file) this.#directory.remove(this.#name);
  }

  #show(fn: DriverFunction): Uint8Array | Err {
    let shown: Uint8Array | Err = fail(EIO);
    const result = this.#withBuffer((buffer) => {
      const count = this.#call(fn, buffer, TEXT_SIZE);
      if (count < 0 || count > TEXT_SIZE) return count;
      shown = new Uint8Array(count);
      this.#drivers.space.read(buffer, shown);
      return count;
    });
    return result < 0 ? asError(result) : shown;
  }

  #store(fn: DriverFunction, text: string): number | Err {
    const result = this.#withBuffer((buffer) => {
      this.#drivers.space.write(buffer, Buffer.from(`${text}\0`, 'latin1'));
      return this.#call(fn, buffer, text.length);
    });
    return result < 0 ? asError(result) : 0;
  }

  #call(fn: DriverFunction, buffer: number, length: number): number {
    const { runner, kernel } = this.#drivers;
    return runner.invokeAtomic(this.#owner, kernel.caller, fn, this.#data, buffer, length);
  }

  /** Lends the driver a buffer with a byte more than a text may have. */
  #withBuffer(use: (buffer: number) => number): number {
    const { heap, kernel } = this.#drivers;
    const buffer = heap.alloc(this.#owner, TEXT_SIZE + 1, 0);
    if (buffer === 0) return fail(ENOMEM);
    const result = use(buffer);
    const fault = heap.free(buffer);
    if (fault === null) return result;
    kernel.log.write(KERN_ALERT, LOG_KERN, `BUG ${this.#owner.name}: buffer of attribute ${this.#name}: ${fault}`);
    return fail(EIO);
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
