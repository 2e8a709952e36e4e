/** execve and execveat: the argument vectors come in here, the rest is execve.ts. */
import { E2BIG, EFAULT, EINVAL, ENOENT, type Err, fail, isErr } from '../../abi/errno.js';
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from '../../abi/fcntl.js';
import { RLIMIT_STACK } from '../../abi/resource.js';
import type { Path } from '../../vfs/dentry.js';
import { execFile, openProgram } from '../execve.js';
import type { AddressSpace } from '../mm/address-space.js';
import type { Task } from '../task.js';
import { CONTEXT_REPLACED } from '../wait.js';
import { anyFile, pathName, startOf } from './args.js';
import type { SyscallRows } from './row.js';

/** A single string with its zero byte. @source Linux MAX_ARG_STRLEN */
const MAX_STRING = 32 * 4096;
/** What strings and pointers may take however large the stack is. @source Linux _STK_LIM / 4 * 3 */
const MAX_TOTAL = 6 * 2 ** 20;
const POINTER = 8;

/** Reads a vector of strings that ends with a null pointer; a null vector is an empty one. */
function readVector(mm: AddressSpace, address: number, room: { bytes: number }): string[] | Err {
  const strings: string[] = [];
  if (address === 0) return strings;
  for (let at = address; ; at += POINTER) {
    const pointer = mm.readU64(at);
    if (Number.isNaN(pointer)) return fail(EFAULT);
    if (pointer === 0) return strings;
    const text = mm.readCString(pointer, MAX_STRING);
    if (isErr(text)) return text === fail(EFAULT) ? text : fail(E2BIG);
    room.bytes -= text.length + 1 + POINTER;
    if (room.bytes < 0) return fail(E2BIG);
    strings.push(text);
  }
}

function exec(
  task: Task,
  at: Path | null,
  name: string,
  argvAddress: number,
  envpAddress: number,
  flags: number,
): number {
  const file = openProgram(task, at, name, flags);
  if (isErr(file)) return file;
  const vectors = readVectors(task, argvAddress, envpAddress);
  if (isErr(vectors)) {
    file.unref();
    return vectors;
  }
  const [argv, envp] = vectors;
  // A program never sees argc 0: it gets an empty name, as Linux does since 5.18.
  const result = execFile(task, file, name, argv.length === 0 ? [''] : argv, envp);
  return isErr(result) ? result : CONTEXT_REPLACED;
}

function readVectors(task: Task, argvAddress: number, envpAddress: number): [argv: string[], envp: string[]] | Err {
  const mm = task.mm!;
  const room = { bytes: Math.min(MAX_TOTAL, task.process.limit(RLIMIT_STACK) / 4) };
  const argv = readVector(mm, argvAddress, room);
  if (isErr(argv)) return argv;
  const envp = readVector(mm, envpAddress, room);
  return isErr(envp) ? envp : [argv, envp];
}

function execve(task: Task, nameAddress: number, argv: number, envp: number): number {
  const name = pathName(task, nameAddress);
  if (isErr(name)) return name;
  return name === '' ? fail(ENOENT) : exec(task, null, name, argv, envp, 0);
}

function execveat(task: Task, dirfd: number, nameAddress: number, argv: number, envp: number, flags: number): number {
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return fail(EINVAL);
  const name = pathName(task, nameAddress);
  if (isErr(name)) return name;
  if (name === '' && (flags & AT_EMPTY_PATH) === 0) return fail(ENOENT);
  const at = name === '' ? (anyFile(task, dirfd)?.path ?? null) : startOf(task, dirfd, name);
  if (isErr(at)) return at;
  return exec(task, at, name, argv, envp, flags);
}

export const execSyscalls: SyscallRows = {
  59: { name: 'execve', fn: execve, support: 'full', args: ['path', 'argv', 'envp'] },
  322: { name: 'execveat', fn: execveat, support: 'full', args: ['dirfd', 'path', 'argv', 'envp', 'atFlags'] },
};
