/**
 * pidfd: a descriptor that stands for a process or a thread, never for another one that gets its number later. All
 * descriptors of one process share an inode, which is told when it ends and when it is gone. @source pidfd_open(2),
 * Linux fs/pidfs.c
 */

import { ENXIO, EOPNOTSUPP, type Err, fail } from '../../abi/errno.js';
import { PIDFD_NONBLOCK, PIDFD_THREAD } from '../../abi/event-files.js';
import { O_RDWR } from '../../abi/fcntl.js';
import { PID_FS_MAGIC } from '../../abi/mount.js';
import { POLLHUP, POLLIN, POLLRDNORM } from '../../abi/poll.js';
import type { Caller } from '../../vfs/caller.js';
import { makeDevice } from '../../vfs/devices.js';
import { OpenFile } from '../../vfs/file.js';
import type { VfsEnv } from '../../vfs/filesystem.js';
import { AnonymousFs } from '../../vfs/fs/anonymous-fs.js';
import { type AttributeChange, Inode, type PollMask } from '../../vfs/inode.js';
import type { Process } from '../process.js';
import type { Task } from '../task.js';

const PIDFS_DEVICE = makeDevice(0, 13);
const MODE = 0o700;
const ENDED = POLLIN | POLLRDNORM;

const instances = new WeakMap<VfsEnv, AnonymousFs>();

function pidfsOf(env: VfsEnv): AnonymousFs {
  let fs = instances.get(env);
  if (fs === undefined) instances.set(env, (fs = new AnonymousFs(env, 'pidfs', PIDFS_DEVICE, PID_FS_MAGIC)));
  return fs;
}

/** What a task's end is told to; one for each number. */
export class PidInode extends Inode {
  task!: Task;
  /** The task goes on under another number. */
  #isLost = false;

  /** `bind` must follow. */
  constructor(env: VfsEnv) {
    const fs = pidfsOf(env);
    super(fs, fs.nextIno(), MODE);
  }

  bind(task: Task): void {
    this.task = task;
    task.pidInode = this;
  }

  lose(): void {
    this.#isLost = true;
    this.notify(ENDED | POLLHUP);
  }

  /** The process whose leader the task is; null for other threads. */
  get process(): Process | null {
    return this.task.process.leader === this.task ? this.task.process : null;
  }

  /** Nothing is left: it ended, and whoever had to has waited for it. */
  get isGone(): boolean {
    if (this.#isLost) return true;
    const { task, process } = this;
    return process === null ? task.state === 'dead' : task.kernel.processes.get(process.pid) !== process;
  }

  override get anonymousName(): string {
    return 'anon_inode:[pidfd]';
  }

  override poll(): PollMask {
    return this.pollAs(false);
  }

  /** @param thread the end of the task counts even if other threads of its process go on */
  pollAs(thread: boolean): PollMask {
    if (this.isGone) return ENDED | POLLHUP;
    const { task } = this;
    return task.state === 'dead' && (thread || task.process.isZombie) ? ENDED : 0;
  }

  override open(_flags: number, _caller: Caller): OpenFile | Err {
    return fail(ENXIO);
  }

  override setAttributes(_change: AttributeChange): number | Err {
    return fail(EOPNOTSUPP);
  }
}

export class PidFd extends OpenFile {
  declare readonly inode: PidInode;

  /** @param flags PIDFD_NONBLOCK, PIDFD_THREAD */
  constructor(inode: PidInode, flags: number) {
    super(inode, O_RDWR | (flags & (PIDFD_NONBLOCK | PIDFD_THREAD)));
  }

  get isThread(): boolean {
    return (this.flags & PIDFD_THREAD) !== 0;
  }

  override poll(): PollMask {
    return this.inode.pollAs(this.isThread);
  }

  override get info(): string {
    const pid = this.inode.isGone ? -1 : this.inode.task.tid;
    return `Pid:\t${pid}\nNSpid:\t${pid}\n`;
  }
}

export function openPidFd(task: Task, flags: number): PidFd {
  if (task.pidInode === null) new PidInode(task.kernel.vfsEnv).bind(task);
  return new PidFd(task.pidInode!, flags);
}

/** `task` executes and takes over the number of its process from `leader`; its own is gone. */
export function takeOverPid(task: Task, leader: Task): void {
  task.pidInode?.lose();
  task.pidInode = null;
  leader.pidInode?.bind(task);
}

/** The task ended: those who wait on a descriptor of it look. */
export function tellEnd(task: Task): void {
  task.pidInode?.notify(ENDED);
}

/** The process was waited for, or its thread vanished: the number may be used again. */
export function tellGone(task: Task): void {
  task.pidInode?.notify(ENDED | POLLHUP);
}
