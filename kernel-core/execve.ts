/**
 * execve: a task becomes another program. Everything that can fail happens on the side, in a new address space; once
 * it is complete the old one goes, and with it the other threads, the handlers and the close-on-exec descriptors.
 * @source execve(2), credentials(7)
 */

import { EACCES, ELOOP, type Err, fail, isErr } from '../abi/errno.js';
import { AT_SYMLINK_NOFOLLOW, O_RDONLY } from '../abi/fcntl.js';
import { MS_NOEXEC, MS_NOSUID } from '../abi/mount.js';
import { SIGSEGV } from '../abi/signal.js';
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from '../abi/stat.js';
import { defaultCpuid } from '../cpu/index.js';
import { type Credentials, KERNEL_CALLER } from '../vfs/caller.js';
import { afterExecution } from '../vfs/capability.js';
import type { Path } from '../vfs/dentry.js';
import type { OpenFile } from '../vfs/file.js';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, releasePath, resolve } from '../vfs/namei.js';
import { openResolved } from '../vfs/open.js';
import { MAY_EXEC, MAY_READ, permission } from '../vfs/permission.js';
import { DUMP_USER } from './core-dump/settings.js';
import { takeOverPid } from './events/pidfd.js';
import { EXEC_FATAL, type LoadedProgram, loadProgram } from './exec/load-program.js';
import type { ProcessorFacts, ProgramIdentity } from './exec/stack-image.js';
import { exitTask, releaseMemory } from './exit.js';
import { isRaised } from './inspect.js';
import { Program } from './program/program.js';
import { SS_DISABLE } from './signals/frame.js';
import { exitGroup } from './signals/send.js';
import type { Task } from './task.js';
import { unshareFiles } from './unshare.js';

const RSP = 4;
/** What loading a program counts for, in instructions. */
const EXEC_COST = 60_000;
/** Longest task name, without its zero byte. */
const COMM_LENGTH = 15;
/** Bytes of the largest signal frame: what AT_MINSIGSTKSZ tells. */
const SIGNAL_FRAME = 2048;

/**
 * Loads the program `name` into `task`, whose registers are put on the CPU.
 * @returns 0, or an error: then nothing has changed
 */
export function execProgram(task: Task, name: string, argv: readonly string[], envp: readonly string[]): number | Err {
  const file = openProgram(task, null, name, 0);
  return isErr(file) ? file : execFile(task, file, name, argv, envp);
}

/** As `execProgram`, from what `openProgram` answered for `name`; takes over the reference. */
export function execFile(
  task: Task,
  file: OpenFile,
  name: string,
  argv: readonly string[],
  envp: readonly string[],
): number | Err {
  const { kernel } = task;
  let cred: Credentials = task.cred;
  let isReadable = permission(file.inode, task, MAY_READ) === 0;
  const random = new Uint8Array(16);
  kernel.host.random(random);
  const loaded = loadProgram({
    memory: kernel.memory,
    limits: task.process,
    file,
    name,
    argv,
    envp,
    processor: PROCESSOR,
    random,
    vdso: kernel.vdso,
    open: (path) => {
      const opened = openProgram(task, null, path, 0);
      if (!isErr(opened) && isErr(permission(opened.inode, task, MAY_READ))) isReadable = false;
      return opened;
    },
    programOf: (program) => kernel.programs.find(program),
    identify: (program) => {
      cred = credentialsFor(task, program);
      return identityOf(task.cred, cred);
    },
  });
  file.unref();
  if (isErr(loaded)) return loaded === EXEC_FATAL ? dieOf(task) : loaded;
  commit(task, loaded, cred, name, isReadable);
  return 0;
}

/**
 * Opens for execution: a regular file, executable by the caller, not on a noexec mount.
 * @param at where a relative name starts, null: the working directory
 * @param flags AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH
 */
export function openProgram(task: Task, at: Path | null, name: string, flags: number): OpenFile | Err {
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const path = resolve(task.fs, task, at, name, (follow ? LOOKUP_FOLLOW : 0) | (name === '' ? LOOKUP_EMPTY : 0));
  if (isErr(path)) return path;
  const file = openPath(task, path);
  releasePath(path);
  return file;
}

function openPath(task: Task, path: Path): OpenFile | Err {
  const { inode } = path.dentry;
  if (inode.isSymlink) return fail(ELOOP);
  if ((inode.mode & S_IFMT) !== S_IFREG || (path.mount.flags & MS_NOEXEC) !== 0) return fail(EACCES);
  const denied = permission(inode, task, MAY_EXEC);
  // Execution needs no right to read: the kernel opens it.
  return isErr(denied) ? denied : openResolved(path, KERNEL_CALLER, O_RDONLY);
}

