/** A task as procfs shows it. Getters compute on each call; nothing is kept but the task itself. */

import type { Path } from '../../vfs/dentry.js';
import type { OpenFile } from '../../vfs/file.js';
import { namespaceInode } from '../../vfs/fs/nsfs.js';
import type {
  ProcDirectories,
  ProcIo,
  ProcMemory,
  ProcNetwork,
  ProcResourceLimit,
  ProcTask,
  ProcUsage,
  SignalMask,
  TaskStateLetter,
} from '../../vfs/fs/procfs/source.js';
import type { Inode } from '../../vfs/inode.js';
import { DUMP_USER } from '../core-dump/settings.js';
import type { Usage } from '../process.js';
import { SigSet } from '../signals/sigset.js';
import { SIG_DFL, SIG_IGN } from '../signals/state.js';
import type { Task } from '../task.js';
import { procMemory } from './memory.js';
import { procNetwork } from './net.js';

const RSP = 4;
/** PF_FORKNOEXEC, PF_RANDOMIZE: what `flags` of an ordinary process shows. @source linux/sched.h */
const PF_FORKNOEXEC = 0x40;
const PF_RANDOMIZE = 0x400000;

const showUsage = (usage: Usage): ProcUsage => ({ ...usage, userTime: usage.utime, systemTime: usage.stime });

export class TaskView implements ProcTask {
  readonly #task: Task;

  constructor(task: Task) {
    this.#task = task;
  }

  get task(): Task {
    return this.#task;
  }

  get tid(): number {
    return this.#task.tid;
  }
  get tgid(): number {
    return this.#task.pid;
  }
  get comm(): string {
    return this.#task.comm;
  }
  set comm(name: string) {
    this.#task.comm = name;
  }
  get state(): TaskStateLetter {
    const { state, process, wait } = this.#task;
    if (process.isZombie) return 'Z';
    if (state === 'dead') return 'X';
    if (state === 'stopped') return 'T';
    if (state === 'running') return 'R';
    return wait.request?.uninterruptible ? 'D' : 'S';
  }
  get ppid(): number {
    return this.#task.process.parent?.pid ?? 0;
  }
  get pgrp(): number {
    return this.#task.pgid;
  }
  get session(): number {
    return this.#task.sid;
  }
  get tty(): number {
    return this.#task.process.tty?.rdev ?? 0;
  }
  get ttyGroup(): number {
    return this.#task.process.tty?.pgid ?? -1;
  }
  get flags(): number {
    return (this.#task.process.hasExecuted ? 0 : PF_FORKNOEXEC) | (this.#task.mm === null ? 0 : PF_RANDOMIZE);
  }
  get nice(): number {
    return this.#task.process.nice;
  }
  get policy(): number {
    return this.#task.policy;
  }
  readonly realtimePriority = 0;
  readonly processor = 0;
  get startTime(): number {
    return this.#task.process.startTime;
  }
  get exitSignal(): number {
    return this.#task.process.exitSignal;
  }
  get exitStatus(): number {
    return this.#task.process.exitStatus;
  }
  get cred() {
    return this.#task.cred;
  }
  get userNamespaceInode(): Inode {
    const { kernel, cred } = this.#task;
    return namespaceInode(kernel.vfsEnv, cred.userNamespace);
  }
  get noNewPrivs(): boolean {
    return this.#task.noNewPrivs;
  }
  get dumpable(): boolean {
    return this.#task.process.dumpable === DUMP_USER;
  }
  threads(): Iterable<ProcTask> {
    const { threads, leader } = this.#task.process;
    return threads.size === 0 ? [leader.view] : [...threads].sort((a, b) => a.tid - b.tid).map((task) => task.view);
  }
  get threadCount(): number {
    return Math.max(1, this.#task.process.threads.size);
  }
  get usage(): ProcUsage {
    return showUsage(this.#task.process.usage);
  }
  get processUsage(): ProcUsage {
    return showUsage(this.#task.process.usage);
  }
  get childUsage(): ProcUsage {
    return showUsage(this.#task.process.childUsage);
  }
  get io(): ProcIo {
    return this.#task.process.io;
  }
  get memory(): ProcMemory | null {
    return this.#task.mm === null ? null : procMemory(this.#task.mm);
  }
  get directories(): ProcDirectories | null {
    if (this.#task.state === 'dead') return null;
    const { root, cwd, umask, namespace } = this.#task.fs;
    return { root, cwd, umask, mounts: () => namespace.list() };
  }
  get network(): ProcNetwork | null {
    const { kernel, state, netNamespace } = this.#task;
    return state === 'dead' ? null : procNetwork(kernel, netNamespace);
  }
  get executable(): Path | null {
    return this.#task.mm?.executable?.path ?? null;
  }
  descriptors(): Iterable<number> {
    return this.#task.state === 'dead' ? [] : this.#task.files.descriptors();
  }
  get descriptorSlots(): number {
    return this.#task.state === 'dead' ? 0 : this.#task.files.room;
  }
  file(fd: number): OpenFile | null {
    return this.#task.state === 'dead' ? null : this.#task.files.get(fd);
  }
  isCloseOnExec(fd: number): boolean {
    return this.#task.files.isCloseOnExec(fd);
  }
  get limits(): readonly ProcResourceLimit[] {
    return this.#task.process.limits;
  }
  get pending(): SignalMask {
    return this.#task.pending.set;
  }
  get sharedPending(): SignalMask {
    return this.#task.process.pending.set;
  }
  get blocked(): SignalMask {
    return this.#task.blocked;
  }
  get ignored(): SignalMask {
    return this.#dispositions((handler) => handler === SIG_IGN);
  }
  get caught(): SignalMask {
    return this.#dispositions((handler) => handler !== SIG_IGN && handler !== SIG_DFL);
  }
  get queuedSignals(): number {
    return this.#task.pending.queued + this.#task.process.pending.queued;
  }
  get oomScoreAdjustment(): number {
    return this.#task.process.oomScoreAdjustment;
  }
  set oomScoreAdjustment(value: number) {
    this.#task.process.oomScoreAdjustment = value;
  }
  get coreFilter(): number | null {
    return this.#task.mm?.coreFilter ?? null;
  }
  set coreFilter(filter: number) {
    if (this.#task.mm !== null) this.#task.mm.coreFilter = filter;
  }
  get personality(): number {
    return this.#task.personality;
  }
  get waitChannel(): string {
    return this.#task.wait.request?.what ?? '';
  }
  get systemCall(): readonly number[] | null {
    const task = this.#task;
    if (task.state !== 'sleeping' || task.syscall < 0) return null;
    const { cpu, scheduler } = task.kernel;
    // The register file holds whoever runs now: look at the sleeper's, then put that one back.
    const runner = scheduler.current;
    scheduler.load(task);
    const registers = [7, 6, 2, 10, 8, 9, RSP].map((register) => cpu.reg(register));
    const call = [task.syscall, ...registers, cpu.rip];
    if (runner !== null) scheduler.load(runner);
    return call;
  }

  #dispositions(pick: (handler: number) => boolean): SigSet {
    const set = new SigSet();
    this.#task.handlers.actions.forEach(({ handler }, signal) => {
      if (signal > 0 && pick(handler)) set.add(signal);
    });
    return set;
  }
}
