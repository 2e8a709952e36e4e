/**
 * `watch` of `kernel.fs`: changes of a file or directory, told by the kernel's inotify. The instance does not block and
 * hangs on the one epoll set of process 1; events that nobody has asked for yet wait here.
 */
import { EAGAIN, ESRCH } from '../../abi/errno.js';
import * as inotify from '../../abi/inotify.js';
import { DT_DIR } from '../../abi/stat.js';
import { errnoError } from '../../kernel-core/index.js';
import { shown, textOf } from '../calls.js';
import { abortError, calling, hasCode, throwIfAborted } from './errors.js';
import type { Pollable, Poller } from './poller.js';
import { type Encoding, encodingOf, type NodePath, namedAs, pathOf } from './support.js';
import { entriesOf, isDirectory, join } from './trees.js';

/** @source nodejs.org/api/fs.html, fsPromises.watch */
export interface WatchOptions {
  encoding?: Encoding;
  /** Of no use here: a kernel never keeps Node alive. */
  persistent?: boolean;
  /** Everything below the directory, too. */
  recursive?: boolean;
  signal?: AbortSignal;
}

export interface WatchEvent {
  /** 'rename': a name came or went. */
  eventType: 'rename' | 'change';
  /** From the directory that is watched; of a file its own name. */
  filename: string | Buffer;
}

const {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_IGNORED,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} = inotify;
/** What libuv watches for, and what of it is a change; the rest is a rename. */
const WATCHED =
  IN_ATTRIB | IN_CREATE | IN_MODIFY | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_MOVED_FROM | IN_MOVED_TO;
const CHANGES = IN_ATTRIB | IN_MODIFY;
const WD = 0;
const MASK = 4;
const LENGTH = 12;
/** A link is not followed: it is no directory of the tree. */
const ONLY = inotify.IN_ONLYDIR | inotify.IN_DONT_FOLLOW;
/** So many events may wait for their reader: those that come then are lost, as the kernel's own queue loses them. */
const MOST_WAITING = 16384;

class Watcher implements Pollable {
  readonly #poller: Poller;
  readonly #root: string;
  readonly #recursive: boolean;
  /** Watch descriptor to the directory's name below the root, '' for the root. */
  readonly #names = new Map<number, string>();
  readonly #events: { eventType: WatchEvent['eventType']; name: string }[] = [];
  readonly #fd: number;
  readonly #id: number;
  #wake: (() => void) | null = null;
  #failed: Error | null = null;
  #isKernelGone = false;
  readonly #base: string;

