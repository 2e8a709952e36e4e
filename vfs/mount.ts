/**
 * Mounts and namespaces: which file system shows where.
 *
 * A mount shows a file system from `root` down. An attached mount hangs on a dentry of its parent mount, and the
 * namespace holds one reference of it; paths hold the others. A mount that was detached lazily lives until its last
 * path is given back. With its last mount a file system shuts down.
 */
import { EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, type Err, fail, isErr } from '../abi/errno.js';
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  UMOUNT_NOFOLLOW,
} from '../abi/mount.js';
import type { Dentry, Path } from './dentry.js';
import type { FileSystem } from './filesystem.js';

/** Flags that belong to one mount and not to its file system. @source mount(2), per-mount-point flags */
const MOUNT_FLAGS =
  MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW;

/** Mounts of a namespace at most. @source Linux fs.mount-max */
const MOUNT_MAX = 100_000;

/** The per-mount flags of mount(2)'s argument: relative times unless asked otherwise. */
function mountFlags(flags: number): number {
  const kept = flags & MOUNT_FLAGS;
  return flags & (MS_NOATIME | MS_STRICTATIME) ? kept & ~MS_RELATIME : kept | MS_RELATIME;
}

export class Mount {
  readonly fs: FileSystem;
  /** Topmost dentry it shows; another than the file system's root for bind mounts. */
  readonly root: Dentry;
  /** MS_RDONLY, MS_NOSUID and the other `MOUNT_FLAGS`. */
  flags: number;
  /** First column of /proc/mounts. */
  readonly source: string;
  /** Mount id as mountinfo shows it; 0 for mounts outside a namespace. */
  id = 0;
  /** Where it hangs; both null for the root of a namespace and for detached mounts. */
  parent: Mount | null = null;
  mountpoint: Dentry | null = null;
  readonly children = new Map<Dentry, Mount>();
  namespace: MountNamespace | null = null;
  /** Descriptions open for writing through it. */
  writers = 0;
  /** The namespace while attached, and paths. */
  refs = 1;

  /** A mount that hangs nowhere yet, with one reference. */
  constructor(fs: FileSystem, root: Dentry, flags: number, source: string) {
    this.fs = fs;
    this.root = root.ref();
    this.flags = mountFlags(flags);
    this.source = source;
    fs.mountCount++;
  }

  get readOnly(): boolean {
    return ((this.flags | this.fs.flags) & MS_RDONLY) !== 0;
  }

  ref(): this {
    this.refs++;
    return this;
  }

  unref(): void {
    if (--this.refs > 0) return;
    this.root.unref();
    if (--this.fs.mountCount === 0) this.fs.shutdown();
  }

  /** Hangs it on `dentry` of `parent`. */
  attach(parent: Mount, dentry: Dentry): void {
    this.parent = parent;
    this.mountpoint = dentry.ref();
    dentry.mounts++;
    parent.children.set(dentry, this);
  }

  /** Takes it off its mount point. References stay as they are. */
  detach(): void {
    const { parent, mountpoint } = this;
    if (parent === null || mountpoint === null) return;
    parent.children.delete(mountpoint);
    mountpoint.mounts--;
    this.parent = null;
    this.mountpoint = null;
    mountpoint.unref();
  }

  /** Is it `ancestor` or mounted somewhere below it? */
  isWithin(ancestor: Mount): boolean {
    for (let mount: Mount | null = this; mount !== null; mount = mount.parent) if (mount === ancestor) return true;
    return false;
  }
}

/** The mount of `fs` that no namespace shows: gives paths to pipes and other anonymous inodes. Lives as long as `fs`. */
export function kernelMount(fs: FileSystem): Mount {
  fs.kernelMount ??= new Mount(fs, fs.rootDentry, 0, 'none');
  return fs.kernelMount;
}

export class MountNamespace {
  /** What `/` is before any chroot. The namespace holds it. */
  root: Path;
  readonly #mounts = new Set<Mount>();
  #nextId = 1;

  constructor(fs: FileSystem, flags: number, source: string) {
    const mount = new Mount(fs, fs.rootDentry, flags, source);
    this.#add(mount);
    this.root = { mount, dentry: mount.root };
  }

