/**
 * /proc/PID/uid_map, gid_map, projid_map and setgroups: the numbers of the task's user namespace, written once.
 *
 * A description belongs to the namespace in which the task was when it was opened, and what it may do depends on who
 * opened it. @source user_namespaces(7); Linux kernel/user_namespace.c map_write, proc_setgroups_write
 */
import { CAP_SETFCAP, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from '../../../abi/capability.js';
import { EACCES, EINVAL, EPERM, type Err, fail } from '../../../abi/errno.js';
import { O_ACCMODE, O_RDONLY } from '../../../abi/fcntl.js';
import type { Caller, Credentials } from '../../caller.js';
import { capableIn } from '../../capability.js';
import { type IdExtent, type IdMap, INVALID_ID, MAX_EXTENTS, type UserNamespace } from '../../user-namespace.js';
import type { FileRow, SpecialRow } from './row.js';
import type { ProcTask } from './source.js';
import { ProcText } from './text-file.js';

/** A write must be shorter. */
const PAGE_SIZE = 4096;
/** Longest word and its newline. @source Linux proc_setgroups_write */
const WORD_ROOM = 8;
const MODE = 0o644;
const COLUMN = 10;

/** One of a namespace's maps, and what it takes to write it; null: nothing. */
interface Kind {
  readonly name: string;
  readonly capability: number | null;
  mapOf(namespace: UserNamespace): IdMap;
  /** May a map of nothing but the writer's own id be written without privilege? */
  isOwn(parent: number, writer: Credentials, namespace: UserNamespace): boolean;
}

const KINDS: readonly Kind[] = [
  {
    name: 'uid_map',
    capability: CAP_SETUID,
    mapOf: ({ users }) => users,
    isOwn: (parent, { euid }) => parent === euid,
  },
  {
    name: 'gid_map',
    capability: CAP_SETGID,
    mapOf: ({ groups }) => groups,
    // Who can still call setgroups(2) could leave a group that is there to keep him out.
    isOwn: (parent, { egid }, { allowsSetgroups }) => !allowsSetgroups && parent === egid,
  },
  { name: 'projid_map', capability: null, mapOf: ({ projects }) => projects, isOwn: () => true },
];

const column = (id: number): string => `${id}`.padStart(COLUMN);

/** @param viewer in whose numbers the second column is; its own namespace is shown in those of the parent */
function mapText(namespace: UserNamespace, viewer: UserNamespace, { mapOf }: Kind): string {
  const below = viewer === namespace ? (viewer.parent ?? viewer) : viewer;
  const line = ({ first, lower, count }: IdExtent): string =>
    `${column(first)} ${column(mapOf(below).fromKernel(lower))} ${column(count)}\n`;
  return mapOf(namespace).extents.map(line).join('');
}

const overlaps = (a: number, b: number, aCount: number, bCount: number): boolean => a < b + bCount && b < a + aCount;

const isInRange = (first: number, count: number): boolean => first < INVALID_ID && first + count <= INVALID_ID;

/** Reads lines of three numbers. @returns null: not of that form, empty, too many, or two of them overlap */
function parseExtents(text: string): IdExtent[] | null {
  const lines = text.split('\0', 1)[0]!.split('\n');
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  if (lines.length > MAX_EXTENTS) return null;
  const extents: IdExtent[] = [];
  for (const line of lines) {
    const words = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/.exec(line)?.slice(1);
    if (words === undefined) return null;
    // As the kernel reads numbers: what is above 32 bits is lost.
    const [first, lower, count] = words.map((word) => Number(BigInt.asUintN(32, BigInt(word)))) as [
      number,
      number,
      number,
    ];
    if (count === 0 || !isInRange(first, count) || !isInRange(lower, count)) return null;
    const clashes = extents.some(
      (one) => overlaps(one.first, first, one.count, count) || overlaps(one.lower, lower, one.count, count),
    );
    if (clashes) return null;
    extents.push({ first, lower, count });
  }
  return extents;
}

/** User 0 of the parent inside means files whose capabilities the parent believes: not for everybody. @source Linux verify_root_map */
function mayMapRoot(namespace: UserNamespace, parent: UserNamespace, opener: Credentials): boolean {
  if (opener.userNamespace === namespace) return namespace.founderHadSetfcap;
  return capableIn(opener, parent, CAP_SETFCAP);
}

/** @source Linux new_idmap_permitted */
function isPermitted(
  kind: Kind,
  namespace: UserNamespace,
  parent: UserNamespace,
  extents: readonly IdExtent[],
  opener: Credentials,
  writer: Credentials,
): boolean {
  const { capability } = kind;
  const mapsRoot = capability === CAP_SETUID && extents.some(({ lower }) => lower === 0);
  if (mapsRoot && !mayMapRoot(namespace, parent, opener)) return false;
  if (capability === null) return true;
  const [only] = extents;
  if (extents.length === 1 && only!.count === 1 && namespace.owner === opener.euid) {
    if (kind.isOwn(kind.mapOf(parent).toKernel(only!.lower), opener, namespace)) return true;
  }
  return capableIn(writer, parent, capability) && capableIn(opener, parent, capability);
}

function writeMap(
  kind: Kind,
  namespace: UserNamespace,
  text: string,
  position: number,
  opener: Credentials,
  writer: Credentials,
): number | Err {
  const { parent } = namespace;
  if (parent === null) return fail(EPERM);
  if (opener.userNamespace !== namespace && opener.userNamespace !== parent) return fail(EPERM);
  if (position !== 0 || text.length >= PAGE_SIZE) return fail(EINVAL);
  const map = kind.mapOf(namespace);
  if (map.isSet) return fail(EPERM);
  if (kind.capability !== null && !capableIn(opener, namespace, CAP_SYS_ADMIN)) return fail(EPERM);
  const extents = parseExtents(text);
  if (extents === null) return fail(EINVAL);
  if (!isPermitted(kind, namespace, parent, extents, opener, writer)) return fail(EPERM);
  const above = kind.mapOf(parent);
  const known = extents.map((one) => ({ ...one, lower: above.toKernel(one.lower, one.count) }));
  if (known.some(({ lower }) => lower === INVALID_ID)) return fail(EPERM);
  map.set(known);
  return 0;
}

/** @source Linux proc_setgroups_write */
function writeSetgroups(namespace: UserNamespace, text: string, position: number): number | Err {
  if (position !== 0 || text.length >= WORD_ROOM) return fail(EINVAL);
  const word = /^(allow|deny)\s*$/.exec(text.split('\0', 1)[0]!)?.[1];
  if (word === undefined) return fail(EINVAL);
  if (word === 'allow') return namespace.allowsSetgroups ? 0 : fail(EPERM);
  if (namespace.groups.isSet) return fail(EPERM);
  namespace.allowsSetgroups = false;
  return 0;
}

/** A file about the user namespace of the task as of open(2). */
const aboutNamespace = (
  name: string,
  rowOf: (namespace: UserNamespace, opener: Credentials) => Pick<FileRow<ProcTask>, 'read' | 'write'>,
  refusal: (namespace: UserNamespace, flags: number, caller: Caller) => 0 | Err = () => 0,
): SpecialRow<ProcTask> => ({
  kind: 'special',
  name,
  mode: MODE,
  open(inode, { cred: { userNamespace } }, flags, caller) {
    const refused = refusal(userNamespace, flags, caller);
    if (refused !== 0) return refused;
    return new ProcText(inode, { kind: 'file', name, mode: MODE, ...rowOf(userNamespace, caller.cred) }, flags);
  },
});

export const USER_MAP_ROWS: readonly SpecialRow<ProcTask>[] = [
  ...KINDS.map((kind) =>
    aboutNamespace(kind.name, (namespace, opener) => ({
      read: () => mapText(namespace, opener.userNamespace, kind),
      write: (_task, text, { caller }, position) => writeMap(kind, namespace, text, position, opener, caller.cred),
    })),
  ),
  aboutNamespace(
    'setgroups',
    (namespace) => ({
      read: () => (namespace.allowsSetgroups ? 'allow\n' : 'deny\n'),
      write: (_task, text, _reader, position) => writeSetgroups(namespace, text, position),
    }),
    (namespace, flags, { cred }) =>
      (flags & O_ACCMODE) === O_RDONLY || capableIn(cred, namespace, CAP_SYS_ADMIN) ? 0 : fail(EACCES),
  ),
];
