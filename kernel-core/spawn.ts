/**
 * Starting programs from outside the kernel: makes a child of init with the descriptors, identity and environment that
 * were asked for, and turns it into the program at once, so that a missing or damaged file is an exception here.
 */
import { EACCES, EINVAL, ENOENT, ENOTDIR, type Err, fail, isErr } from '../abi/errno.js';
import { TIOCSCTTY } from '../abi/ioctl.js';
import { SIGKILL } from '../abi/signal.js';
import { KERNEL_CALLER, makeCredentials } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import { LOOKUP_DIRECTORY, LOOKUP_FOLLOW, releasePath, resolve } from '../vfs/namei.js';
import { errnoError } from './errno-error.js';
import { execProgram } from './execve.js';
import { exitTask } from './exit.js';
import { FdTable } from './fd-table.js';
import type { Kernel } from './kernel.js';
import { Process } from './process.js';
import { SignalHandlers } from './signals/state.js';
import { type SharedFsContext, Task } from './task.js';
import { toKernelText } from './text.js';
import { copyFs } from './unshare.js';

export const DEFAULT_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root' };
export const DEFAULT_UMASK = 0o022;

/** Number of the system call as which the tracer shows a start. */
const EXECVE = 59;

export interface Identity {
  uid: number;
  gid: number;
  /** Supplementary groups. */
  groups?: readonly number[];
}

export interface SpawnRequest {
  argv: readonly string[];
  /** Environment, Unicode. */
  env: Readonly<Record<string, string>>;
  cwd: string;
  identity: Identity;
  umask: number;
  /** Descriptors 0, 1, 2 …; references are taken over, also on failure. */
  files: readonly OpenFile[];
  /** Makes the process leader of a new session with descriptor 0 as its controlling terminal. */
  terminal: boolean;
  onExit: (status: number) => void;
}

/** @throws ErrnoError when the program cannot be started */
export function spawnProcess(kernel: Kernel, request: SpawnRequest): Process {
  const [name] = request.argv;
  const made = makeProcess(kernel, request);
  if (isErr(made)) {
    for (const file of request.files) file.unref();
    throw errnoError(made, 'fork');
  }
  const task = made.leader;
  const moved = changeDirectory(task.fs, toKernelText(request.cwd));
  const result = isErr(moved) ? moved : startProgram(task, request);
  if (isErr(result)) {
    made.onExit = null;
    exitTask(task, SIGKILL);
    throw isErr(moved) ? errnoError(moved, 'chdir', request.cwd) : errnoError(result, 'spawn', name);
  }
  if (task.program === null) kernel.dispatch.tracer?.started(task, kernel.syscalls[EXECVE]!);
  kernel.scheduler.enqueue(task);
  kernel.debugger?.started(made);
  return made;
}

function makeProcess(kernel: Kernel, request: SpawnRequest): Process | Err {
  if (request.argv.length === 0) return fail(EINVAL);
  const pid = kernel.processes.allocatePid(true);
  if (isErr(pid)) return pid;
  const process = new Process(kernel, pid, kernel.init);
  process.pgid = pid;
  process.session = { sid: pid, hungUpGroup: 0 };
  process.onExit = request.onExit;
  const files = new FdTable();
  for (const file of request.files) files.install(file, false, request.files.length);
  const fs = copyFs(kernel.rootContext);
  fs.umask = request.umask;
  const task = new Task(kernel, process, pid, {
    mm: null,
    files,
    fs,
    handlers: new SignalHandlers(),
    cred: makeCredentials(request.identity.uid, request.identity.gid, request.identity.groups),
    netNamespace: kernel.net.first,
  });
  process.leader = task;
  kernel.processes.add(process);
  kernel.processes.addTask(task);
  return process;
}

function startProgram(task: Task, request: SpawnRequest): number | Err {
  if (request.terminal) {
    const file = task.files.get(0)!;
    const taken = file.ioctl(TIOCSCTTY, 0, NO_MEMORY, task);
    if (isErr(taken)) return taken;
  }
  const envp = Object.entries(request.env).map(([key, value]) => toKernelText(`${key}=${value}`));
  const argv = request.argv.map(toKernelText);
  return searchAndExec(task, argv, envp, request.env['PATH'] ?? '/bin:/usr/bin');
}

/** TIOCSCTTY takes its argument by value. */
const NO_MEMORY = { read: () => fail(EINVAL), write: () => fail(EINVAL) };

function changeDirectory(fs: SharedFsContext, name: string): number | Err {
  const path = resolve(fs, KERNEL_CALLER, null, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY);
  if (isErr(path)) return path;
  releasePath(fs.cwd);
  fs.cwd = path;
  return 0;
}

/** As execvp: a name without a slash is looked for in each directory of `path`. */
function searchAndExec(task: Task, argv: readonly string[], envp: readonly string[], path: string): number | Err {
  const [name] = argv;
  if (name.includes('/')) return execProgram(task, name, argv, envp);
  let result: number = fail(ENOENT);
  for (const directory of toKernelText(path).split(':')) {
    const tried = execProgram(task, `${directory === '' ? '.' : directory}/${name}`, argv, envp);
    if (!isErr(tried)) return tried;
    if (tried === fail(EACCES)) result = tried;
    else if (tried !== fail(ENOENT) && tried !== fail(ENOTDIR)) return tried;
  }
  return result;
}