  /** Mounts in the order in which they were made, which is that of /proc/mounts. */
  list(): Mount[] {
    return [...this.#mounts];
  }

  /**
   * Mounts `fs` at `at`, over what is there. `at` stays the caller's.
   * @returns the mount; -ENOTDIR, -ENOENT (deleted directory), -EBUSY (the same once more on top of itself), -EINVAL
   */
  mount(fs: FileSystem, at: Path, flags: number, source: string): Mount | Err {
    const top = topmost(at);
    if (top.mount.fs === fs && top.dentry === top.mount.root) return fail(EBUSY);
    const mount = this.#graft(new Mount(fs, fs.rootDentry, flags, source), at);
    if (!isErr(mount)) fs.flags |= flags & MS_RDONLY;
    return mount;
  }

  /** Shows `from` at `at` as well. @param recursive also the mounts below `from` (MS_REC) */
  bind(from: Path, at: Path, recursive = false): Mount | Err {
    if (from.mount.namespace !== this) return fail(EINVAL);
    const copy = this.#copy(from.mount, from.dentry);
    const below = recursive ? this.#below(from) : [];
    const mount = this.#graft(copy, at);
    if (isErr(mount)) return mount;
    const copies = new Map<Mount, Mount>([[from.mount, mount]]);
    for (const original of below) {
      const parent = copies.get(original.parent!);
      if (parent === undefined) continue;
      const twin = this.#copy(original, original.root);
      twin.attach(parent, original.mountpoint!);
      this.#add(twin);
      copies.set(original, twin);
    }
    return mount;
  }

  /** Moves the mount whose root `from` is. @returns 0; -EINVAL, -ENOTDIR, -ENOENT, -ELOOP (below itself) */
  move(from: Path, to: Path): number | Err {
    const { mount } = from;
    if (mount.namespace !== this || to.mount.namespace !== this) return fail(EINVAL);
    if (to.dentry.deleted) return fail(ENOENT);
    if (from.dentry !== mount.root) return fail(EINVAL);
    const top = topmost(to);
    if (mount.root.inode.isDirectory !== top.dentry.inode.isDirectory) return fail(EINVAL);
    if (top.mount.isWithin(mount)) return fail(ELOOP);
    mount.detach();
    mount.attach(top.mount, top.dentry);
    return 0;
  }

  /**
   * Changes flags of the mount whose root `path` is and, unless it is a bind remount, of its file system.
   * @returns 0; -EINVAL (not a mount's root), -EBUSY (read-only while files are open for writing, or gone but open)
   */
  remount(path: Path, flags: number, bindOnly = false): number | Err {
    const { mount } = path;
    if (mount.namespace !== this || path.dentry !== mount.root) return fail(EINVAL);
    if (flags & MS_RDONLY && !mount.readOnly) {
      if (!bindOnly && mount.fs.orphans > 0) return fail(EBUSY);
      for (const other of bindOnly ? [mount] : this.#mounts) {
        if (other.fs === mount.fs && other.writers > 0) return fail(EBUSY);
      }
    }
    if (bindOnly) mount.flags = mountFlags(flags);
    else {
      mount.fs.flags = (mount.fs.flags & ~MS_RDONLY) | (flags & MS_RDONLY);
      mount.flags = mountFlags(flags);
    }
    return 0;
  }

  /**
   * Unmounts the mount whose root `path` is; the caller's own root only becomes read-only, as
   * the last act of a shutdown. The caller's reference of `path` does not count as use.
   * @param flags MNT_DETACH, UMOUNT_NOFOLLOW (done by the path walk)
   * @param root of the caller
   * @returns 0; -EINVAL (not a mount's root, or unknown flags), -EBUSY
   */
  umount(path: Path, flags: number, root: Path = this.root): number | Err {
    // A root that something is mounted over is not left by its own name.
    const { mount, dentry } = topmost(path);
    if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) return fail(EINVAL);
    // Marking as expired is not offered; what cannot expire is in use.
    if (flags & MNT_EXPIRE) return fail(flags & (MNT_FORCE | MNT_DETACH) ? EINVAL : EBUSY);
    if (mount.namespace !== this || dentry !== mount.root) return fail(EINVAL);
    if (mount === root.mount && !(flags & MNT_DETACH)) return this.#retire(mount);
    if (mount.parent === null) return fail(EINVAL);
    if (flags & MNT_DETACH) {
      for (const below of this.#tree(mount).reverse()) this.#remove(below);
      return 0;
    }
    if (mount.children.size > 0 || mount.refs > (mount === path.mount ? 2 : 1)) return fail(EBUSY);
    this.#remove(mount);
    return 0;
  }

  /**
   * pivot_root(2): `next`, the root of a mount, takes the place of the mount that `root` is the root of, and that one
   * goes to `putOld`. Who has `root` as root or working directory is to be moved by the caller.
   * @returns 0; -EBUSY (either is on the old root's mount), -EINVAL (not the root of a mount, `putOld` not below `next`)
   */
  pivot(next: Path, putOld: Path, root: Path): number | Err {
    const [newMount, oldMount] = [next.mount, root.mount];
    if (newMount === oldMount || putOld.mount === oldMount) return fail(EBUSY);
    if (next.dentry !== newMount.root || root.dentry !== oldMount.root) return fail(EINVAL);
    if (newMount.parent === null || !newMount.isWithin(oldMount) || !putOld.mount.isWithin(newMount))
      return fail(EINVAL);
    if (putOld.dentry.deleted || next.dentry.deleted) return fail(ENOENT);
    const { parent, mountpoint } = oldMount;
    newMount.detach();
    if (parent !== null && mountpoint !== null) {
      oldMount.detach();
      newMount.attach(parent, mountpoint);
    } else {
      this.root = { mount: newMount, dentry: newMount.root };
    }
    const top = topmost(putOld);
    oldMount.attach(top.mount, top.dentry);
    return 0;
  }

  /** Takes everything down; paths that are still held keep their mounts alive. */
  dispose(): void {
    for (const mount of [...this.#mounts].reverse()) this.#remove(mount);
  }

  /** @source Linux fs/namespace.c do_umount_root */
  #retire(mount: Mount): number | Err {
    return this.remount({ mount, dentry: mount.root }, mount.flags | MS_RDONLY);
  }

  #graft(mount: Mount, at: Path): Mount | Err {
    const error = this.#refuse(mount, at);
    if (error !== 0) {
      mount.unref();
      return error as Err;
    }
    const top = topmost(at);
    mount.attach(top.mount, top.dentry);
    this.#add(mount);
    return mount;
  }

  #refuse(mount: Mount, at: Path): number | Err {
    if (at.mount.namespace !== this) return fail(EINVAL);
    if (this.#mounts.size >= MOUNT_MAX) return fail(EBUSY);
    if (at.dentry.deleted) return fail(ENOENT);
    return mount.root.inode.isDirectory === at.dentry.inode.isDirectory ? 0 : fail(ENOTDIR);
  }

  #copy(mount: Mount, root: Dentry): Mount {
    const strict = mount.flags & (MS_RELATIME | MS_NOATIME) ? 0 : MS_STRICTATIME;
    return new Mount(mount.fs, root, mount.flags | strict, mount.source);
  }

  /** `mount` and what is mounted below it, parents first. */
  #tree(mount: Mount): Mount[] {
    const found = [mount];
    for (const one of found) found.push(...one.children.values());
    return found;
  }

  /** Mounts below `path`, parents first. */
  #below(path: Path): Mount[] {
    return this.#tree(path.mount).filter((one) => {
      for (let m = one; m.parent !== null; m = m.parent) {
        if (m.parent === path.mount) return m.mountpoint!.isWithin(path.dentry);
      }
      return false;
    });
  }

  #add(mount: Mount): void {
    mount.namespace = this;
    mount.id = this.#nextId++;
    this.#mounts.add(mount);
  }

  #remove(mount: Mount): void {
    mount.detach();
    mount.namespace = null;
    this.#mounts.delete(mount);
    mount.unref();
  }
}

/** The path that shows at `path`: the root of whatever is mounted there, last mount first. No references change. */
export function topmost(path: Path): Path {
  let { mount, dentry } = path;
  while (dentry.mounts > 0) {
    const above = mount.children.get(dentry);
    if (above === undefined) break;
    mount = above;
    dentry = above.root;
  }
  return mount === path.mount ? path : { mount, dentry };
}
