/** Names: directories, links, the working directory. */
import { EEXIST, ELOOP } from '../abi/errno.js';
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_RDWR } from '../abi/fcntl.js';
import { S_IFIFO, S_IFLNK, S_IFMT } from '../abi/stat.js';
import { errnoError } from '../kernel-core/index.js';
import { Attributes, word64 } from './attributes.js';
import { out, type PathLike, shown, textOf, zeroTerminated } from './calls.js';

/** struct dirent. */
export interface Dirent {
  d_ino: number;
  /** DT_* value. */
  d_type: number;
  d_name: string;
  /** The bytes of the name, for names that are not UTF-8. */
  d_bytes: Uint8Array;
}

/** Longest path, with its zero byte. */
const PATH_MAX = 4096;
const DIRENT_BUFFER = 8192;
/** Offsets in struct linux_dirent64. */
const D_RECLEN = 16;
const D_TYPE = 18;
const D_NAME = 19;
/** @source Linux MAXSYMLINKS */
const MAX_LINKS = 40;
const TEMPLATE_END = 'XXXXXX';
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** An open directory. Entries come one by one, or with `for (const entry of dir)`. */
export class Dir implements Iterable<Dirent> {
  readonly #libc: Directories;
  readonly #fd: number;
  #entries: Dirent[] = [];
  #next = 0;
  #open = true;

  /** @internal */
  constructor(libc: Directories, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  dirfd(): number {
    return this.#fd;
  }

  /** @returns the next entry, '.' and '..' among them, or null at the end */
  readdir(): Dirent | null {
    if (this.#next === this.#entries.length) {
      this.#entries = this.#libc.getdents(this.#fd);
      this.#next = 0;
    }
    return this.#entries[this.#next] === undefined ? null : this.#entries[this.#next++];
  }

  rewinddir(): void {
    this.#libc.lseek(this.#fd, 0, 0);
    this.#entries = [];
    this.#next = 0;
  }

  closedir(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#libc.close(this.#fd);
  }

  *[Symbol.iterator](): Iterator<Dirent> {
    for (let entry = this.readdir(); entry !== null; entry = this.readdir()) yield entry;
  }

  [Symbol.dispose](): void {
    this.closedir();
  }
}

export class Directories extends Attributes {
  mkdir(path: PathLike, mode = 0o777): void {
    this.mkdirat(AT_FDCWD, path, mode);
  }

  mkdirat(dirfd: number, path: PathLike, mode = 0o777): void {
    this.now('mkdirat', [dirfd, zeroTerminated(path, 'path'), mode], shown(path));
  }

  rmdir(path: PathLike): void {
    this.unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
  }

  unlink(path: PathLike): void {
    this.unlinkat(AT_FDCWD, path, 0);
  }

  /** @param flags AT_REMOVEDIR: as rmdir */
  unlinkat(dirfd: number, path: PathLike, flags: number): void {
    this.now('unlinkat', [dirfd, zeroTerminated(path, 'path'), flags], shown(path));
  }

  rename(from: PathLike, to: PathLike): void {
    this.renameat(AT_FDCWD, from, AT_FDCWD, to);
  }

  /** @param flags RENAME_NOREPLACE, RENAME_EXCHANGE */
  renameat(fromDir: number, from: PathLike, toDir: number, to: PathLike, flags = 0): void {
    this.now('renameat2', [fromDir, zeroTerminated(from, 'from'), toDir, zeroTerminated(to, 'to'), flags], shown(from));
  }

  link(from: PathLike, to: PathLike): void {
    this.linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
  }

  linkat(fromDir: number, from: PathLike, toDir: number, to: PathLike, flags: number): void {
    this.now('linkat', [fromDir, zeroTerminated(from, 'from'), toDir, zeroTerminated(to, 'to'), flags], shown(from));
  }

  symlink(target: PathLike, path: PathLike): void {
    this.symlinkat(target, AT_FDCWD, path);
  }

  symlinkat(target: PathLike, dirfd: number, path: PathLike): void {
    this.now('symlinkat', [zeroTerminated(target, 'target'), dirfd, zeroTerminated(path, 'path')], shown(path));
  }

  readlink(path: PathLike): string {
    return this.readlinkat(AT_FDCWD, path);
  }

