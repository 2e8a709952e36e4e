/**
 * The directory of the host where translated code is kept between runs. Files appear by being renamed into place, so
 * that several processes can use one directory at once; what one of them misses of another's is translated again. A file
 * that cannot be read is as good as none; when nothing can be written, there is one warning.
 */
import { EEXIST, ENOENT, type Err, isErr } from '../abi/errno.js';
import { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } from '../abi/fcntl.js';
import { type CodeStore, engineIdentity } from '../cpu/index.js';
import type { Host } from './host.js';
import { VERSION } from './version.js';

export interface CodeCacheOptions {
  /** Made when it is not there. */
  directory: string;
  /** Bytes that files may take; the oldest go first. Default: 64 MiB. */
  limit?: number;
  /** Gets told, once, when the directory cannot be used. Default: a warning of the host's. */
  onWarning?: (message: string) => void;
}

const DEFAULT_LIMIT = 64 * 2 ** 20;
const FILE = /^[0-9a-f]{32}\.code$/;
const UNFINISHED = /^[0-9a-f]{32}\.code\.\d+$/;
/** Processes that write one file at the same moment. */
const MAX_WRITERS = 16;
/** Seconds after which nobody goes on with an unfinished file. */
const ABANDONED = 3600;
/** A file of more bytes was not written here. */
const MAX_FILE = 2 ** 26;

export class DirectoryStore implements CodeStore {
  readonly version: string;
  #host: Host;
  #directory: string;
  #limit: number;
  #onWarning: (message: string) => void;
  #hasWarned = false;
  /** Names of files, as they were when the first was asked for. */
  #names: Set<string> | undefined;

  constructor(host: Host, options: CodeCacheOptions) {
    this.#host = host;
    this.#directory = options.directory;
    this.#limit = options.limit ?? DEFAULT_LIMIT;
    this.#onWarning = options.onWarning ?? ((message) => host.warn(message));
    this.version = `${VERSION} ${engineIdentity((bytes) => host.digest(bytes))}`;
  }

  digest(bytes: Uint8Array): Uint8Array {
    return this.#host.digest(bytes);
  }

  load(name: string): Uint8Array | undefined {
    this.#names ??= this.#list();
    const file = `${name}.code`;
    if (!this.#names.has(file)) return undefined;
    const { files } = this.#host;
    const fd = files.open(this.#path(file), O_RDONLY, 0);
    if (isErr(fd)) return undefined;
    const stat = files.statDescriptor(fd);
    const size = isErr(stat) || stat.size > MAX_FILE ? 0 : stat.size;
    const bytes = new Uint8Array(size);
    const count = files.read(fd, bytes, 0);
    files.close(fd);
    return isErr(count) || count === 0 ? undefined : bytes.subarray(0, count);
  }

  save(name: string, bytes: Uint8Array): void {
    const file = `${name}.code`;
    const { files } = this.#host;
    if (bytes.length === 0) {
      files.unlink(this.#path(file));
      this.#names?.delete(file);
      return;
    }
    const result = this.#write(file, bytes);
    if (isErr(result)) this.#warn(result);
    else this.#names?.add(file);
  }

  /** Unlinks the oldest files as long as all together are too large. */
  trim(): void {
    const { files } = this.#host;
    const names = files.list(this.#directory);
    if (isErr(names)) return;
    const now = { sec: 0, nsec: 0 };
    this.#host.realtime(now);
    const found: { path: string; size: number; time: number }[] = [];
    let total = 0;
    for (const name of names) {
      const isUnfinished = UNFINISHED.test(name);
      if (!isUnfinished && !FILE.test(name)) continue;
      const path = this.#path(name);
      const stat = files.lstat(path);
      if (isErr(stat)) continue;
      if (isUnfinished) {
        if (now.sec - stat.mtime.sec > ABANDONED) files.unlink(path);
        continue;
      }
      found.push({ path, size: stat.size, time: stat.mtime.sec + stat.mtime.nsec / 1e9 });
      total += stat.size;
    }
    found.sort((a, b) => a.time - b.time);
    for (const { path, size } of found) {
      if (total <= this.#limit) return;
      files.unlink(path);
      total -= size;
    }
  }

  #list(): Set<string> {
    const names = this.#host.files.list(this.#directory);
    if (!isErr(names)) return new Set(names.filter((name) => FILE.test(name)));
    if (names !== -ENOENT) this.#warn(names);
    return new Set();
  }

  #write(file: string, bytes: Uint8Array): number | Err {
    const { files } = this.#host;
    const made = this.#makeDirectory();
    if (isErr(made)) return made;
    let fd: number | Err = 0;
    let path = '';
    for (let i = 0; i < MAX_WRITERS; i++) {
      path = this.#path(`${file}.${i}`);
      fd = files.open(path, O_WRONLY | O_CREAT | O_EXCL, 0o644);
      if (fd !== -EEXIST) break;
    }
    if (isErr(fd)) return fd;
    let result: number | Err = 0;
    for (let done = 0; done < bytes.length && !isErr(result); done += result) {
      result = files.write(fd, bytes.subarray(done), done);
      if (isErr(result)) break;
    }
    files.close(fd);
    if (!isErr(result)) result = files.rename(path, this.#path(file));
    if (isErr(result)) files.unlink(path);
    return result;
  }

  /** With the directories above it. */
  #makeDirectory(): number | Err {
    const { files } = this.#host;
    const direct = files.mkdir(this.#directory, 0o755);
    if (!isErr(direct) || direct === -EEXIST) return 0;
    if (direct !== -ENOENT) return direct;
    for (let at = 1; at > 0; ) {
      at = this.#directory.indexOf('/', at);
      const part = at < 0 ? this.#directory : this.#directory.slice(0, at++);
      const made = part === '' ? 0 : files.mkdir(part, 0o755);
      if (at < 0) return made === -EEXIST ? 0 : made;
    }
    return 0;
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }

  #warn(error: Err): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#onWarning(`cannot use the code cache ${this.#directory}: error ${-error}; translated code is not kept`);
  }
}
