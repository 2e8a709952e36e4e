/** A file system in memory: data on frames of guest memory, names and metadata beside. @source tmpfs(5), Linux mm/shmem.c */
import { isErr } from '../../abi/errno.js';
import { TMPFS_MAGIC } from '../../abi/mount.js';
import { S_IFDIR } from '../../abi/stat.js';
import type { VfsEnv } from '../filesystem.js';
import { MemoryDirectory } from './memory-directory.js';
import { MemoryFile } from './memory-file.js';
import { MemoryFileSystem, type MemoryFsOptions } from './memory-fs.js';

const DEFAULT_ROOT_MODE = 0o1777;

export class Tmpfs extends MemoryFileSystem {
  readonly root: MemoryDirectory;
  protected override readonly magic: number = TMPFS_MAGIC;
  readonly #options: MemoryFsOptions;

  /** @param type name in /proc/mounts, for file systems that are a tmpfs with something on top */
  constructor(env: VfsEnv, device: number, options: MemoryFsOptions = {}, type = 'tmpfs') {
    super(env, type, device, options);
    this.#options = options;
    const ino = this.takeInode();
    this.root = this.makeRoot(isErr(ino) ? 1 : ino, S_IFDIR | (options.mode ?? DEFAULT_ROOT_MODE));
    this.root.uid = options.uid ?? 0;
    this.root.gid = options.gid ?? 0;
  }

  protected makeRoot(ino: number, mode: number): MemoryDirectory {
    return new MemoryDirectory(this, ino, mode);
  }

  override options(): string {
    const { sizeLimit, inodeLimit, mode, uid, gid } = this.#options;
    let text = '';
    if (sizeLimit !== undefined) text += `,size=${this.pageLimit * 4}k`;
    if (inodeLimit !== undefined) text += `,nr_inodes=${inodeLimit}`;
    if (mode !== undefined && mode !== DEFAULT_ROOT_MODE) text += `,mode=${mode.toString(8)}`;
    if (uid) text += `,uid=${uid}`;
    if (gid) text += `,gid=${gid}`;
    return text;
  }

  override dispose(): void {
    releaseFiles(this.root);
  }
}

/** Gives back the frames of all files that still have names. */
function releaseFiles(root: MemoryDirectory): void {
  const released = new Set<MemoryFile>();
  const directories = [root];
  for (const directory of directories) {
    for (const [, inode] of directory.children()) {
      if (inode instanceof MemoryDirectory) directories.push(inode);
      else if (inode instanceof MemoryFile && !released.has(inode)) {
        released.add(inode);
        inode.evict();
      }
    }
  }
}