  readlinkat(dirfd: number, path: PathLike): string {
    const target = out(PATH_MAX);
    const length = this.now('readlinkat', [dirfd, zeroTerminated(path, 'path'), target, PATH_MAX], shown(path));
    return textOf(target.bytes.subarray(0, length));
  }

  /** @param mode file type and permission bits @param device of device nodes */
  mknod(path: PathLike, mode: number, device = 0): void {
    this.now('mknodat', [AT_FDCWD, zeroTerminated(path, 'path'), mode, device], shown(path));
  }

  mkfifo(path: PathLike, mode = 0o666): void {
    this.mknod(path, S_IFIFO | mode);
  }

  getcwd(): string {
    const path = out(PATH_MAX);
    this.now('getcwd', [path, PATH_MAX]);
    return textOf(path.bytes);
  }

  chdir(path: PathLike): void {
    this.now('chdir', [zeroTerminated(path, 'path')], shown(path));
  }

  fchdir(fd: number): void {
    this.now('fchdir', [fd]);
  }

  chroot(path: PathLike): void {
    this.now('chroot', [zeroTerminated(path, 'path')], shown(path));
  }

  /** Directories never wait: the answer is there at once. */
  opendir(path: PathLike): Dir {
    const flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    return new Dir(this, this.now('openat', [AT_FDCWD, zeroTerminated(path, 'path'), flags, 0], shown(path)));
  }

  fdopendir(fd: number): Dir {
    return new Dir(this, fd);
  }

  /** The next entries of a directory; none at its end. */
  getdents(fd: number): Dirent[] {
    const buffer = out(DIRENT_BUFFER);
    const length = this.now('getdents64', [fd, buffer, DIRENT_BUFFER]);
    const { view, bytes } = buffer;
    const entries: Dirent[] = [];
    for (let at = 0; at < length; at += view.getUint16(at + D_RECLEN, true)) {
      const end = bytes.indexOf(0, at + D_NAME);
      const name = bytes.slice(at + D_NAME, end);
      entries.push({ d_ino: word64(view, at), d_type: bytes[at + D_TYPE], d_name: textOf(name), d_bytes: name });
    }
    return entries;
  }

  /** The absolute path without symbolic links. */
  realpath(path: string): string {
    zeroTerminated(path, 'path');
    const rest = path.split('/');
    let links = 0;
    let done = path.startsWith('/') ? '' : this.getcwd().replace(/\/$/, '');
    if (path === '') this.lstat(path);
    for (let part = rest.shift(); part !== undefined; part = rest.shift()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        done = done.slice(0, Math.max(0, done.lastIndexOf('/')));
        continue;
      }
      const next = `${done}/${part}`;
      const { st_mode } = this.lstat(next);
      if ((st_mode & S_IFMT) !== S_IFLNK) {
        if (rest.length > 0) this.stat(`${next}/.`);
        done = next;
        continue;
      }
      if (++links > MAX_LINKS) throw errnoError(-ELOOP, 'realpath', path);
      const target = this.readlink(next);
      if (target.startsWith('/')) done = '';
      rest.unshift(...target.split('/'));
    }
    return done === '' ? '/' : done;
  }

  /** Makes a directory of a new name. @param template ends in XXXXXX @returns its name */
  mkdtemp(template: string): string {
    return this.#temporary(template, (name) => {
      this.mkdir(name, 0o700);
      return name;
    });
  }

  /** Makes and opens a file of a new name. */
  mkstemp(template: string): { fd: number; path: string } {
    return this.#temporary(template, (path) => {
      const flags = O_RDWR | O_CREAT | O_EXCL;
      return { path, fd: this.now('openat', [AT_FDCWD, zeroTerminated(path, 'template'), flags, 0o600], path) };
    });
  }

  #temporary<T>(template: string, make: (name: string) => T): T {
    if (typeof template !== 'string' || !template.endsWith(TEMPLATE_END)) {
      throw new TypeError(`the template must end in ${TEMPLATE_END}`);
    }
    for (;;) {
      const random = out(TEMPLATE_END.length);
      this.now('getrandom', [random, TEMPLATE_END.length, 0]);
      const letters = Array.from(random.bytes, (byte) => LETTERS[byte % LETTERS.length]).join('');
      try {
        return make(template.slice(0, -TEMPLATE_END.length) + letters);
      } catch (error) {
        if ((error as { errno?: number }).errno !== -EEXIST) throw error;
      }
    }
  }
}
