/** Runs the calls of script.c on the file layers here, with the same results in the same form. */

import { EBADF, EINVAL, ENOENT, ENOTDIR, EOPNOTSUPP, fail, isErr } from '../../../abi/errno.js';
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  FALLOC_FL_PUNCH_HOLE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_LARGEFILE,
  O_PATH,
  SEEK_MAX,
} from '../../../abi/fcntl.js';
import { MNT_DETACH, MNT_EXPIRE, MNT_FORCE, MS_BIND, MS_REC, UMOUNT_NOFOLLOW } from '../../../abi/mount.js';
import { POLLNVAL } from '../../../abi/poll.js';
import { UTIME_NOW, UTIME_OMIT } from '../../../abi/stat.js';
import type { Caller } from '../../../vfs/caller.js';
import { makeCredentials } from '../../../vfs/caller.js';
import { afterFileUserChange } from '../../../vfs/capability.js';
import { type Path, releasePath } from '../../../vfs/dentry.js';
import { DirectoryFile } from '../../../vfs/directory-file.js';
import type { OpenFile } from '../../../vfs/file.js';
import { Tmpfs } from '../../../vfs/fs/tmpfs.js';
import { readFile, readFileAt, writeFile, writeFileAt } from '../../../vfs/io.js';
import { BytesIter } from '../../../vfs/iter.js';
import { flock, getRangeLock, lockRange, setRangeLock } from '../../../vfs/locks.js';
import { LOOKUP_EMPTY, LOOKUP_FOLLOW, PATH_MAX, resolve, type Start } from '../../../vfs/namei.js';
import * as ops from '../../../vfs/operations.js';
import type { World } from '../env.js';
import type { Call } from './native.js';

type Result = number | string;

const UMOUNT_FLAGS = MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW;

export class Interpreter {
  readonly #world: World;
  readonly #slots = new Map<number, OpenFile>();
  readonly #times = new Map<string, string[]>();
  #caller: Caller = makeCaller(0);
  #device = 30;

  constructor(world: World) {
    this.#world = world;
  }

