/**
 * Addresses of unix sockets: paths, abstract names, and who has which. @source unix(7)
 *
 * Abstract names are a space of their own for each socket type in each network namespace, as Linux keeps them. A path
 * leads to a socket by the inode that bind made, under whatever names that has now, from every namespace.
 */
import {
  EADDRINUSE,
  ECONNREFUSED,
  EEXIST,
  EINVAL,
  ENOSPC,
  EPROTOTYPE,
  type Err,
  fail,
  isErr,
} from '../../abi/errno.js';
import { AF_UNIX, UNIX_PATH_MAX } from '../../abi/socket.js';
import { S_IFMT, S_IFSOCK } from '../../abi/stat.js';
import type { Path } from '../../vfs/dentry.js';
import type { Inode } from '../../vfs/inode.js';
import { holdPath, LOOKUP_FOLLOW, releasePath, resolve } from '../../vfs/namei.js';
import { mknodAt, unlinkAt } from '../../vfs/operations.js';
import { MAY_WRITE, permission } from '../../vfs/permission.js';
import { touchAtime } from '../../vfs/times.js';
import type { NetNamespace } from '../namespace.js';
import type { SocketCaller } from '../socket.js';
import type { UnixSocket } from './socket.js';

/** Offset of sun_path. */
const PATH = 2;
const SOCKADDR_UN = PATH + UNIX_PATH_MAX;
/** Names that autobind has: five hexadecimal digits. */
const AUTOBIND_NAMES = 0x100000;

/** A bound address; shared by a listener and the connections that come from it. */
export interface UnixAddress {
  /** struct sockaddr_un, as long as it is used. */
  readonly bytes: Uint8Array;
  /** Where the socket's node is; the holder of the address has a reference. Null: abstract. */
  readonly path: Path | null;
}

/** What getsockname shows of a socket without an address. */
export const UNNAMED = new Uint8Array([AF_UNIX, 0]);

/** @returns 0, or -EINVAL for what is no unix address with a name */
export function checkAddress(address: Uint8Array): number | Err {
  if (address.length <= PATH || address.length > SOCKADDR_UN) return fail(EINVAL);
  return familyOf(address) === AF_UNIX ? 0 : fail(EINVAL);
}

export const familyOf = (address: Uint8Array): number => address[0]! | (address[1]! << 8);

/** A request for a name of the kernel's choice: nothing but the family. */
export const isAutobind = (address: Uint8Array): boolean => address.length === PATH && familyOf(address) === AF_UNIX;

const isAbstract = (address: Uint8Array): boolean => address[PATH] === 0;

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

function pathOf(address: Uint8Array): string {
  const end = address.indexOf(0, PATH);
  return latin1(address.subarray(PATH, end < 0 ? address.length : end));
}

/** A path's address counts its final zero, whether that was given or not. */
function pathAddress(name: string): Uint8Array {
  const bytes = new Uint8Array(PATH + name.length + 1);
  bytes[0] = AF_UNIX;
  for (let i = 0; i < name.length; i++) bytes[PATH + i] = name.charCodeAt(i);
  return bytes;
}

/** Who has which name. */
export class UnixNames {
  readonly #abstract = new WeakMap<NetNamespace, Map<string, UnixSocket>>();
  #abstractCount = 0;
  readonly #inodes = new Map<Inode, UnixSocket>();
  readonly #random: (target: Uint8Array) => void;

  constructor(random: (target: Uint8Array) => void) {
    this.#random = random;
  }

  get size(): number {
    return this.#abstractCount + this.#inodes.size;
  }

  /** bind(2). @returns 0; -EADDRINUSE, -EINVAL (has a name already), errors of mknod(2) */
  bind(socket: UnixSocket, address: Uint8Array, caller: SocketCaller): number | Err {
    if (isAutobind(address)) return this.autobind(socket);
    const bad = checkAddress(address);
    if (bad !== 0) return bad;
    return isAbstract(address) ? this.#bindAbstract(socket, address) : this.#bindPath(socket, pathOf(address), caller);
  }