  /** @throws ErrnoError */
  constructor(poller: Poller, root: string, recursive: boolean) {
    this.#poller = poller;
    this.#root = root;
    const { libc } = poller;
    this.#fd = libc.inotify_init1(inotify.IN_NONBLOCK | inotify.IN_CLOEXEC);
    try {
      const isTree = isDirectory(libc.stat(root).st_mode);
      this.#recursive = recursive && isTree;
      this.#base = root.replace(/\/+$/, '').replace(/^.*\//, '');
      this.#names.set(libc.inotify_add_watch(this.#fd, root, WATCHED), '');
      if (this.#recursive) this.#watchBelow('', false);
      this.#id = poller.add(this.#fd, this);
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /** Waits for the next event. @throws what `fail` was called with */
  async next(): Promise<{ eventType: WatchEvent['eventType']; name: string }> {
    while (this.#events.length === 0) {
      if (this.#failed !== null) throw this.#failed;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#failed !== null) throw this.#failed;
    return this.#events.shift()!;
  }

  fail(error: Error): void {
    this.#failed ??= error;
    this.#wakeUp();
  }

  close(): void {
    if (this.#isKernelGone) return;
    this.#poller.remove(this.#id);
    this.#poller.libc.close(this.#fd);
  }

  ready(): void {
    try {
      for (;;) {
        const bytes = this.#poller.libc.tryRead(this.#fd);
        if (typeof bytes === 'number') {
          if (bytes < 0 && bytes !== -EAGAIN) throw errnoError(bytes, 'watch', this.#root);
          break;
        }
        this.#take(bytes);
      }
    } catch (error) {
      // Of new directories too: there may be too many to be watched.
      this.fail(error as Error);
    }
    this.#wakeUp();
  }

  kernelGone(): void {
    this.#isKernelGone = true;
    this.fail(errnoError(-ESRCH, 'watch', this.#root));
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** @param bytes structs inotify_event */
  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const watch = bytes.readInt32LE(at + WD);
      const mask = bytes.readUInt32LE(at + MASK);
      const end = at + inotify.INOTIFY_EVENT_SIZE + bytes.readUInt32LE(at + LENGTH);
      const name = textOf(bytes.subarray(at + inotify.INOTIFY_EVENT_SIZE, end));
      at = end;
      const directory = this.#names.get(watch);
      if (directory === undefined) continue;
      if (mask & IN_IGNORED) this.#names.delete(watch);
      // Of what lies below, its directory has told already.
      if (name === '' && directory !== '') continue;
      const path = name === '' ? this.#base : directory === '' ? name : `${directory}/${name}`;
      if (mask & CHANGES) this.#tell('change', path);
      if (mask & ~(CHANGES | IN_ISDIR)) this.#tell('rename', path);
      if (!this.#recursive || !(mask & IN_ISDIR)) continue;
      if (mask & (IN_CREATE | IN_MOVED_TO)) this.#watchNew(path);
      else if (mask & IN_MOVED_FROM) this.#forget(path);
    }
  }

  #tell(eventType: WatchEvent['eventType'], name: string): void {
    if (this.#events.length < MOST_WAITING) this.#events.push({ eventType, name });
  }

  /** A directory has come. What is in it by now nobody has told of. */
  #watchNew(name: string): void {
    if (this.#watchDirectory(name)) this.#watchBelow(name, true);
  }

  /** @param isNew what is found is told as a rename */
  #watchBelow(name: string, isNew: boolean): void {
    const { libc } = this.#poller;
    try {
      for (const { entry, name: below } of entriesOf(libc, join(this.#root, name), true)) {
        const path = name === '' ? below.toString() : `${name}/${below}`;
        if (isNew) this.#tell('rename', path);
        if (entry.d_type === DT_DIR) this.#watchDirectory(path);
      }
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  /** @returns whether it is still there */
  #watchDirectory(name: string): boolean {
    try {
      this.#names.set(this.#poller.libc.inotify_add_watch(this.#fd, join(this.#root, name), WATCHED | ONLY), name);
      return true;
    } catch (error) {
      if (isGone(error)) return false;
      throw error;
    }
  }

  /** A directory has left, with all in it: it is watched no longer. */
  #forget(name: string): void {
    for (const [watch, path] of this.#names) {
      if (path !== name && !path.startsWith(`${name}/`)) continue;
      this.#names.delete(watch);
      try {
        this.#poller.libc.inotify_rm_watch(this.#fd, watch);
      } catch (error) {
        if (!hasCode(error, 'EINVAL')) throw error;
      }
    }
  }
}

/** A directory that goes while it is looked at, or is another thing by then. */
const isGone = (error: unknown): boolean => hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR');

/** The watch begins with the first `next`, as Node's does, and ends with `return`, an error, or the signal. */
export async function* watch(
  poller: () => Poller,
  path: NodePath,
  { encoding, recursive = false, signal }: WatchOptions,
): AsyncGenerator<WatchEvent, void, undefined> {
  const root = shown(pathOf(path));
  encodingOf(encoding);
  throwIfAborted(signal);
  const watcher = await calling('watch', path, () => new Watcher(poller(), root, recursive));
  const stop = (): void => watcher.fail(abortError(signal!));
  // It may have fired while the watch was made.
  if (signal?.aborted) stop();
  else signal?.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const { eventType, name } = await watcher.next();
      yield { eventType, filename: namedAs(Buffer.from(name), encoding) };
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    watcher.close();
  }
}
