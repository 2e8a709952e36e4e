/**
 * inotify: an instance has watches on inodes and a queue of what happened to them. @source inotify(7), Linux fs/notify/inotify/
 */
import { EAGAIN, EEXIST, EFAULT, EINVAL, ENOSPC, type Err, fail, isErr } from '../../abi/errno.js';
import { O_NONBLOCK, O_RDONLY } from '../../abi/fcntl.js';
import {
  IN_ALL_EVENTS,
  IN_DELETE_SELF,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_MOVE_SELF,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
  INOTIFY_EVENT_SIZE,
} from '../../abi/inotify.js';
import { FIONREAD } from '../../abi/ioctl.js';
import { POLLIN, POLLRDNORM } from '../../abi/poll.js';
import type { Caller } from '../caller.js';
import { majorOf, minorOf } from '../devices.js';
import type { UserMemory } from '../file.js';
import type { VfsEnv } from '../filesystem.js';
import { addMark, type Mark, removeMark } from '../fsnotify.js';
import type { Inode, PollMask } from '../inode.js';
import type { IoIter } from '../iter.js';
import type { UserQuota } from '../user-quota.js';
import { AnonymousFile, AnonymousInode } from './anon-inode.js';

const READY = POLLIN | POLLRDNORM;
/** Names are padded to the size of the structure in front of them. */
const NAME_UNIT = INOTIFY_EVENT_SIZE;
/** What a watch can be told besides the events it asked for. */
const UNASKED = IN_UNMOUNT;
const KEPT_FLAGS = IN_EXCL_UNLINK | IN_ONESHOT;

/** Bounds for each user. */
export interface InotifyLimits {
  readonly instances: UserQuota;
  readonly watches: UserQuota;
  /** Events that an instance keeps. */
  queuedEvents: number;
}

interface QueuedEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  readonly name: string;
}

const nameSize = (name: string): number => (name === '' ? 0 : Math.ceil((name.length + 1) / NAME_UNIT) * NAME_UNIT);
const sizeOf = ({ name }: QueuedEvent): number => INOTIFY_EVENT_SIZE + nameSize(name);

class Watch implements Mark {
  readonly instance: Instance;
  readonly wd: number;
  readonly inode: Inode;
  /** IN_* events it asked for, and IN_EXCL_UNLINK and IN_ONESHOT. */
  mask: number;

  constructor(instance: Instance, wd: number, inode: Inode, mask: number) {
    this.instance = instance;
    this.wd = wd;
    this.inode = inode;
    this.mask = mask;
  }

  event(mask: number, name: string, cookie: number, unlinked: boolean): void {
    if ((mask & this.mask & IN_ALL_EVENTS) === 0) return;
    if (unlinked && (this.mask & IN_EXCL_UNLINK) !== 0) return;
    const own = (mask & (IN_MOVE_SELF | IN_DELETE_SELF)) !== 0;
    this.instance.queue(this.wd, own ? mask & ~IN_ISDIR : mask, cookie, name);
    if ((this.mask & IN_ONESHOT) !== 0) this.instance.end(this);
  }

  inodeGone(mask: number): void {
    if ((mask & UNASKED) !== 0) this.instance.queue(this.wd, mask, 0, '');
    this.instance.end(this);
  }
}

class Instance extends AnonymousInode {
  readonly #limits: InotifyLimits;
  readonly #uid: number;
  readonly #byWd = new Map<number, Watch>();
  readonly #byInode = new Map<Inode, Watch>();
  #lastWd = 0;
  #events: QueuedEvent[] = [];
  /** Of `#events`: those before it have been read. */
  #head = 0;
  readonly #room: number;
  #overflowed = false;

  constructor(env: VfsEnv, caller: Caller, limits: InotifyLimits) {
    super(env, 'inotify', caller);
    this.#limits = limits;
    this.#uid = caller.cred.uid;
    this.#room = limits.queuedEvents;
  }

  override get anonymousName(): string {
    return 'anon_inode:inotify';
  }

  override poll(): PollMask {
    return this.next === undefined ? 0 : READY;
  }

  /** The oldest event. */
  get next(): QueuedEvent | undefined {
    return this.#events[this.#head];
  }

  watches(): Iterable<Watch> {
    return this.#byWd.values();
  }

