/**
 * Network namespaces. A socket belongs to the one that its maker was in, for good; abstract names and limits are each
 * namespace's own, paths lead into all of them. @source network_namespaces(7)
 *
 * A namespace has no list of its users: it lives as long as a task, a socket or a description of its inode refers to it.
 */
import { CLONE_NEWNET } from '../abi/sched.js';
import type { VfsEnv } from '../vfs/filesystem.js';
import { type Namespace, nextNamespaceIno } from '../vfs/fs/nsfs.js';
import type { UserNamespace } from '../vfs/user-namespace.js';
import { type BufferSettings, defaultSettings, type NetSettings } from './settings.js';

/** Inode number of the first one. @source Linux uapi/linux/nsfs.h NET_NS_INIT_INO */
const FIRST_INO = 4026531833;

export class NetNamespace implements Namespace {
  readonly kind = 'net';
  readonly flag = CLONE_NEWNET;
  readonly ino: number;
  /** SO_NETNS_COOKIE. */
  readonly cookie: number;
  readonly userNamespace: UserNamespace;
  readonly settings: NetSettings;

  /** @param cookie 1 for the first one of a kernel, then one more each @param buffers what all of a kernel share */
  constructor(env: VfsEnv, cookie: number, userNamespace: UserNamespace, buffers: BufferSettings) {
    this.cookie = cookie;
    this.ino = this.isFirst ? FIRST_INO : nextNamespaceIno(env);
    this.userNamespace = userNamespace;
    this.settings = defaultSettings(buffers);
  }

  /** The one that the kernel booted with: only there the sizes of buffers can be set. */
  get isFirst(): boolean {
    return this.cookie === 1;
  }
}
