/** Random calls over few names and slots, so that they meet each other. Nothing here may block on the host. */
import * as fc from 'fast-check';
import * as F from '../../../abi/fcntl.js';
import { MNT_DETACH } from '../../../abi/mount.js';
import { S_IFCHR, S_IFIFO, S_IFSOCK, UTIME_NOW, UTIME_OMIT } from '../../../abi/stat.js';
import type { Call } from './native.js';

const component = fc.constantFrom('a', 'b', 'c', 'd', '.', '..');
const name = fc.oneof(
  { weight: 12, arbitrary: fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')) },
  { weight: 2, arbitrary: fc.array(component, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`) },
  { weight: 2, arbitrary: component.map((part) => `${part}/`) },
  { weight: 1, arbitrary: fc.constantFrom('', '/', 'a//b', 'x'.repeat(255), 'x'.repeat(256), 'a/'.repeat(2050)) },
);
const slot = fc.integer({ min: 0, max: 3 });
const at = fc.oneof({ weight: 5, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: slot });
const mode = fc.constantFrom(0o755, 0o644, 0o777, 0o700, 0o600, 0o1777, 0o2775, 0o4755, 0, 0o111, 0o444);
const owner = fc.constantFrom(0, 1000, 1001, -1);
const position = fc.oneof(fc.integer({ min: -2, max: 20000 }), fc.constantFrom(0, 4096, 8192, 2 ** 40));
const size = fc.oneof(fc.integer({ min: 0, max: 20000 }), fc.constantFrom(0, 4096, 8192));
const bits = (...values: number[]) => fc.subarray(values).map((some) => some.reduce((all, one) => all | one, 0));
const openFlags = fc
  .tuple(
    fc.constantFrom(F.O_RDONLY, F.O_WRONLY, F.O_RDWR, 3),
    bits(F.O_CREAT, F.O_EXCL, F.O_TRUNC, F.O_APPEND, F.O_DIRECTORY, F.O_NOFOLLOW, F.O_NOATIME),
    fc.constantFrom(0, 0, 0, 0, F.O_PATH, F.O_TMPFILE),
  )
  .map((parts) => parts.reduce((all, one) => all | one, F.O_NONBLOCK));
const time = fc.oneof(
  fc.constant([0, UTIME_NOW]),
  fc.constant([0, UTIME_OMIT]),
  fc.integer({ min: 1, max: 10 ** 9 }).map((sec) => [sec, 5]),
);
const c = fc.constant;

const rows: { weight: number; arbitrary: fc.Arbitrary<Call> }[] = [
  { weight: 2, arbitrary: fc.tuple(c('user'), fc.constantFrom(0, 0, 1000, 1001)) },
  { weight: 1, arbitrary: fc.tuple(c('umask'), fc.constantFrom(0, 0o22, 0o77)) },
  { weight: 8, arbitrary: fc.tuple(c('mkdir'), at, name, mode) },
  {
    weight: 3,
    arbitrary: fc.tuple(
      c('mknod'),
      at,
      name,
      fc.constantFrom(0o644, S_IFIFO | 0o666, S_IFSOCK | 0o666, S_IFCHR | 0o600, 0o50000, 0o40755),
      fc.constantFrom(0, 0x103),
    ),
  },
  { weight: 4, arbitrary: fc.tuple(c('symlink'), name, at, name) },
  { weight: 4, arbitrary: fc.tuple(c('link'), at, name, at, name, bits(F.AT_SYMLINK_FOLLOW)) },
  { weight: 3, arbitrary: fc.tuple(c('unlink'), at, name) },
  { weight: 3, arbitrary: fc.tuple(c('rmdir'), at, name) },
  { weight: 6, arbitrary: fc.tuple(c('rename'), at, name, at, name, fc.constantFrom(0, 0, 0, 1, 2, 3, 8)) },
  { weight: 12, arbitrary: fc.tuple(c('open'), slot, at, name, openFlags, mode) },
  { weight: 2, arbitrary: fc.tuple(c('close'), slot) },
  { weight: 5, arbitrary: fc.tuple(c('write'), slot, size) },
  { weight: 3, arbitrary: fc.tuple(c('pwrite'), slot, size, position) },
  { weight: 3, arbitrary: fc.tuple(c('read'), slot, size) },
  { weight: 2, arbitrary: fc.tuple(c('pread'), slot, size, position) },
  { weight: 3, arbitrary: fc.tuple(c('lseek'), slot, position, fc.constantFrom(0, 1, 2, 3, 4, 5)) },
  { weight: 2, arbitrary: fc.tuple(c('truncate'), name, position) },
  { weight: 2, arbitrary: fc.tuple(c('ftruncate'), slot, position) },
  // Linux tells pages that were only reserved from pages that were written when it looks for holes; here both are data.
  { weight: 2, arbitrary: fc.tuple(c('fallocate'), slot, fc.constantFrom(2, 3, 0x10), position, size) },
  { weight: 3, arbitrary: fc.tuple(c('chmod'), at, name, mode) },
  { weight: 1, arbitrary: fc.tuple(c('fchmod'), slot, mode) },
  { weight: 3, arbitrary: fc.tuple(c('chown'), at, name, owner, owner, fc.constantFrom(0, F.AT_SYMLINK_NOFOLLOW)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(at, name, time, time)
      .map(([from, path, atime, mtime]): Call => ['utime', from, path, ...atime, ...mtime, 0]),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(
      c('access'),
      at,
      name,
      fc.integer({ min: 0, max: 8 }),
      bits(F.AT_EACCESS, F.AT_SYMLINK_NOFOLLOW),
    ),
  },
  { weight: 2, arbitrary: fc.tuple(c('chdir'), name) },
  { weight: 1, arbitrary: fc.tuple(c('fchdir'), slot) },
  { weight: 1, arbitrary: fc.tuple(c('chroot'), name) },
  { weight: 1, arbitrary: fc.tuple(c('getcwd')) },
  { weight: 2, arbitrary: fc.tuple(c('readlink'), at, name) },
  { weight: 2, arbitrary: fc.tuple(c('path'), slot) },
  { weight: 4, arbitrary: fc.tuple(c('stat'), at, name) },
  { weight: 4, arbitrary: fc.tuple(c('lstat'), at, name) },
  { weight: 2, arbitrary: fc.tuple(c('fstat'), slot) },
  { weight: 3, arbitrary: fc.tuple(c('list'), at) },
  { weight: 1, arbitrary: fc.tuple(c('poll'), slot) },
];

/** What every second script begins with, so that calls find something. */
const furnished: Call[] = [
  ['umask', 0],
  ['mkdir', -1, 'a', 0o777],
  ['mkdir', -1, 'a/b', 0o755],
  ['mkdir', -1, 'b', 0o1777],
  ['open', 0, -1, 'a/c', F.O_CREAT | F.O_RDWR, 0o666],
  ['write', 0, 9000],
  ['open', 1, -1, 'b/d', F.O_CREAT | F.O_RDWR | F.O_APPEND, 0o640],
  ['open', 2, -1, 'a', F.O_RDONLY, 0],
  ['symlink', 'a/b', -1, 'c'],
  ['symlink', '../a/c', -1, 'b/a'],
  ['mknod', -1, 'd', S_IFIFO | 0o622, 0],
  ['mkdir', -1, 'm', 0o777],
  ['mkdir', -1, 'm/n', 0o777],
];

const callArbitrary = fc.oneof(...rows);

const place = fc.oneof({ weight: 2, arbitrary: name }, { weight: 1, arbitrary: fc.constantFrom('/m', '/m/n') });

/** The same with mounts coming and going. */
const mountCallArbitrary = fc.oneof(
  { weight: 10, arbitrary: callArbitrary },
  { weight: 1, arbitrary: fc.tuple(c('mount'), place, fc.constantFrom(0, 0, 1)) },
  { weight: 1, arbitrary: fc.tuple(c('bind'), place, place, fc.constantFrom(0, 0x4000)) },
  { weight: 1, arbitrary: fc.tuple(c('move'), place, place) },
  { weight: 1, arbitrary: fc.tuple(c('umount'), place, fc.constantFrom(0, 0, 64)) },
  // Not the root itself: that one can be detached there only because the initial rootfs lies below it.
  { weight: 1, arbitrary: fc.tuple(c('umount'), fc.constantFrom('/m', '/m/n'), c(MNT_DETACH)) },
);

const script = (call: fc.Arbitrary<Call>): fc.Arbitrary<Call[]> =>
  fc
    .tuple(fc.boolean(), fc.array(call, { minLength: 5, maxLength: 60, size: 'max' }))
    .map(([empty, calls]) => (empty ? calls : [...furnished, ...calls]));

export const scriptArbitrary = script(callArbitrary);
export const mountScriptArbitrary = script(mountCallArbitrary);
