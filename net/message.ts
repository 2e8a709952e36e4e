/** What travels with the bytes of a message: addresses, descriptors, credentials; sending and receiving side. */

import type { Caller } from '../vfs/caller.js';
import type { OpenFile } from '../vfs/file.js';
import { INVALID_ID } from '../vfs/user-namespace.js';
import type { SocketCaller } from './socket.js';

/** Descriptors on their way. Each file holds a reference; whoever has the object gives them on or drops them. */
export interface PassedFiles {
  readonly files: OpenFile[];
  /** Real user id of the sender, whom they count against. */
  readonly user: number;
}

/** Who sent a message, in the kernel's numbers. `pid` 0: nobody asked for it to be noted. */
export interface SenderIdentity {
  pid: number;
  uid: number;
  gid: number;
  /** The task behind `pid`, for descriptors of processes. */
  who: Caller | null;
}

/** What a send carries besides bytes. */
export interface Outgoing extends SenderIdentity {
  /** Where to, as sockaddr bytes; null: to the peer. */
  readonly address: Uint8Array | null;
  /** Whose working directory a path in `address` starts from. */
  readonly caller: SocketCaller | null;
  /** Taken over by the first piece that is queued. */
  files: PassedFiles | null;
}

/** Nothing but bytes. */
export const PLAIN: Outgoing = { address: null, caller: null, files: null, pid: 0, uid: 0, gid: 0, who: null };

/** Descriptors that were dropped while others are being dropped: closing a socket may drop more, to any depth. */
const dropped: OpenFile[] = [];
let isDropping = false;

/** Gives the references of `files` back. Not recursive: a socket in a message in a socket in a message … is no deeper on the stack. */
export function dropFiles(files: readonly OpenFile[]): void {
  for (const file of files) dropped.push(file);
  if (isDropping) return;
  isDropping = true;
  for (let file = dropped.pop(); file !== undefined; file = dropped.pop()) file.unref();
  isDropping = false;
}

/** What a receive has got so far. It lasts over the waits of one call. */
export class Receipt implements SenderIdentity {
  /** Bytes delivered. */
  copied = 0;
  /** A stream waits until it has so many. */
  target = 1;
  /** MSG_TRUNC, MSG_OOB, MSG_EOR. */
  flags = 0;
  /** Something has been taken, if only the end of a stream: who has sent it is told. */
  hasMessage = false;
  /** Address of the sender, once there was a message; null: it has none. */
  address: Uint8Array | null = null;
  /** The identity below is known: pieces of other senders are not joined. */
  hasIdentity = false;
  pid = 0;
  uid = INVALID_ID;
  gid = INVALID_ID;
  who: Caller | null = null;
  files: OpenFile[] | null = null;
  /** Time of arrival in nanoseconds since the epoch; negative: not asked for. */
  time = -1;
  /** Group that a netlink message was sent to; negative: not asked for. */
  group = -1;

  /** A new call. @param target see above */
  begin(target: number): void {
    this.copied = 0;
    this.target = target;
    this.flags = 0;
    this.address = null;
    this.hasMessage = false;
    this.hasIdentity = false;
    this.pid = 0;
    this.uid = INVALID_ID;
    this.gid = INVALID_ID;
    this.who = null;
    this.files = null;
    this.time = -1;
    this.group = -1;
  }

  identify(from: SenderIdentity): void {
    this.hasIdentity = true;
    this.pid = from.pid;
    this.uid = from.pid === 0 ? INVALID_ID : from.uid;
    this.gid = from.pid === 0 ? INVALID_ID : from.gid;
    this.who = from.who;
  }

  /** Is a piece with that identity from the same sender as what came before? */
  isFrom(from: SenderIdentity): boolean {
    return from.pid === this.pid && (from.pid === 0 || (from.uid === this.uid && from.gid === this.gid));
  }

  /** Descriptors that came and go to nobody. */
  drop(): void {
    if (this.files === null) return;
    dropFiles(this.files);
    this.files = null;
  }
}
