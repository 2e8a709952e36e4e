/**
 * Who has what: every resource that a driver gets (heap blocks, devices, timers, threads, waits, files) is registered with
 * its owner, the module that asked for it, so that a failed init and a forced unload give everything back. The kernel itself
 * owns what no module does.
 *
 * Order: the last one taken is the first one given back, because the later may build on the earlier.
 */

/** Something that an owner has. */
export interface Owned {
  /** Gives it back, whatever state it is in. The owner has forgotten it by then. Never throws. */
  release(): void;
}

export class Owner {
  /** Module name; for log lines and /proc. Known when the object is linked. */
  name: string;
  /** What holds the module: open files, mappings, dependants. The module table refuses to unload while there are any. */
  holds = 0;
  /** Unloading: nothing new may be opened, started or taken. */
  isClosing = false;
  /** Faults that happened inside it. */
  crashes = 0;
  readonly #resources = new Set<Owned>();

  constructor(name: string) {
    this.name = name;
  }

  /** It may only be forced out. */
  get hasCrashed(): boolean {
    return this.crashes > 0;
  }

  /** Resources that it has now. */
  get size(): number {
    return this.#resources.size;
  }

  add<T extends Owned>(resource: T): T {
    this.#resources.add(resource);
    return resource;
  }

  /** The resource was given back in the ordinary way. */
  remove(resource: Owned): void {
    this.#resources.delete(resource);
  }

  /** Gives back all that there is, the youngest first, also what comes up meanwhile. */
  release(): void {
    this.isClosing = true;
    while (this.#resources.size > 0) {
      for (const resource of [...this.#resources].reverse()) {
        // One may have gone together with another.
        if (this.#resources.delete(resource)) resource.release();
      }
    }
  }
}
