/**
 * Control messages (cmsg): what SCM_RIGHTS, SCM_CREDENTIALS and others mean on their way in and out.
 * @source cmsg(3), unix(7); Linux net/core/scm.c
 */

import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from '../../abi/capability.js';
import { EBADF, EFAULT, EINVAL, ENOBUFS, EPERM, type Err, ESRCH, fail, isErr } from '../../abi/errno.js';
import { O_CLOEXEC } from '../../abi/fcntl.js';
import { NETLINK_PKTINFO, SOL_NETLINK } from '../../abi/netlink.js';
import {
  AF_UNIX,
  CMSGHDR_SIZE,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  SCM_CREDENTIALS,
  SCM_INQ,
  SCM_MAX_FD,
  SCM_PIDFD,
  SCM_RIGHTS,
  SOL_SOCKET,
} from '../../abi/socket.js';
import { dropFiles, type Outgoing, type PassedFiles, type Receipt } from '../../net/message.js';
import type { Socket } from '../../net/socket.js';
import type { Timestamps } from '../../net/timestamps.js';
import { UnixStream } from '../../net/unix/stream.js';
import type { Caller } from '../../vfs/caller.js';
import { capable, capableHere } from '../../vfs/capability.js';
import type { OpenFile } from '../../vfs/file.js';
import { INVALID_ID } from '../../vfs/user-namespace.js';
import { openPidFd } from '../events/pidfd.js';
import { Task } from '../task.js';
import { installFile } from './files-open.js';
import { getI64, putI64 } from './layouts.js';

const INT_MAX = 0x7fffffff;
/** struct ucred: pid, uid, gid. */
const UCRED_SIZE = 12;

const align = (length: number): number => Math.ceil(length / 8) * 8;

/** Who may say so: what is not one's own needs a capability. @param uid, gid kernel's numbers @source Linux scm_check_creds */
function checkIdentity({ cred, pid: own }: Task, pid: number, uid: number, gid: number): number | Err {
  if (pid !== own && !capable(cred, CAP_SYS_ADMIN)) return fail(EPERM);
  const isUser = uid === cred.uid || uid === cred.euid || uid === cred.suid;
  if (!isUser && !capableHere(cred, CAP_SETUID)) return fail(EPERM);
  const isGroup = gid === cred.gid || gid === cred.egid || gid === cred.sgid;
  return isGroup || capableHere(cred, CAP_SETGID) ? 0 : fail(EPERM);
}

function readIdentity(task: Task, view: DataView, at: number, out: Outgoing): number | Err {
  const { users, groups } = task.cred.userNamespace;
  const pid = view.getInt32(at, true);
  const uid = users.toKernel(view.getUint32(at + 4, true));
  const gid = groups.toKernel(view.getUint32(at + 8, true));
  if (uid === INVALID_ID || gid === INVALID_ID) return fail(EINVAL);
  const allowed = checkIdentity(task, pid, uid, gid);
  if (allowed !== 0) return allowed;
  const { processes } = task.kernel;
  const who = pid === task.pid ? task : (processes.task(pid) ?? processes.get(pid)?.leader ?? null);
  if (who === null) return fail(ESRCH);
  out.pid = pid;
  out.who = who;
  out.uid = uid;
  out.gid = gid;
  return 0;
}

/** Collects the descriptors of one SCM_RIGHTS. @returns 0; -EINVAL (too many), -EBADF */
function readFiles(task: Task, view: DataView, at: number, count: number, files: OpenFile[]): number | Err {
  if (count > SCM_MAX_FD || files.length + count > SCM_MAX_FD) return fail(EINVAL);
  for (let i = 0; i < count; i++) {
    const file = task.files.get(view.getInt32(at + 4 * i, true));
    if (file === null) return fail(EBADF);
    files.push(file.ref());
  }
  return 0;
}