  run(calls: readonly Call[]): string[] {
    return calls.map((call) => String(this.#call(String(call[0]), call.slice(1))));
  }

  /** Closes what the script left open. */
  end(): void {
    for (const file of this.#slots.values()) close(file, this.#caller);
    this.#slots.clear();
  }

  #call(op: string, args: (string | number)[]): Result {
    const { ctx } = this.#world;
    const caller = this.#caller;
    const text = (i: number) => String(args[i] ?? '');
    const num = (i: number) => Number(args[i] ?? 0);
    /** A relative name's start: a slot, or the working directory. */
    const at = (i: number): Start => {
      const slot = num(i);
      if (slot < 0) return null;
      const file = this.#slots.get(slot);
      return file === undefined ? fail(EBADF) : (file.path ?? fail(ENOTDIR));
    };
    const file = (run: (file: OpenFile) => Result): Result => {
      const found = this.#slots.get(num(0));
      return found === undefined || found.flags & O_PATH ? fail(EBADF) : run(found);
    };
    const named = (flags: number, run: (path: Path) => Result): Result => this.#resolved(at(0), text(1), flags, run);

    switch (op) {
      case 'user':
        this.#caller = makeCaller(num(0));
        return 0;
      case 'umask': {
        const old = ctx.umask;
        ctx.umask = num(0) & 0o777;
        return old;
      }
      case 'mkdir':
        return ops.mkdirAt(ctx, caller, at(0), text(1), num(2));
      case 'mknod':
        return ops.mknodAt(ctx, caller, at(0), text(1), num(2), num(3));
      case 'symlink':
        return ops.symlinkAt(ctx, caller, text(0), at(1), text(2));
      case 'link':
        return ops.linkAt(ctx, caller, at(0), text(1), at(2), text(3), num(4));
      case 'unlink':
        return ops.unlinkAt(ctx, caller, at(0), text(1));
      case 'rmdir':
        return ops.rmdirAt(ctx, caller, at(0), text(1));
      case 'rename':
        return ops.renameAt(ctx, caller, at(0), text(1), at(2), text(3), num(4));
      case 'open': {
        const opened = ops.openAt(ctx, caller, at(1), text(2), (num(3) & ~O_CLOEXEC) | O_LARGEFILE, num(4));
        if (isErr(opened)) return opened;
        const old = this.#slots.get(num(0));
        this.#slots.set(num(0), opened);
        if (old !== undefined) close(old, caller);
        return 0;
      }
      case 'close': {
        const open = this.#slots.get(num(0));
        if (open === undefined) return fail(EBADF);
        this.#slots.delete(num(0));
        close(open, caller);
        return 0;
      }
      case 'write':
        return file((f) => writeFile(f, filled(65 + (num(1) % 26), num(1)), caller));
      case 'pwrite':
        return num(2) < 0
          ? fail(EINVAL)
          : file((f) => writeFileAt(f, filled(97 + (num(1) % 26), num(1)), num(2), caller));
      case 'read':
        return file((f) => summed(num(1), (to) => readFile(f, to, caller)));
      case 'pread':
        return num(2) < 0 ? fail(EINVAL) : file((f) => summed(num(1), (to) => readFileAt(f, to, num(2), caller)));
      case 'lseek':
        return file((f) => (num(2) > SEEK_MAX ? fail(EINVAL) : f.seek(num(1), num(2))));
      case 'truncate':
        return num(1) < 0
          ? fail(EINVAL)
          : this.#resolved(null, text(0), LOOKUP_FOLLOW, (path) => ops.truncatePath(path, caller, num(1)));
      case 'ftruncate':
        return num(1) < 0 ? fail(EINVAL) : file((f) => ops.truncateFile(f, caller, num(1)));
      case 'fallocate':
        // What the system call checks before it asks the file.
        return file((f) => {
          if (num(2) < 0 || num(3) <= 0) return fail(EINVAL);
          if (num(1) === FALLOC_FL_PUNCH_HOLE) return fail(EOPNOTSUPP);
          return f.allocate(num(1), num(2), num(3));
        });
      case 'chmod':
        return named(LOOKUP_FOLLOW, (path) => ops.chmodPath(path, caller, num(2)));
      case 'fchmod':
        return file((f) => ops.chmodPath(f.path!, caller, num(1)));
      case 'chown':
        return named(followFlags(num(4)), (path) => ops.chownPath(path, caller, num(2), num(3)));
      case 'utime': {
        const atime = timeOf(num(2), num(3));
        const mtime = timeOf(num(4), num(5));
        if (atime === 'omit' && mtime === 'omit') return 0;
        return named(followFlags(num(6)), (path) => ops.utimensPath(path, caller, atime, mtime));
      }
      case 'access':
        return ops.accessAt(ctx, caller, at(0), text(1), num(2), num(3));
      case 'chdir':
        return ops.chdir(ctx, caller, text(0));
      case 'fchdir': {
        const open = this.#slots.get(num(0));
        return open === undefined
          ? fail(EBADF)
          : open.path === null
            ? fail(ENOTDIR)
            : ops.chdirPath(ctx, caller, open.path);
      }
      case 'chroot':
        return ops.chroot(ctx, caller, text(0));
      case 'getcwd':
        return ops.workingDirectory(ctx);
      case 'readlink':
        return ops.readlinkAt(ctx, caller, at(0), text(1));
      case 'path': {
        const open = this.#slots.get(num(0));
        return open === undefined ? fail(ENOENT) : ops.fileString(ctx, open);
      }
      case 'stat':
        return named(LOOKUP_FOLLOW, (path) => statLine(path.dentry.inode));
      case 'lstat':
        return named(0, (path) => statLine(path.dentry.inode));
      case 'fstat': {
        const open = this.#slots.get(num(0));
        return open === undefined ? fail(EBADF) : statLine(open.node);
      }
      case 'list':
        return this.#list(at(0));
      case 'times':
        return this.#timesChanged(text(0));
      case 'tick':
        this.#world.env.time++;
        return 0;
      case 'poll':
        return this.#poll(this.#slots.get(num(0)));
      case 'flock':
        return file((f) => flock(f, num(1)));
      case 'setlk':
        return file((f) => {
          const range = lockRange(f, num(2), num(3), num(4));
          return isErr(range) ? range : setRangeLock(f, num(1), range, caller, num(5) !== 0, null);
        });
      case 'getlk':
        return file((f) => {
          const range = lockRange(f, num(2), num(3), num(4));
          if (isErr(range)) return range;
          const lock = getRangeLock(f, num(1), range, caller, num(5) !== 0);
          if (lock === null) return 'free';
          if (isErr(lock)) return lock;
          const length = lock.end === Number.POSITIVE_INFINITY ? 0 : lock.end - lock.start;
          return `${lock.type} ${lock.start} ${length}`;
        });
      case 'mount':
        return this.#resolved(null, text(0), LOOKUP_FOLLOW, (path) => {
          const fs = new Tmpfs(this.#world.env, this.#device++, {
            mode: 0o755,
            uid: caller.cred.fsuid,
            gid: caller.cred.fsgid,
          });
          return status(ctx.namespace.mount(fs, path, num(1), 'none'));
        });
      case 'bind':
        if (text(0).length >= PATH_MAX) return fail(EINVAL);
        return this.#resolved(null, text(1), LOOKUP_FOLLOW, (path) =>
          this.#source(text(0), (source) => status(ctx.namespace.bind(source, path, (num(2) & MS_REC) !== 0))),
        );
      case 'move':
        if (text(0).length >= PATH_MAX) return fail(EINVAL);
        return this.#resolved(null, text(1), LOOKUP_FOLLOW, (to) =>
          this.#source(text(0), (path) => ctx.namespace.move(path, to)),
        );
      case 'remount':
        return this.#resolved(null, text(0), LOOKUP_FOLLOW, (path) =>
          ctx.namespace.remount(path, num(1) & ~MS_BIND, (num(1) & MS_BIND) !== 0),
        );
      case 'umount':
        if (num(1) & ~UMOUNT_FLAGS) return fail(EINVAL);
        return this.#resolved(null, text(0), LOOKUP_FOLLOW, (path) => ctx.namespace.umount(path, num(1), ctx.root));
      case 'statfs':
        return this.#resolved(null, text(0), LOOKUP_FOLLOW, (path) => {
          const s = ops.statfs(path);
          return `${s.type.toString(16)} ${s.blockSize} ${s.nameLength} ${s.flags.toString(16)}`;
        });
      default:
        throw new Error(`unknown call ${op}`);
    }
  }

  #resolved(at: Start, name: string, flags: number, run: (path: Path) => Result): Result {
    const path = resolve(this.#world.ctx, this.#caller, at, name, flags);
    if (isErr(path)) return path;
    const result = run(path);
    releasePath(path);
    return result;
  }

  /** The first argument of mount(2) where it is a path. */
  #source(name: string, run: (path: Path) => Result): Result {
    return name === '' ? fail(EINVAL) : this.#resolved(null, name, LOOKUP_FOLLOW, run);
  }

  #poll(file: OpenFile | undefined): Result {
    return file === undefined || file.flags & O_PATH ? POLLNVAL : file.poll();
  }

  #list(at: Start): Result {
    const directory = ops.openAt(this.#world.ctx, this.#caller, at, '.', O_DIRECTORY, 0);
    if (isErr(directory)) return directory;
    const found: string[] = [];
    if (directory instanceof DirectoryFile) {
      directory.list(({ name, type }) => {
        found.push(`${name}/${type}`);
        return true;
      });
    }
    directory.unref();
    return found.sort((a, b) => (a < b ? -1 : 1)).join(' ');
  }

  #timesChanged(name: string): Result {
    return this.#resolved(null, name, 0, ({ dentry: { inode } }) => {
      const now = [inode.atime, inode.mtime, inode.ctime].map(({ sec, nsec }) => `${sec}.${nsec}`);
      const before = this.#times.get(name);
      this.#times.set(name, now);
      return before === undefined ? 'new' : ['a', 'm', 'c'].filter((_, i) => now[i] !== before[i]).join('');
    });
  }
}

