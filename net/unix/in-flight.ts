/**
 * Descriptors in messages that nobody has read yet: how many each user has, and which sockets among them are garbage.
 *
 * A socket is garbage when all references to it are in messages, and those messages lie in queues of garbage. Such a
 * socket arises only when the last reference from outside goes, and then all that is left of its references are in
 * flight: that is when `collect` runs. With very many descriptors in flight it runs less often, so that its cost per
 * message stays bounded; `collect` itself never leaves any.
 * @source unix(7) on SCM_RIGHTS; Linux net/unix/garbage.c
 */
import type { OpenFile } from '../../vfs/file.js';
import { dropFiles, type PassedFiles } from '../message.js';
import { SocketFile } from '../socket.js';
import { UnixSocket } from './socket.js';

/** Up to so many sockets in flight every suspicion is looked into at once. */
const FEW = 256;
/** Above it, so many sockets are looked at for one suspicion. */
const SHARE = 16;

/** Users that are kept although they have none in flight: most will have some again at once. */
const KEPT_USERS = 16;

export class InFlight {
  /** Descriptors in flight, by user. */
  readonly #users = new Map<number, number>();
  /** Sockets of unix type among them. */
  readonly #sockets = new Set<SocketFile>();
  #total = 0;
  #suspicions = 0;
  #isCollecting = false;
  readonly #suspect = (): void => this.#suspected();

  get total(): number {
    return this.#total;
  }

  of(user: number): number {
    return this.#users.get(user) ?? 0;
  }

  /** The message with them is queued. */
  add({ files, user }: PassedFiles): void {
    this.#total += files.length;
    this.#users.set(user, this.of(user) + files.length);
    for (const file of files) {
      if (!isUnix(file)) continue;
      if (file.inFlight++ === 0) this.#sockets.add(file);
      file.onlyInFlight = this.#suspect;
    }
  }

  /** The message with them is out of its queue. */
  remove({ files, user }: PassedFiles): void {
    this.#total -= files.length;
    const left = this.of(user) - files.length;
    if (left === 0 && this.#users.size > KEPT_USERS) this.#users.delete(user);
    else this.#users.set(user, left);
    for (const file of files) {
      if (!isUnix(file)) continue;
      if (--file.inFlight > 0) continue;
      this.#sockets.delete(file);
      file.onlyInFlight = null;
    }
  }

  #suspected(): void {
    if (this.#isCollecting) return;
    this.#suspicions++;
    if (this.#sockets.size <= FEW || this.#suspicions * SHARE >= this.#sockets.size) this.collect();
  }

  /** Finds all garbage and takes the descriptors out of its queues, which closes it. */
  collect(): void {
    this.#suspicions = 0;
    this.#isCollecting = true;
    const garbage = this.#garbage();
    const dropped: OpenFile[] = [];
    for (const file of garbage) {
      forEachPassed(file, (passed, forget) => {
        forget();
        this.remove(passed);
        dropped.push(...passed.files);
      });
    }
    this.#isCollecting = false;
    dropFiles(dropped);
  }

  #garbage(): SocketFile[] {
    const candidates = new Set<SocketFile>();
    for (const file of this.#sockets) if (file.refs === file.inFlight) candidates.add(file);
    if (candidates.size === 0) return [];
    // References that come from candidates' own queues. Who has others is alive, and so is all that it holds.
    const internal = new Map<SocketFile, number>();
    for (const holder of candidates) {
      forEachPassed(holder, ({ files }) => {
        for (const file of files) {
          if (isUnix(file) && candidates.has(file)) internal.set(file, (internal.get(file) ?? 0) + 1);
        }
      });
    }
    const alive = [...candidates].filter((file) => file.inFlight > (internal.get(file) ?? 0));
    for (const file of alive) candidates.delete(file);
    for (let holder = alive.pop(); holder !== undefined; holder = alive.pop()) {
      forEachPassed(holder, ({ files }) => {
        for (const file of files) if (isUnix(file) && candidates.delete(file)) alive.push(file);
      });
    }
    return [...candidates];
  }
}

const isUnix = (file: OpenFile): file is SocketFile => file instanceof SocketFile && file.socket instanceof UnixSocket;

/** Visits the descriptors in the queue of a socket, and in those of connections that it has not accepted. */
function forEachPassed(file: SocketFile, visit: (passed: PassedFiles, forget: () => void) => void): void {
  const { socket } = file;
  if (!(socket instanceof UnixSocket)) return;
  for (const one of [socket, ...socket.pending]) {
    for (let chunk = one.queue.first; chunk !== null; chunk = chunk.next) {
      const at = chunk;
      if (at.files !== null) visit(at.files, () => (at.files = null));
    }
  }
}