/** @param length bytes of the messages @param passesFiles does the family know SCM_RIGHTS? */
function readMessages(
  task: Task,
  view: DataView,
  length: number,
  out: Outgoing,
  files: OpenFile[],
  passesFiles: boolean,
): number | Err {
  for (let at = 0; at + CMSGHDR_SIZE <= length; ) {
    const size = getI64(view, at);
    if (size < CMSGHDR_SIZE || size > length - at) return fail(EINVAL);
    if (view.getInt32(at + 8, true) === SOL_SOCKET) {
      const type = view.getInt32(at + 12, true);
      const data = at + CMSGHDR_SIZE;
      let result: number | Err = fail(EINVAL);
      if (type === SCM_RIGHTS && passesFiles) result = readFiles(task, view, data, (size - CMSGHDR_SIZE) >> 2, files);
      else if (type === SCM_CREDENTIALS && size === CMSGHDR_SIZE + UCRED_SIZE) {
        result = readIdentity(task, view, data, out);
      }
      if (result !== 0) return result;
    }
    at += align(size);
  }
  return 0;
}

/** Bytes of what programs send: as many descriptors as a message can hold, and credentials. */
const USUAL_LENGTH = 2048;
/** A copy, so that what has been checked stays so. One for all: reading it does not wait. */
const usual = new Uint8Array(USUAL_LENGTH);
const usualView = new DataView(usual.buffer);

/**
 * Reads the control buffer of a message to be sent into `out`.
 * @returns 0; -ENOBUFS (too long), -EFAULT, -EINVAL, -EBADF, -EPERM, -ESRCH: then nothing is held
 */
export function readControl(task: Task, socket: Socket, address: number, length: number, out: Outgoing): number | Err {
  if (length === 0) return 0;
  const most = socket.options.settings.optmemMax;
  if (length < 0 || length > INT_MAX || length >= most) return fail(ENOBUFS);
  const isLong = length > USUAL_LENGTH;
  const bytes = isLong ? new Uint8Array(length) : usual.subarray(0, length);
  if (task.mm!.read(address, bytes) !== 0) return fail(EFAULT);
  const refused = socket.refusal();
  if (refused !== 0) return refused;
  const files: OpenFile[] = [];
  const view = isLong ? new DataView(bytes.buffer) : usualView;
  const result = readMessages(task, view, length, out, files, socket.family === AF_UNIX);
  if (result !== 0) dropFiles(files);
  else if (files.length > 0) out.files = { files, user: task.cred.uid } satisfies PassedFiles;
  return result;
}

/** Writes control messages into the buffer of a receiver. */
export class ControlWriter {
  readonly #task: Task;
  /** Where the next message goes; 0: there is no buffer. */
  #at: number;
  #left: number;
  /** MSG_CTRUNC when something did not fit. */
  flags = 0;

  constructor(task: Task, address: number, length: number) {
    this.#task = task;
    this.#at = address;
    // The length is unsigned: beyond 63 bits there is room for everything.
    this.#left = length < 0 ? Number.POSITIVE_INFINITY : length;
  }

  /** Where the next message would go. */
  get position(): number {
    return this.#at;
  }

  /** All that a receive has brought, in Linux's order. @param flags MSG_CMSG_CLOEXEC */
  write(socket: Socket, receipt: Receipt, flags: number): void {
    const { options } = socket;
    if (receipt.group >= 0) this.#int(NETLINK_PKTINFO, receipt.group, SOL_NETLINK);
    if (receipt.time >= 0 && options.timestamps.isWanted) this.#times(options.timestamps, receipt.time);
    // Of the end of a row of packets, and of an urgent byte, no identity is told, nor is it missed.
    if (!receipt.hasMessage) receipt.drop();
    else if (this.#at === 0) {
      if (receipt.files !== null || options.passCredentials || options.passPidfd) this.flags |= MSG_CTRUNC;
      receipt.drop();
    } else {
      if (options.passCredentials) this.#identity(receipt);
      this.#files(receipt, (flags & MSG_CMSG_CLOEXEC) !== 0);
      if (options.passPidfd) this.#pidfd(receipt.who);
    }
    if (socket instanceof UnixStream && socket.tellsUnread) this.#int(SCM_INQ, socket.inputSize());
  }

