/**
 * Files of the machine for gdb, so that it finds programs and libraries where the guest has them: the `vFile` packets.
 * They are opened for reading only, with the rights of the kernel.
 * @source GDB manual, "Host I/O Packets", "File-I/O Remote Protocol Extension"
 */
import { EBADF, EINVAL, ENAMETOOLONG, ENOENT, EROFS, type Err, fail, isErr } from '../../abi/errno.js';
import { O_RDONLY } from '../../abi/fcntl.js';
import { S_IFMT, S_IFREG } from '../../abi/stat.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import { BytesIter } from '../../vfs/iter.js';
import { type FsContext, LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';
import { openResolved } from '../../vfs/open.js';
import { readlinkAt } from '../../vfs/operations.js';
import type { Kernel } from '../kernel.js';
import { escapeBinary, fromHex, MAX_PACKET, parseCount } from './packet.js';

const MAX_OPEN = 64;
/** errnos of the file I/O extension are Linux's as far as it has them, but for this one. */
const FILEIO_ENAMETOOLONG = 91;
const FILEIO_EUNKNOWN = 9999;
const LAST_COMMON_ERRNO = 30;
/** Bytes of struct stat there; big endian. */
const STAT_SIZE = 64;

export class GuestFiles {
  readonly #kernel: Kernel;
  readonly #files = new Map<number, OpenFile>();
  /** Process whose root names are looked up from; 0: the first root there was. */
  #pid = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get #context(): FsContext {
    const { processes, rootContext } = this.#kernel;
    const process = this.#pid === 0 ? null : processes.get(this.#pid);
    return process === null || process.isZombie ? rootContext : process.leader.fs;
  }

  closeAll(): void {
    for (const file of this.#files.values()) file.unref();
    this.#files.clear();
  }

  /** @param request what follows `vFile:` @returns the answer; empty for operations that are not there */
  perform(request: string): string {
    const colon = request.indexOf(':');
    const name = colon < 0 ? request : request.slice(0, colon);
    const args = colon < 0 ? [] : request.slice(colon + 1).split(',');
    switch (name) {
      case 'setfs':
        return result(this.#setfs(parseCount(args[0] ?? '')));
      case 'open':
        return result(this.#open(pathOf(args[0]), parseCount(args[1] ?? '')));
      case 'close':
        return result(this.#close(parseCount(args[0] ?? '')));
      case 'pread':
        return this.#pread(...(args.map(parseCount) as [number, number, number]));
      case 'fstat':
        return this.#fstat(parseCount(args[0] ?? ''));
      case 'readlink':
        return this.#readlink(pathOf(args[0]));
      default:
        return '';
    }
  }

  #setfs(pid: number): number | Err {
    if (Number.isNaN(pid) || (pid !== 0 && this.#kernel.processes.get(pid) === null)) return fail(ENOENT);
    this.#pid = pid;
    return 0;
  }

  #open(path: string | null, flags: number): number | Err {
    if (path === null || Number.isNaN(flags)) return fail(EINVAL);
    if (flags !== O_RDONLY) return fail(EROFS);
    let fd = 0;
    while (this.#files.has(fd)) fd++;
    if (fd === MAX_OPEN) return fail(EBADF);
    const found = resolve(this.#context, KERNEL_CALLER, null, path, LOOKUP_FOLLOW);
    if (isErr(found)) return found;
    // What is no plain file could wait, or do something.
    const isPlain = (found.dentry.inode.mode & S_IFMT) === S_IFREG;
    const file = isPlain ? openResolved(found, KERNEL_CALLER, O_RDONLY) : fail(EINVAL);
    releasePath(found);
    if (isErr(file)) return file;
    this.#files.set(fd, file);
    return fd;
  }

  #close(fd: number): number | Err {
    const file = this.#files.get(fd);
    if (file === undefined) return fail(EBADF);
    this.#files.delete(fd);
    file.unref();
    return 0;
  }

  #pread(fd: number, count: number, offset: number): string {
    const file = this.#files.get(fd);
    if (file === undefined) return result(fail(EBADF));
    if (!(count >= 0 && offset >= 0)) return result(fail(EINVAL));
    // Escaped it may become twice as long.
    const bytes = new Uint8Array(Math.min(count, MAX_PACKET / 2 - 16));
    const got = file.read(new BytesIter(bytes), offset, KERNEL_CALLER);
    return isErr(got) ? result(got) : result(got, Buffer.from(bytes.subarray(0, got)).toString('latin1'));
  }

  #fstat(fd: number): string {
    const file = this.#files.get(fd);
    if (file === undefined) return result(fail(EBADF));
    const { inode } = file;
    const view = new DataView(new ArrayBuffer(STAT_SIZE));
    const words = [0, inode.ino, inode.mode, inode.nlink, inode.uid, inode.gid, inode.rdev];
    for (const [i, word] of words.entries()) view.setUint32(4 * i, word, false);
    const longs = [inode.size, inode.blockSize, inode.blocks];
    for (const [i, long] of longs.entries()) view.setBigUint64(28 + 8 * i, BigInt(long), false);
    const times = [inode.atime, inode.mtime, inode.ctime];
    for (const [i, { sec }] of times.entries()) view.setUint32(52 + 4 * i, sec, false);
    return result(STAT_SIZE, Buffer.from(view.buffer).toString('latin1'));
  }

  #readlink(path: string | null): string {
    if (path === null) return result(fail(EINVAL));
    const target = readlinkAt(this.#context, KERNEL_CALLER, null, path);
    return typeof target === 'string' ? result(target.length, target) : result(target);
  }
}

/** A path is latin1 inside the kernel, and so it comes. */
function pathOf(hex: string | undefined): string | null {
  const bytes = fromHex(hex ?? '');
  if (bytes === null || bytes.length === 0 || bytes.includes(0)) return null;
  return Buffer.from(bytes).toString('latin1');
}

function result(value: number | Err, attachment?: string): string {
  if (isErr(value)) return `F-1,${fileioErrno(-value).toString(16)}`;
  return `F${value.toString(16)}${attachment === undefined ? '' : `;${escapeBinary(attachment)}`}`;
}

function fileioErrno(errno: number): number {
  if (errno === ENAMETOOLONG) return FILEIO_ENAMETOOLONG;
  return errno <= LAST_COMMON_ERRNO ? errno : FILEIO_EUNKNOWN;
}