  /** Takes the oldest event away. */
  drop(): void {
    if (this.next!.mask === IN_Q_OVERFLOW) this.#overflowed = false;
    this.#head++;
    if (this.#head < this.#events.length && this.#head < 1024) return;
    this.#events = this.#events.slice(this.#head);
    this.#head = 0;
  }

  /** Bytes that reading everything takes. */
  get available(): number {
    let bytes = 0;
    for (let i = this.#head; i < this.#events.length; i++) bytes += sizeOf(this.#events[i]);
    return bytes;
  }

  /** An event equal to the last one is dropped; one too many is replaced by IN_Q_OVERFLOW. */
  queue(wd: number, mask: number, cookie: number, name: string): void {
    const count = this.#events.length - this.#head;
    const last = count === 0 ? undefined : this.#events[this.#events.length - 1];
    const merges = last?.mask === mask && last.wd === wd && last.name === name && (mask & IN_IGNORED) === 0;
    if (merges) return;
    if (count < this.#room) this.#events.push({ wd, mask, cookie, name });
    else if (this.#overflowed) return;
    else {
      this.#overflowed = true;
      this.#events.push({ wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' });
    }
    this.notify(READY);
  }

  /** inotify_add_watch(2). @returns the watch's number; -EEXIST (IN_MASK_CREATE), -ENOSPC */
  watch(inode: Inode, mask: number): number | Err {
    const wanted = mask & (IN_ALL_EVENTS | KEPT_FLAGS);
    const known = this.#byInode.get(inode);
    if (known !== undefined) {
      if ((mask & IN_MASK_CREATE) !== 0) return fail(EEXIST);
      known.mask = (mask & IN_MASK_ADD) !== 0 ? known.mask | wanted : wanted;
      return known.wd;
    }
    if (!this.#limits.watches.take(this.#uid)) return fail(ENOSPC);
    const watch = new Watch(this, ++this.#lastWd, inode, wanted);
    this.#byWd.set(watch.wd, watch);
    this.#byInode.set(inode, watch);
    addMark(inode, watch);
    return watch.wd;
  }

  /** inotify_rm_watch(2). @returns 0 or -EINVAL */
  unwatch(wd: number): number | Err {
    const watch = this.#byWd.get(wd);
    if (watch === undefined) return fail(EINVAL);
    this.end(watch);
    return 0;
  }

  /** The watch ends, and says so. */
  end(watch: Watch): void {
    if (!this.#remove(watch)) return;
    this.queue(watch.wd, IN_IGNORED, 0, '');
  }

  close(): void {
    for (const watch of this.#byWd.values()) this.#remove(watch);
    this.#events = [];
    this.#limits.instances.give(this.#uid);
  }

  #remove(watch: Watch): boolean {
    if (!this.#byWd.delete(watch.wd)) return false;
    this.#byInode.delete(watch.inode);
    this.#limits.watches.give(this.#uid);
    removeMark(watch.inode, watch);
    return true;
  }
}

const kernelDevice = (device: number): number => (majorOf(device) << 20) | minorOf(device);

export class Inotify extends AnonymousFile {
  declare readonly inode: Instance;

  /** The caller has taken the instance from `limits.instances`. @param flags O_NONBLOCK */
  constructor(env: VfsEnv, caller: Caller, limits: InotifyLimits, flags: number) {
    super(new Instance(env, caller, limits), O_RDONLY | (flags & O_NONBLOCK));
  }

  override read(to: IoIter, _position: number, _caller: Caller): number | Err {
    const { inode } = this;
    let done = 0;
    for (let event = inode.next; event !== undefined; event = inode.next) {
      const size = sizeOf(event);
      if (size > to.remaining) return done > 0 ? done : fail(EINVAL);
      // Linux has taken the event by the time that it finds out that the memory cannot be written.
      inode.drop();
      const put = to.put(encode(event), 0, size);
      if (isErr(put) || put < size) return done > 0 ? done : fail(EFAULT);
      done += size;
    }
    return done > 0 ? done : fail(EAGAIN);
  }

  override ioctl(request: number, argument: number, user: UserMemory, caller: Caller): number | Err {
    if (request !== FIONREAD) return super.ioctl(request, argument, user, caller);
    const value = new Uint8Array(4);
    new DataView(value.buffer).setInt32(0, this.inode.available, true);
    return user.write(argument, value);
  }

  /** Without the file handles that Linux adds: there are none here. */
  override get info(): string {
    let text = '';
    for (const { wd, inode, mask } of this.inode.watches()) {
      const device = kernelDevice(inode.fs.device).toString(16);
      const events = (mask & IN_ALL_EVENTS).toString(16);
      text += `inotify wd:${wd.toString(16)} ino:${inode.ino.toString(16)} sdev:${device} mask:${events} ignored_mask:0 \n`;
    }
    return text;
  }

  protected override release(): void {
    this.inode.close();
    super.release();
  }
}

function encode(event: QueuedEvent): Uint8Array {
  const bytes = new Uint8Array(sizeOf(event));
  const view = new DataView(bytes.buffer);
  view.setInt32(0, event.wd, true);
  view.setUint32(4, event.mask, true);
  view.setUint32(8, event.cookie, true);
  view.setUint32(12, nameSize(event.name), true);
  for (let i = 0; i < event.name.length; i++) bytes[INOTIFY_EVENT_SIZE + i] = event.name.charCodeAt(i);
  return bytes;
}