  /** @param data of a message, cut off where the buffer ends @returns 0 or -EFAULT */
  #put(type: number, data: Uint8Array, level = SOL_SOCKET): number | Err {
    if (this.#at === 0 || this.#left < CMSGHDR_SIZE) {
      this.flags |= MSG_CTRUNC;
      return 0;
    }
    let length = CMSGHDR_SIZE + data.length;
    if (this.#left < length) {
      this.flags |= MSG_CTRUNC;
      length = this.#left;
    }
    const mm = this.#task.mm!;
    if (this.#header(type, length, level) !== 0) return fail(EFAULT);
    if (mm.write(this.#at + CMSGHDR_SIZE, data.subarray(0, length - CMSGHDR_SIZE)) !== 0) return fail(EFAULT);
    this.#advance(align(CMSGHDR_SIZE + data.length));
    return 0;
  }

  #header(type: number, length: number, level = SOL_SOCKET): number | Err {
    putI64(headerView, 0, length);
    headerView.setInt32(8, level, true);
    headerView.setInt32(12, type, true);
    return this.#task.mm!.write(this.#at, header);
  }

  #advance(space: number): void {
    const count = Math.min(space, this.#left);
    this.#at += count;
    this.#left -= count;
  }

  #identity({ pid, uid, gid }: Receipt): void {
    const { users, groups } = this.#task.cred.userNamespace;
    dataView.setInt32(0, pid, true);
    dataView.setUint32(4, users.shown(uid), true);
    dataView.setUint32(8, groups.shown(gid), true);
    this.#put(SCM_CREDENTIALS, data.subarray(0, UCRED_SIZE));
  }

  #int(type: number, value: number, level = SOL_SOCKET): number | Err {
    dataView.setInt32(0, value, true);
    return this.#put(type, data.subarray(0, 4), level);
  }

  /** @param time nanoseconds since the epoch */
  #times({ type, inNanoseconds, secondType }: Timestamps, time: number): void {
    const nanoseconds = time % 1e9;
    putI64(dataView, 0, Math.floor(time / 1e9));
    putI64(dataView, 8, inNanoseconds ? nanoseconds : Math.floor(nanoseconds / 1000));
    this.#put(type, data.subarray(0, 16));
    if (secondType === 0) return;
    // struct scm_timestamping: the time, and two places for those that hardware tells.
    putI64(dataView, 8, nanoseconds);
    data.fill(0, 16);
    this.#put(secondType, data);
  }

  /** As many descriptors as there is room for, counted in an int as Linux does it; the others are closed. */
  #files(receipt: Receipt, closeOnExec: boolean): void {
    const { files } = receipt;
    if (files === null) return;
    const room = this.#left <= CMSGHDR_SIZE ? 0 : Math.floor((this.#left - CMSGHDR_SIZE) / 4) | 0;
    let count = 0;
    while (count < Math.min(room, files.length) && this.#install(files[count]!, count, closeOnExec)) count++;
    if (count > 0 && this.#header(SCM_RIGHTS, CMSGHDR_SIZE + 4 * count) === 0) {
      this.#advance(align(CMSGHDR_SIZE + 4 * count));
    }
    if (count < files.length) this.flags |= MSG_CTRUNC;
    receipt.files = count < files.length ? files.slice(count) : null;
    receipt.drop();
  }

  /** Gives the receipt's reference of `file` to a new descriptor. @returns false when there is none to be had */
  #install(file: OpenFile, index: number, closeOnExec: boolean): boolean {
    const task = this.#task;
    const fd = task.files.install(file.ref(), closeOnExec, task.fileLimit);
    if (isErr(fd)) {
      file.unref();
      return false;
    }
    if (task.mm!.writeU32(this.#at + CMSGHDR_SIZE + 4 * index, fd) !== 0) {
      task.files.close(fd, task);
      return false;
    }
    file.unref();
    return true;
  }

  /** SCM_PIDFD. One that cannot be had is told by an error in its place. */
  #pidfd(who: Caller | null): void {
    if (this.#left < CMSGHDR_SIZE + 4) {
      this.flags |= MSG_CTRUNC;
      return;
    }
    if (!(who instanceof Task)) return;
    const task = this.#task;
    const fd = installPidfd(task, who);
    if (this.#int(SCM_PIDFD, fd) !== 0 && !isErr(fd)) task.files.close(fd, task);
  }
}

/** A new descriptor of the process of `who`. @returns -EMFILE */
export const installPidfd = (task: Task, who: Task): number | Err =>
  installFile(task, openPidFd(who.process.leader, 0), O_CLOEXEC);

const header = new Uint8Array(CMSGHDR_SIZE);
const headerView = new DataView(header.buffer);
/** The longest that is put: struct scm_timestamping. */
const data = new Uint8Array(48);
const dataView = new DataView(data.buffer);
