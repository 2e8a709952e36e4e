/**
 * What rows of options are made of (options.ts): the forms that many of them have, and where the value that is read lies.
 */
import { CAP_NET_ADMIN, CAP_NET_RAW } from '../abi/capability.js';
import { EINVAL, EOPNOTSUPP, EPERM, type Err, fail } from '../abi/errno.js';
import { AF_UNIX } from '../abi/socket.js';
import type { Caller } from '../vfs/caller.js';
import { capable, capableIn } from '../vfs/capability.js';
import type { Socket } from './socket.js';

/** Where an option's value goes to: at most 64 bytes. */
export const reply = new Uint8Array(64);
export const view = new DataView(reply.buffer);

/** The bytes of `count` values: the reply is valid until the next call. */
export function int(value: number): Uint8Array {
  view.setInt32(0, value, true);
  return reply.subarray(0, 4);
}

export function pair(first: number, second: number): Uint8Array {
  view.setInt32(0, first, true);
  view.setInt32(4, second, true);
  return reply.subarray(0, 8);
}

export interface OptionRow {
  /** Bytes of a value that are looked at, 4 if not given. */
  size?: number;
  /** They are only if the value has that size; of any other four are. */
  isExact?: boolean;
  /** @param room bytes that the caller has @returns the value, valid until the next call; absent: -ENOPROTOOPT */
  get?: (socket: Socket, room: number) => Uint8Array | Err;
  /** @param value the first four bytes as an int @param bytes all of them; absent: -ENOPROTOOPT */
  set?: (socket: Socket, value: number, bytes: DataView, caller: Caller) => number | Err;
}

export const truth = (value: number): number => (value !== 0 ? 1 : 0);
export const asIs = (value: number): number => value;

/** An option that is remembered and has no further effect on a socket without a network under it. */
export function remembered(option: number, initial = 0, form = truth): OptionRow {
  return {
    get: ({ options }) => int(options.plain.get(option) ?? initial),
    set: ({ options }, value) => {
      options.plain.set(option, form(value));
      return 0;
    },
  };
}

/** Who may: over the whole kernel, or over the namespace of the socket. */
type Permission = (socket: Socket, caller: Caller) => boolean;

export const ofKernel: Permission = (_socket, { cred }) => capable(cred, CAP_NET_ADMIN);

export const ofNamespace: Permission = ({ namespace: { userNamespace } }, { cred }) =>
  capableIn(cred, userNamespace, CAP_NET_RAW) || capableIn(cred, userNamespace, CAP_NET_ADMIN);

/** As `row`, only for who `may` where `guarded` says so. */
export function privileged(
  row: OptionRow,
  may: Permission,
  guarded: (value: number) => boolean,
  error = EPERM,
): OptionRow {
  return {
    ...row,
    set: (socket, value, bytes, caller) =>
      guarded(value) && !may(socket, caller) ? fail(error) : row.set!(socket, value, bytes, caller),
  };
}

/** As `row`, for values that `valid` lets through. */
export function checked(row: OptionRow, valid: (value: number) => boolean, error = EINVAL): OptionRow {
  return {
    ...row,
    set: (socket, value, bytes, caller) => (valid(value) ? row.set!(socket, value, bytes, caller) : fail(error)),
  };
}

/** As `row`, of unix sockets alone. */
export const ofUnix = (row: OptionRow): OptionRow => ({
  get: (socket, room) => (socket.family === AF_UNIX ? row.get!(socket, room) : fail(EOPNOTSUPP)),
  set: (socket, value, bytes, caller) =>
    socket.family === AF_UNIX ? row.set!(socket, value, bytes, caller) : fail(EOPNOTSUPP),
});

type Flag = 'passCredentials' | 'passPidfd' | 'passRights' | 'oobInline';
export const flag = (name: Flag): OptionRow => ({
  get: ({ options }) => int(options[name] ? 1 : 0),
  set: ({ options }, value) => {
    options[name] = value !== 0;
    return 0;
  },
});

export const readOnly = (get: (socket: Socket) => number): OptionRow => ({ get: (socket) => int(get(socket)) });

/** An option that no unix socket can have, though its value can be asked for. */
export const refused = (valid: (value: number) => boolean = () => true): OptionRow => ({
  get: () => int(0),
  set: (_socket, value) => fail(valid(value) ? EOPNOTSUPP : EINVAL),
});

/** An option that nobody but connections of a network listens to. */
export const unheeded: OptionRow = { set: () => 0 };