function makeCaller(uid: number): Caller {
  // As setfsuid leaves it: the other identities stay the superuser's.
  const cred = makeCredentials(0, 0);
  return { pid: 1, cred: { ...cred, fsuid: uid, fsgid: uid, capabilities: afterFileUserChange(cred, uid) } };
}

const close = (file: OpenFile, caller: Caller): void => {
  file.flushed(caller);
  file.unref();
};

const status = (result: unknown): number => (isErr(result) ? result : 0);

const filled = (byte: number, count: number): BytesIter => new BytesIter(new Uint8Array(count).fill(byte));

function summed(count: number, read: (to: BytesIter) => number): Result {
  const to = new BytesIter(new Uint8Array(count));
  const n = read(to);
  if (n < 0) return n;
  let sum = 0;
  for (let i = 0; i < n; i++) sum = (Math.imul(sum, 31) + to.bytes[i]) >>> 0;
  return `${n} ${sum}`;
}

const followFlags = (flags: number): number =>
  (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);

const timeOf = (sec: number, nsec: number): ops.TimeChange =>
  nsec === UTIME_NOW ? 'now' : nsec === UTIME_OMIT ? 'omit' : { sec, nsec };

function statLine(inode: Parameters<typeof ops.fillStat>[0]): string {
  const s = ops.makeStat();
  ops.fillStat(inode, s);
  return `${s.mode.toString(8)} ${s.nlink} ${s.uid}:${s.gid} ${s.size} ${s.blocks} ${s.rdev.toString(16)}`;
}