  /** Gives the socket a free abstract name, unless it has one. @returns 0, -ENOSPC */
  autobind(socket: UnixSocket): number | Err {
    if (socket.address !== null) return 0;
    const seed = new Uint8Array(4);
    this.#random(seed);
    const start = seed[0]! | (seed[1]! << 8) | ((seed[2]! & 0xf) << 16);
    for (let i = 0; i < AUTOBIND_NAMES; i++) {
      const digits = ((start + i) % AUTOBIND_NAMES).toString(16).padStart(5, '0');
      const bytes = new Uint8Array([AF_UNIX, 0, 0, ...Array.from(digits, (digit) => digit.charCodeAt(0))]);
      if (this.#bindAbstract(socket, bytes) === 0) return 0;
    }
    return fail(ENOSPC);
  }

  #bindAbstract(socket: UnixSocket, address: Uint8Array): number | Err {
    if (socket.address !== null) return fail(EINVAL);
    const key = keyOf(socket.type, address);
    let names = this.#abstract.get(socket.namespace);
    if (names === undefined) this.#abstract.set(socket.namespace, (names = new Map()));
    if (names.has(key)) return fail(EADDRINUSE);
    names.set(key, socket);
    this.#abstractCount++;
    socket.address = { bytes: address.slice(), path: null };
    return 0;
  }

  /** The node is made first; a socket that has a name already takes it away again, as Linux does. */
  #bindPath(socket: UnixSocket, name: string, caller: SocketCaller): number | Err {
    const mode = S_IFSOCK | ((socket.inode?.mode ?? 0) & ~S_IFMT);
    const made = mknodAt(caller.fs, caller, null, name, mode, 0);
    if (made < 0) return made === -EEXIST ? fail(EADDRINUSE) : made;
    if (socket.address !== null) {
      unlinkAt(caller.fs, caller, null, name);
      return fail(EINVAL);
    }
    const path = resolve(caller.fs, caller, null, name, 0);
    if (isErr(path)) return path;
    this.#inodes.set(path.dentry.inode, socket);
    socket.address = { bytes: pathAddress(name), path };
    return 0;
  }

  /** The socket is gone: so is its name. The node stays. */
  unbind(socket: UnixSocket): void {
    const { address } = socket;
    if (address === null) return;
    const { bytes, path } = address;
    if (path === null) {
      const key = keyOf(socket.type, bytes);
      const names = this.#abstract.get(socket.namespace);
      if (names?.get(key) === socket) {
        names.delete(key);
        this.#abstractCount--;
      }
    } else {
      const { inode } = path.dentry;
      if (this.#inodes.get(inode) === socket) this.#inodes.delete(inode);
    }
  }

  /**
   * The socket of the same type at an address that `checkAddress` let through, as seen by `from`.
   * @returns -ECONNREFUSED (nobody there), -EPROTOTYPE (another type), -EACCES and other errors of the path
   */
  find(address: Uint8Array, from: UnixSocket, caller: SocketCaller): UnixSocket | Err {
    const { type, namespace } = from;
    if (isAbstract(address)) return this.#abstract.get(namespace)?.get(keyOf(type, address)) ?? fail(ECONNREFUSED);
    const path = resolve(caller.fs, caller, null, pathOf(address), LOOKUP_FOLLOW);
    if (isErr(path)) return path;
    const found = this.#at(path, type, caller);
    releasePath(path);
    return found;
  }

  #at(path: Path, type: number, caller: SocketCaller): UnixSocket | Err {
    const { inode } = path.dentry;
    const allowed = permission(inode, caller, MAY_WRITE);
    if (allowed !== 0) return allowed;
    const socket = (inode.mode & S_IFMT) === S_IFSOCK ? this.#inodes.get(inode) : undefined;
    if (socket === undefined) return fail(ECONNREFUSED);
    if (socket.type !== type) return fail(EPROTOTYPE);
    touchAtime(inode, path.mount);
    return socket;
  }
}

const keyOf = (type: number, address: Uint8Array): string => `${type}:${latin1(address.subarray(PATH))}`;

/** The address for one more socket. */
export function shareAddress(address: UnixAddress | null): UnixAddress | null {
  if (address?.path) holdPath(address.path);
  return address;
}

export function dropAddress(address: UnixAddress | null): void {
  if (address?.path) releasePath(address.path);
}
