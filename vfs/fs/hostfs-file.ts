/**
 * Regular files of hostfs.
 *
 * read and write go straight to the host. mmap needs frames: a page is loaded when it is first mapped, a write
 * reaches the host and the loaded page, and a page that was written through a shared mapping hides the host's bytes
 * from read until it has been written back: by msync, fsync, sync, and the close of any descriptor of the file.
 *
 * Host descriptors belong to the inode and live as long as somebody has the file open, one to read from as long as pages
 * are loaded. So a file that was unlinked stays usable, as it should.
 */
import { EACCES, EBADF, EFBIG, EINVAL, EOPNOTSUPP, EROFS, type Err, fail, isErr } from '../../abi/errno.js';
import { O_ACCMODE, O_APPEND, O_NOATIME, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import { MAX_FILE_SIZE } from '../attributes.js';
import type { Caller } from '../caller.js';
import { OpenFile } from '../file.js';
import type { IoIter } from '../iter.js';
import type { PageCache } from '../page-cache.js';
import { withoutSetId, writeDropsSetId } from '../permission.js';
import { seekTo } from '../seek.js';
import { CachedPages, type PageStore } from './cached-pages.js';
import type { HostStat } from './hostfs.js';
import { HostInode } from './hostfs-inode.js';

const BOUNCE_SIZE = 1 << 16;
/** Bytes on their way between host and guest. Nothing waits while they are in it. */
const bounce = new Uint8Array(BOUNCE_SIZE);

/** Whether the bytes are the same; the change time tells what a program hides that sets the other one back. */
const sameMoment = (a: HostStat, b: HostStat): boolean =>
  a.size === b.size &&
  a.mtime.sec === b.mtime.sec &&
  a.mtime.nsec === b.mtime.nsec &&
  a.ctime.sec === b.ctime.sec &&
  a.ctime.nsec === b.ctime.nsec;

export class HostFile extends HostInode implements PageStore {
  readonly pages = new CachedPages(this);
  /** Host descriptors, -1 when there is none; the same one when it can do both. */
  #reader = -1;
  #writer = -1;
  #users = 0;

  /** Descriptor to read from, or -1. */
  get reader(): number {
    return this.#reader;
  }

  /** Descriptor to write to, or -1. */
  get writer(): number {
    return this.#writer;
  }

  /** As the host has it now, as far as it can be asked cheaply. */
  override get size(): number {
    const fd = this.#reader < 0 ? this.#writer : this.#reader;
    if (fd >= 0) {
      const stat = this.fs.host.statDescriptor(fd);
      if (!isErr(stat)) this.refresh(stat);
    }
    return this.stat.size;
  }

  /** As the last look at the host found it. */
  get knownSize(): number {
    return this.stat.size;
  }

  override refresh(stat: HostStat): void {
    const before = this.stat;
    super.refresh(stat);
    // The constructor of the base class calls it before there are pages.
    if (before === stat || this.pages === undefined) return;
    if (stat.size < before.size) this.pages.cut(stat.size);
    else if (!sameMoment(stat, before)) this.pages.dropUnused();
  }

  override open(flags: number, _caller: Caller): OpenFile | Err {
    const mode = flags & O_ACCMODE;
    const error = this.acquire(mode !== O_WRONLY, mode !== O_RDONLY);
    return isErr(error) ? error : new HostFileHandle(this, flags);
  }

  /** Somebody opens the file: makes sure of host descriptors. Undone by `release`. */
  acquire(reads: boolean, writes: boolean): number | Err {
    if (writes && this.fs.readOnly) return fail(EROFS);
    if (writes && this.#writer < 0) {
      let fd = this.#openHost(O_RDWR);
      if (!isErr(fd) && this.#reader < 0) this.#reader = fd;
      if (fd === -EACCES && !reads) fd = this.#openHost(O_WRONLY);
      if (isErr(fd)) return fd;
      this.#writer = fd;
    }
    if (reads && this.#reader < 0) {
      const fd = this.#openHost(O_RDONLY);
      if (isErr(fd)) {
        if (this.#users === 0) this.#close();
        return fd;
      }
      this.#reader = fd;
    }
    this.#users++;
    return 0;
  }

  release(): void {
    this.pages.writeBack();
    if (--this.#users > 0) return;
    this.pages.settle();
    // A program that was run is soon run again (`Hostfs.restFile`). The host must not find one open for writing.
    if (this.pages.count === 0 || this.#writer >= 0) this.#close();
  }

  override forget(): void {
    if (this.pages.count === 0) this.evict();
    else this.fs.restFile(this);
  }

  override evict(): void {
    this.pages.writeBack();
    this.pages.drop();
    this.#close();
    super.evict();
  }

  protected override on(call: (path: string, follow: boolean) => number | Err): number | Err {
    const fd = this.#reader < 0 ? this.#writer : this.#reader;
    if (fd >= 0 && this.fs.host.descriptorPath(fd) !== null) return this.onDescriptor(fd, call);
    return super.on(call);
  }

  protected override resize(size: number): number | Err {
    const acquired = this.acquire(false, true);
    if (isErr(acquired)) return acquired;
    this.fs.changed();
    const result = this.fs.host.truncate(this.#writer, size);
    if (!isErr(result)) {
      this.pages.cut(size);
      void this.size;
    }
    this.release();
    return result;
  }

  get frames() {
    return this.fs.env.frames;
  }

  /** The host's own bytes, for a page. */
  readBytes(target: Uint8Array, position: number): number | Err {
    return this.fs.host.read(this.#reader, target, position);
  }

  /** Bytes of a page, to the host. Nobody has it open for writing: they cannot have changed. */
  writeBytes(source: Uint8Array, position: number): number | Err {
    if (this.#writer < 0) return source.length;
    this.fs.changed();
    return this.fs.host.write(this.#writer, source, position);
  }

  /** Bytes that the guest reads: the host's, under pages that are not yet written back. */
  readAt(position: number, target: Uint8Array): number | Err {
    const count = this.fs.host.read(this.#reader, target, position);
    if (!isErr(count)) this.pages.overlay(position, target.subarray(0, count));
    return count;
  }

  writeAt(position: number, source: Uint8Array): number | Err {
    this.fs.changed();
    const count = this.fs.host.write(this.#writer, source, position);
    if (!isErr(count)) this.pages.update(position, source.subarray(0, count));
    return count;
  }

  #openHost(mode: number): number | Err {
    const path = this.location();
    if (isErr(path)) return path;
    // Should a fifo have taken its place, opening it must not wait.
    const flags = mode | O_NONBLOCK | O_NOCTTY;
    if (this.fs.readOnly) {
      // Leaves even the access time alone, where the host lets us.
      const fd = this.fs.openVerified(path, flags | O_NOATIME, this);
      if (!isErr(fd)) return fd;
    }
    return this.fs.openVerified(path, flags, this);
  }

  #close(): void {
    const { host } = this.fs;
    if (this.#reader >= 0) host.close(this.#reader);
    if (this.#writer >= 0 && this.#writer !== this.#reader) host.close(this.#writer);
    this.#reader = -1;
    this.#writer = -1;
  }
}

class HostFileHandle extends OpenFile {
  declare readonly inode: HostFile;

  override get seekable(): boolean {
    return true;
  }

  override read(to: IoIter, position: number, _caller: Caller): number | Err {
    let done = 0;
    while (to.remaining > 0) {
      const want = Math.min(BOUNCE_SIZE, to.remaining);
      const got = this.inode.readAt(position + done, bounce.subarray(0, want));
      if (isErr(got)) return done > 0 ? done : got;
      const put = to.put(bounce, 0, got);
      if (isErr(put)) return done > 0 ? done : put;
      done += put;
      if (put < want) break;
    }
    return done;
  }

  override write(from: IoIter, position: number, caller: Caller): number | Err {
    const { inode } = this;
    if (from.remaining === 0) return 0;
    let at = this.flags & O_APPEND ? inode.size : position;
    if (at >= MAX_FILE_SIZE) return fail(EFBIG);
    if (writeDropsSetId(inode, caller)) inode.setAttributes({ mode: withoutSetId(inode, caller) });
    let done = 0;
    while (from.remaining > 0) {
      const taken = from.take(bounce, 0, Math.min(BOUNCE_SIZE, from.remaining));
      if (isErr(taken)) return done > 0 ? done : taken;
      const written = inode.writeAt(at, bounce.subarray(0, taken));
      if (isErr(written)) {
        from.rewind(taken);
        return done > 0 ? done : written;
      }
      if (written < taken) from.rewind(taken - written);
      done += written;
      at += written;
      if (written < taken || taken === 0) break;
    }
    return done;
  }

  override seek(offset: number, whence: number): number | Err {
    const position = seekTo(offset, whence, this.inode.size, this.offset);
    if (!isErr(position)) this.offset = position;
    return position;
  }

  override mapping(): PageCache | Err {
    return this.inode.pages;
  }

  override fsync(): number | Err {
    const { pages, fs, writer, reader } = this.inode;
    pages.writeBack();
    const flushed = fs.host.flush(writer < 0 ? reader : writer);
    const error = pages.takeError();
    return isErr(error) ? error : fs.readOnly ? 0 : flushed;
  }

  override allocate(_mode: number, offset: number, length: number): number | Err {
    if (offset < 0 || length <= 0) return fail(EINVAL);
    return fail(this.writable ? EOPNOTSUPP : EBADF);
  }

  override flushed(caller: Caller): void {
    super.flushed(caller);
    this.inode.pages.writeBack();
  }

  protected override release(): void {
    super.release();
    this.inode.release();
  }
}
