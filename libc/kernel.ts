/** The kernel as the embedder holds it, with the libc: TypeScript programs as executable files, system calls of its own. */
import { BootedKernel, type BootOptions, bootAs } from '../kernel-core/index.js';
import { Libc } from './libc.js';
import { FsPromises } from './node/fs.js';
import { Net } from './node/net.js';
import { NonBlocking } from './node/non-blocking.js';
import { Poller } from './node/poller.js';

/** A TypeScript program. @param argv its name and arguments @returns the exit status, 0 to 255; nothing is 0 */
export type Main = (libc: Libc, argv: string[]) => unknown;

/** A running kernel. Made by `boot`. */
export class Kernel extends BootedKernel {
  #libc: Libc | null = null;
  #fs: FsPromises | null = null;
  #poller: Poller | null = null;
  /** Unix sockets of the guest with the shape of node:net. */
  readonly net = new Net(() => this.#waiting());

  /**
   * Makes `main` an executable file of the guest's: shells, programs and `spawn` start it by its name, and it runs as a
   * process, with a process id, descriptors, signals and a place in /proc. One call is one process; state outside of
   * `main` is shared by all of them.
   * @param path absolute; nothing may be there yet
   * @throws ErrnoError: EEXIST, ENOENT, EOPNOTSUPP on a directory of the host …
   */
  installProgram(path: string, main: Main): void {
    if (typeof main !== 'function') throw new TypeError('a program is a function');
    this.installSystemProgram(path, (system, argv, env) => main(new Libc(system, env), argv));
  }

  /**
   * System calls for the embedder: process 1 makes them, with the superuser's rights. Its children are everybody's
   * orphans, so that it cannot wait for them: `spawn` is for that.
   */
  get libc(): Libc {
    this.#libc ??= new Libc(this.system);
    return this.#libc;
  }

  /** The guest's files with the shape of node:fs/promises. */
  get fs(): FsPromises {
    this.#fs ??= new FsPromises(this.libc, () => this.#waiting());
    return this.#fs;
  }

  /** What the descriptors of `net` and of `fs.watch` wait with. */
  #waiting(): Poller {
    this.#poller ??= new Poller(new NonBlocking(this.system));
    return this.#poller;
  }
}

/**
 * Boots a kernel.
 * @throws Error that says what to do: no root file system, a damaged tarball, an unreadable mount
 */
export const boot = (options: BootOptions = {}): Promise<Kernel> => bootAs(Kernel, options);
