/**
 * nsfs: namespaces as inodes, which the links in /proc/PID/ns lead to. A description of one keeps its namespace, and is
 * what setns(2) takes. @source namespaces(7), ioctl_ns(2); Linux fs/nsfs.c
 */
import { EINVAL, ENOTTY, EPERM, type Err, fail } from '../../abi/errno.js';
import { O_ACCMODE, O_RDONLY } from '../../abi/fcntl.js';
import { NS_GET_NSTYPE, NS_GET_OWNER_UID, NS_GET_PARENT } from '../../abi/ioctl.js';
import { NSFS_MAGIC } from '../../abi/mount.js';
import { S_IFREG } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import { makeDevice } from '../devices.js';
import { OpenFile, type UserMemory } from '../file.js';
import type { VfsEnv } from '../filesystem.js';
import { Inode, type PollMask } from '../inode.js';
import { UserNamespace } from '../user-namespace.js';
import { AnonymousFs } from './anonymous-fs.js';
import { ALWAYS_READY } from './memory-file.js';

const NSFS_DEVICE = makeDevice(0, 4);

/** Inode numbers of namespaces begin here, those of the first ones of each kind are below. */
const MORE_INO = 4026532000;

interface Nsfs {
  readonly fs: AnonymousFs;
  readonly inodes: WeakMap<Namespace, NamespaceInode>;
  nextIno: number;
}

const instances = new WeakMap<VfsEnv, Nsfs>();

function nsfsOf(env: VfsEnv): Nsfs {
  let nsfs = instances.get(env);
  if (nsfs === undefined) {
    const fs = new AnonymousFs(env, 'nsfs', NSFS_DEVICE, NSFS_MAGIC);
    instances.set(env, (nsfs = { fs, inodes: new WeakMap(), nextIno: MORE_INO }));
  }
  return nsfs;
}

/** A number for a namespace that is being made. */
export const nextNamespaceIno = (env: VfsEnv): number => nsfsOf(env).nextIno++;

export interface Namespace {
  /** Its name in /proc/PID/ns. */
  readonly kind: string;
  /** CLONE_NEW* flag of its kind. */
  readonly flag: number;
  /** Inode number. */
  readonly ino: number;
  /** Capabilities over it are those in this one; null: it is the user namespace around all. */
  readonly userNamespace: UserNamespace | null;
}

/** What its link in /proc/PID/ns leads to: one inode as long as the namespace is there. */
export function namespaceInode(env: VfsEnv, namespace: Namespace): NamespaceInode {
  const { inodes } = nsfsOf(env);
  let inode = inodes.get(namespace);
  if (inode === undefined) inodes.set(namespace, (inode = new NamespaceInode(env, namespace)));
  return inode;
}

export class NamespaceInode extends Inode {
  readonly namespace: Namespace;

  constructor(env: VfsEnv, namespace: Namespace) {
    super(nsfsOf(env).fs, namespace.ino, S_IFREG | 0o444);
    this.namespace = namespace;
  }

  override get anonymousName(): string {
    return `${this.namespace.kind}:[${this.ino}]`;
  }

  override get blocks(): number {
    return 0;
  }

  override poll(): PollMask {
    return ALWAYS_READY;
  }

  /** @returns -EPERM for writing: Linux marks these inodes as immutable */
  override open(flags: number, _caller: Caller): OpenFile | Err {
    return (flags & O_ACCMODE) === O_RDONLY ? new NamespaceFile(this, flags) : fail(EPERM);
  }
}

export class NamespaceFile extends OpenFile {
  declare readonly inode: NamespaceInode;

  /** NS_GET_USERNS and NS_GET_PARENT make descriptors: `related` and whoever calls it. */
  override ioctl(request: number, argument: number, user: UserMemory, { cred }: Caller): number | Err {
    const { namespace } = this.inode;
    switch (request) {
      case NS_GET_NSTYPE:
        return namespace.flag;
      case NS_GET_OWNER_UID: {
        if (!(namespace instanceof UserNamespace)) return fail(EINVAL);
        const uid = Uint32Array.of(cred.userNamespace.users.shown(namespace.owner));
        return user.write(argument, new Uint8Array(uid.buffer));
      }
      default:
        return fail(ENOTTY);
    }
  }

  /** The namespace that NS_GET_USERNS and NS_GET_PARENT ask for. @returns -EPERM: not around or below the caller's */
  related(request: number, { cred }: Caller): UserNamespace | Err {
    const { namespace } = this.inode;
    // Only those that nest have a parent.
    if (request === NS_GET_PARENT && !(namespace instanceof UserNamespace)) return fail(EINVAL);
    const found = namespace.userNamespace;
    for (let one = found; one !== null; one = one.parent) if (one === cred.userNamespace) return found!;
    return fail(EPERM);
  }

  override fsync(): number | Err {
    return fail(EINVAL);
  }
}
