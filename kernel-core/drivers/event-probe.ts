/**
 * What probes on functions and on system calls share: a driver's function that is told of events through a structure of its own,
 * in the drivers' heap. Events of one kind are told one at a time: what a handler itself brings about is counted as missed. A
 * probe whose module has crashed while it was told is off.
 */
import { KERN_WARNING } from '../../abi/klog.js';
import type { Task } from '../task.js';
import type { Drivers } from './drivers.js';
import type { Owned, Owner } from './owner.js';

export abstract class EventProbe implements Owned {
  readonly owner: Owner;
  /** Address of its structure, by which the driver knows it. */
  readonly event: number;
  /** Events that it was told of. */
  hits = 0;
  /** Events that it was not told of, because one was being told. */
  missed = 0;
  #isRegistered = true;

  constructor(owner: Owner, event: number) {
    this.owner = owner;
    this.event = event;
  }

  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** What it is on, for the log. */
  abstract get place(): string;

  /** Takes it out of where it is looked for. */
  protected abstract remove(): void;

  /** Its structure goes with the heap. */
  release(): void {
    if (!this.#isRegistered) return;
    this.#isRegistered = false;
    this.remove();
  }

  /** For who is not its owner going away. */
  drop(): void {
    this.owner.remove(this);
    this.release();
  }
}

/** Probes of one kind: their structures, and who is being told. */
export class EventProbes {
  readonly #drivers: Drivers;
  /** Bytes of the structure, which begins with them. */
  readonly #size: number;
  /** Offset of the driver's own word. */
  readonly #dataAt: number;
  #isTelling = false;

  constructor(drivers: Drivers, size: number, dataAt: number) {
    this.#drivers = drivers;
    this.#size = size;
    this.#dataAt = dataAt;
  }

  /** @returns address of a new structure; 0: no memory */
  makeEvent(owner: Owner, data: number): number {
    const { heap, space } = this.#drivers;
    const event = heap.alloc(owner, this.#size, 0);
    if (event === 0) return 0;
    space.fill(event, 0, this.#size);
    space.writeU32(event, this.#size);
    space.writeI64(event + this.#dataAt, data);
    return event;
  }

  /** The driver does not want it any more. */
  unregister(probe: EventProbe): void {
    probe.drop();
    this.#drivers.heap.free(probe.event);
  }

  /** Is it to be told now? Then its structure is to be filled, and `tell` called. */
  mayTell(probe: EventProbe): boolean {
    // A handler of the same event may have taken it away, and its structure with it.
    if (!probe.isRegistered) return false;
    if (!this.#isTelling) return true;
    probe.missed++;
    return false;
  }

  /** Calls the function. @returns what it answers; 0 when its module crashed */
  tell(probe: EventProbe, task: Task | null, address: number): number {
    const { runner, kernel } = this.#drivers;
    const { owner, event } = probe;
    this.#isTelling = true;
    const answer = runner.invokeAtomic(owner, task, { address, isInt: false }, event);
    this.#isTelling = false;
    probe.hits++;
    if (!owner.hasCrashed || !probe.isRegistered) return answer;
    kernel.log.write(KERN_WARNING, 0, `${owner.name}: its probe on ${probe.place} is off: it has crashed`);
    probe.drop();
    return 0;
  }
}
