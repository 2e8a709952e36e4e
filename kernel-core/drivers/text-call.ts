/** Functions of drivers that show and take texts, for files in /proc and /sys. They may sleep when it is a task that asks. */
import { EIO, ENOMEM, type Err, fail, isErr } from '../../abi/errno.js';
import { KERN_ALERT, LOG_KERN } from '../../abi/klog.js';
import type { Caller } from '../../vfs/caller.js';
import { SUSPENDED } from '../../vfs/file.js';
import { latin1 } from '../../vfs/fs/shown-text.js';
import type { Companion } from './call.js';
import type { DriverFunction } from './calls.js';
import type { Drivers } from './drivers.js';
import { asError } from './fs-layout.js';
import type { Owner } from './owner.js';

const NOTHING = new Uint8Array(0);

/** The buffer that a driver gets, with a zero byte more than it says. It is the kernel's, and goes with the call. */
class TextBuffer implements Companion {
  /** What the driver shows. */
  shown: Uint8Array = NOTHING;
  readonly #drivers: Drivers;
  readonly #owner: Owner;
  readonly #address: number;
  readonly #mayShow: number;

  /** @param mayShow bytes that the driver may put there; 0: it reads them only */
  constructor(drivers: Drivers, owner: Owner, address: number, mayShow: number) {
    this.#drivers = drivers;
    this.#owner = owner;
    this.#address = address;
    this.#mayShow = mayShow;
  }

  begin(): number {
    return this.#address;
  }

  finish(result: number): number {
    const { heap, kernel } = this.#drivers;
    const answer = result > 0 && this.#mayShow > 0 ? this.#read(result) : result;
    const fault = heap.free(this.#address);
    if (fault === null) return answer;
    kernel.log.write(KERN_ALERT, LOG_KERN, `BUG ${this.#owner.name}: buffer of a text: ${fault}`);
    return fail(EIO);
  }

  #read(length: number): number | Err {
    if (length > this.#mayShow) return fail(EIO);
    this.shown = new Uint8Array(length);
    const failed = this.#drivers.space.read(this.#address, this.shown);
    return isErr(failed) ? failed : length;
  }
}

/** A text of a driver's: which functions show and store it. */
export class DriverText {
  readonly #drivers: Drivers;
  readonly #owner: Owner;
  /** First argument of both functions. */
  readonly #data: number;
  /** Bytes at most. */
  readonly #size: number;

  constructor(drivers: Drivers, owner: Owner, data: number, size: number) {
    this.#drivers = drivers;
    this.#owner = owner;
    this.#data = data;
    this.#size = size;
  }

  /** Does `caller` sleep in one of the functions? Then they go on, whatever has become of the file. */
  isUnderWay(caller: Caller): boolean {
    return this.#drivers.isStarted && this.#drivers.runner.underWay(caller) !== null;
  }

  /** @returns what it shows; SUSPENDED; -ENOMEM, -EIO, what the driver answers */
  show(fn: DriverFunction, caller: Caller): Uint8Array | Err {
    return this.#call(fn, caller, null);
  }

  /** @returns 0; otherwise as `show` */
  store(fn: DriverFunction, text: string, caller: Caller): number | Err {
    const result = this.#call(fn, caller, text);
    return isErr(result) ? result : 0;
  }

  #call(fn: DriverFunction, caller: Caller, text: string | null): Uint8Array | Err {
    const { runner, heap, space } = this.#drivers;
    const call = runner.underWay(caller);
    let buffer: TextBuffer;
    let result: number;
    if (call !== null) {
      buffer = call.companion as TextBuffer;
      result = runner.goOn(call);
    } else {
      const size = text === null ? this.#size : text.length;
      const address = heap.alloc(this.#drivers.owner, size + 1, 0);
      if (address === 0) return fail(ENOMEM);
      if (text !== null) space.write(address, latin1(`${text}\0`));
      buffer = new TextBuffer(this.#drivers, this.#owner, address, text === null ? size : 0);
      result = runner.invokeWith(this.#owner, caller, fn, this.#data, buffer, size);
    }
    if (result < 0) return result === SUSPENDED ? (result as Err) : asError(result);
    return buffer.shown;
  }
}
