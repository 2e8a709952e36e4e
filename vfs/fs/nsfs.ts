/**
 * nsfs: namespaces as inodes, which the links in /proc/PID/ns lead to. A description of one keeps its namespace, and is
 * what setns(2) takes. @source namespaces(7), ioctl_ns(2); Linux fs/nsfs.c
 */
import { EINVAL, ENOTTY, EPERM, type Err, fail } from '../../abi/errno.js';
import { O_ACCMODE, O_RDONLY } from '../../abi/fcntl.js';
import { NS_GET_NSTYPE, NS_GET_OWNER_UID, NS_GET_PARENT, NS_GET_USERNS } from '../../abi/ioctl.js';
import { NSFS_MAGIC } from '../../abi/mount.js';
import { S_IFREG } from '../../abi/stat.js';
import type { Caller } from '../caller.js';
import { makeDevice } from '../devices.js';
import { OpenFile } from '../file.js';
import type { VfsEnv } from '../filesystem.js';
import { Inode, type PollMask } from '../inode.js';
import { AnonymousFs } from './anonymous-fs.js';
import { ALWAYS_READY } from './memory-file.js';

const NSFS_DEVICE = makeDevice(0, 4);

const instances = new WeakMap<VfsEnv, AnonymousFs>();

function nsfsOf(env: VfsEnv): AnonymousFs {
  let fs = instances.get(env);
  if (fs === undefined) instances.set(env, (fs = new AnonymousFs(env, 'nsfs', NSFS_DEVICE, NSFS_MAGIC)));
  return fs;
}

export interface Namespace {
  /** Its name in /proc/PID/ns. */
  readonly kind: string;
  /** CLONE_NEW* flag of its kind. */
  readonly flag: number;
  /** Inode number. */
  readonly ino: number;
}

export class NamespaceInode extends Inode {
  readonly namespace: Namespace;

  constructor(env: VfsEnv, namespace: Namespace) {
    super(nsfsOf(env), namespace.ino, S_IFREG | 0o444);
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

  override ioctl(request: number): number | Err {
    switch (request) {
      case NS_GET_NSTYPE:
        return this.inode.namespace.flag;
      case NS_GET_USERNS: // Of a kernel without user namespaces.
        return fail(EPERM);
      case NS_GET_PARENT: // Of those that nest.
      case NS_GET_OWNER_UID: // Of user namespaces.
        return fail(EINVAL);
      default:
        return fail(ENOTTY);
    }
  }

  override fsync(): number | Err {
    return fail(EINVAL);
  }
}
