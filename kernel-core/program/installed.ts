/**
 * TypeScript programs as files: which function execve finds behind an inode.
 *
 * A file of its own content stands for the program, so that it has a mode, an owner and names like every other, and can
 * be linked, renamed and removed. What it is known by is the inode: a copy, or a file that is written over, is not the
 * program any more, and nobody can make one by writing a file.
 */
import { EOPNOTSUPP, type Err, fail, isErr } from '../../abi/errno.js';
import { O_CREAT, O_EXCL, O_WRONLY } from '../../abi/fcntl.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import type { Inode } from '../../vfs/inode.js';
import { BytesIter } from '../../vfs/iter.js';
import type { FsContext } from '../../vfs/namei.js';
import { openAt } from '../../vfs/open.js';
import { unlinkAt } from '../../vfs/operations.js';
import { latin1Bytes } from '../text.js';
import type { ProgramMain } from './program.js';

/** A copy names an interpreter that is not there: executing it is ENOENT, and a shell says so. */
const CONTENT = latin1Bytes('#!(TypeScript program)\n');

/** File systems whose inodes stay the same objects as long as they have a name. */
const LASTING = new Set(['tmpfs', 'devtmpfs']);

export class InstalledPrograms {
  readonly #mains = new WeakMap<Inode, ProgramMain>();

  /** Makes the file. @param path absolute, latin1 @returns 0; -EEXIST, -ENOENT, -EOPNOTSUPP (a file system of the host's) … */
  install(context: FsContext, path: string, main: ProgramMain): number | Err {
    const file = openAt(context, KERNEL_CALLER, null, path, O_WRONLY | O_CREAT | O_EXCL, 0o755);
    if (isErr(file)) return file;
    const result = LASTING.has(file.inode.fs.type) ? fill(file) : fail(EOPNOTSUPP);
    if (isErr(result)) unlinkAt(context, KERNEL_CALLER, null, path);
    else this.#mains.set(file.inode, main);
    file.unref();
    return result;
  }

  /** @returns what `file` stands for, or null: an ordinary file */
  find(file: OpenFile): ProgramMain | null {
    const main = this.#mains.get(file.inode);
    return main !== undefined && isIntact(file) ? main : null;
  }
}

function fill(file: OpenFile): number | Err {
  const source = new BytesIter(CONTENT);
  while (source.remaining > 0) {
    const count = file.write(source, source.position, KERNEL_CALLER);
    if (isErr(count)) return count;
  }
  return 0;
}

function isIntact(file: OpenFile): boolean {
  if (file.inode.size !== CONTENT.length) return false;
  const found = new Uint8Array(CONTENT.length);
  return file.read(new BytesIter(found), 0, KERNEL_CALLER) === found.length && found.every((b, i) => b === CONTENT[i]);
}
