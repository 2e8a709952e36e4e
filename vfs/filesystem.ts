/** A mounted file system's own object (Linux: super_block), and what it needs from the kernel. */
import type { Err } from '../abi/errno.js';
import { IN_UNMOUNT } from '../abi/inotify.js';
import type { Timespec } from './caller.js';
import { Dentry } from './dentry.js';
import type { DeviceTable } from './devices.js';
import { endMarks } from './fsnotify.js';
import type { Inode } from './inode.js';
import type { Mount } from './mount.js';

/** Room for frames side by side, kept for whoever made it as long as nobody is in need. */
export interface FrameReservation {
  /** Names the owner. */
  readonly id: number;
  readonly first: number;
  readonly frames: number;
}

/** Frames of guest memory, 4096 bytes each at byte offset `frame * 4096` of `u8`. Frame 0 is never valid. */
export interface FrameStore {
  /** The whole memory; replaced when it grows, so never kept across an allocation. */
  readonly u8: Uint8Array;
  /** All frames that there can be. */
  readonly limitFrames: number;
  /** @returns a zeroed frame with one reference, or 0 when memory is exhausted */
  allocFrame(): number;
  /** @returns room for at least so many frames, or null; it takes no memory */
  reserve(frames: number): FrameReservation | null;
  /** As `allocFrame`: the frame number `index` of the room if it can be had, any other if not. */
  allocAt(room: FrameReservation, index: number): number;
  /** The room is not needed any more; frames taken from it stay. */
  release(room: FrameReservation): void;
  ref(frame: number): void;
  unref(frame: number): void;
  /** To be called before bytes of a frame change that may hold translated code. */
  willWrite(frame: number): void;
}

/** What a file system may ask of the kernel. */
export interface VfsEnv {
  readonly frames: FrameStore;
  /** Where device nodes of any file system lead. */
  readonly devices: DeviceTable;
  /** Fills in the wall-clock time. */
  now(out: Timespec): void;
}

/** Numbers of statfs(2). Blocks are `blockSize` bytes. */
export interface FsStatistics {
  type: number;
  blockSize: number;
  blocks: number;
  blocksFree: number;
  files: number;
  filesFree: number;
  nameLength: number;
}

export abstract class FileSystem {
  readonly env: VfsEnv;
  /** Type name as /proc/mounts shows it: tmpfs, proc … */
  readonly type: string;
  /** Device number of the whole, as st_dev. */
  readonly device: number;
  abstract readonly root: Inode;
  /** MS_RDONLY and relatives of the whole file system. */
  flags = 0;
  /** Inodes without a link that somebody still has open; a file system with any cannot become read-only. */
  orphans = 0;
  /** Mounts that show it. Kept by `Mount`. */
  mountCount = 0;
  /** See `kernelMount` in mount.ts. */
  kernelMount: Mount | null = null;
  /** Dentries that nobody held when they came in, first in first. Kept by `Dentry`. */
  readonly unusedDentries = new Set<Dentry>();
  /** Inodes with marks (fsnotify.ts). */
  readonly marked = new Set<Inode>();
  #rootDentry: Dentry | null = null;
  #down = false;

  constructor(env: VfsEnv, type: string, device: number) {
    this.env = env;
    this.type = type;
    this.device = device;
  }

  abstract statfs(): FsStatistics;
  /** Options column of /proc/mounts behind rw/ro, with a leading comma when not empty. */
  options(): string {
    return '';
  }
  /** Writes back what is dirty. */
  sync(): number | Err {
    return 0;
  }

  /** Memory is scarce: gives back what it keeps only because it may be wanted again. @returns whether there was anything */
  shrink(): boolean {
    return false;
  }

  /** The one dentry of `root`; the file system holds a reference until `shutdown`. */
  get rootDentry(): Dentry {
    this.#rootDentry ??= new Dentry(null, '', this.root);
    return this.#rootDentry;
  }

  /** The last mount is gone, or the first one failed: drops the cached names, then everything else. Once. */
  shutdown(): void {
    if (this.#down) return;
    this.#down = true;
    for (const inode of [...this.marked]) endMarks(inode, IN_UNMOUNT);
    // Killing one may free its parent into the set: it is visited, too, since it goes to the end.
    for (const dentry of this.unusedDentries) dentry.drop();
    this.#rootDentry?.unref();
    this.#rootDentry = null;
    this.dispose();
  }

  /** Gives storage back; called when the last mount is gone. */
  dispose(): void {}
}