const PROCESSOR = processorFacts();

/** A broken program that Linux notices too late to return: the process dies. */
function dieOf(task: Task): number {
  exitGroup(task.process, SIGSEGV);
  return 0;
}

function processorFacts(): ProcessorFacts {
  const out = new Uint32Array(4);
  defaultCpuid(1, 0, out);
  return { hwcap: out[3], hwcap2: 0, minSignalStack: SIGNAL_FRAME };
}

/** Set-user-ID and set-group-ID programs, unless the mount or the task says no. */
function credentialsFor(task: Task, program: OpenFile): Credentials {
  const { cred } = task;
  const next = { ...cred };
  const { inode, path } = program;
  if (path !== null && (path.mount.flags & MS_NOSUID) === 0 && !task.noNewPrivs) {
    // Only where both have numbers: else the program would be somebody whom its namespace does not know.
    const { users, groups } = cred.userNamespace;
    const counts = users.has(inode.uid) && groups.has(inode.gid);
    if (counts && (inode.mode & S_ISUID) !== 0) next.euid = inode.uid;
    if (counts && (inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) next.egid = inode.gid;
  }
  next.suid = next.fsuid = next.euid;
  next.sgid = next.fsgid = next.egid;
  next.capabilities = afterExecution(next);
  return next;
}

function identityOf(old: Credentials, next: Credentials): ProgramIdentity {
  const gained = next.euid !== old.euid || next.egid !== old.egid;
  const differs = next.uid !== next.euid || next.gid !== next.egid;
  const { users, groups } = next.userNamespace;
  return {
    uid: users.shown(next.uid),
    euid: users.shown(next.euid),
    gid: groups.shown(next.gid),
    egid: groups.shown(next.egid),
    secure: gained || differs,
  };
}

/** A thread that is not the first one executes: it takes over the number of the process. */
function becomeLeader(task: Task): void {
  const { kernel, process } = task;
  kernel.processes.removeTask(task);
  kernel.processes.removeTask(process.leader);
  takeOverPid(task, process.leader);
  task.tid = process.pid;
  process.leader = task;
  kernel.processes.addTask(task);
}

function startMachineCode(task: Task, loaded: LoadedProgram): void {
  const { cpu, scheduler } = task.kernel;
  scheduler.load(task);
  cpu.activate(loaded.space.pageTable);
  cpu.resetContext();
  cpu.setReg(RSP, loaded.stackPointer);
  cpu.rip = loaded.entry;
}

/** The point of no return. @param isReadable the program may be read by who runs it, and so may its memory */
function commit(task: Task, loaded: LoadedProgram, cred: Credentials, name: string, isReadable: boolean): void {
  const { kernel, process } = task;
  kernel.scheduler.charge(EXEC_COST);
  for (const other of [...process.threads]) if (other !== task) exitTask(other, 0);
  if (process.leader !== task) becomeLeader(task);
  loaded.space.coreFilter = task.mm?.coreFilter ?? loaded.space.coreFilter;
  releaseMemory(task);
  task.mm = loaded.space;
  task.program?.ended();
  task.program = loaded.program === null ? null : new Program(task, loaded.program).thread;
  if (loaded.program === null) startMachineCode(task, loaded);

  const { uid, euid, gid, egid } = task.cred;
  const changed = isRaised(task.cred, cred);
  const isOrdinary = !changed && isReadable && uid === euid && gid === egid;
  task.cred = cred;
  process.dumpable = isOrdinary ? DUMP_USER : kernel.coreSettings.setIdDumpable;
  if (changed) task.parentDeathSignal = 0;
  if (task.handlers.refs > 1) {
    task.handlers.refs--;
    task.handlers = task.handlers.clone();
  }
  task.handlers.reset();
  process.posixTimers?.dispose();
  process.posixTimers = null;
  unshareFiles(task);
  task.files.closeForExec(task);
  task.comm = name.slice(name.lastIndexOf('/') + 1).slice(0, COMM_LENGTH);
  task.altStackBase = 0;
  task.altStackSize = 0;
  task.altStackFlags = SS_DISABLE;
  task.syscall = -1;
  process.hasExecuted = true;
  kernel.debugger?.executed(task, name);
}
