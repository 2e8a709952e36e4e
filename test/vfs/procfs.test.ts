/** The files of /proc about the system, and /proc as a file system. */
import * as fs from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, EINVAL, EIO, ENOENT, EPERM, ESRCH } from '../../abi/errno.js';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../../abi/fcntl.js';
import { MS_RDONLY } from '../../abi/mount.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import { releasePath } from '../../vfs/dentry.js';
import { makeDevice } from '../../vfs/devices.js';
import type { DirectoryFile } from '../../vfs/directory-file.js';
import { file as fileRow } from '../../vfs/fs/procfs/index.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { resolve } from '../../vfs/namei.js';
import { chmodPath, mkdirAt, openAt, readlinkAt, renameAt, rmdirAt, unlinkAt } from '../../vfs/operations.js';
import { get, ok, put } from './env.js';
import { FakeTask } from './proc-source.js';
import { errno, isSubsequence, keys, list, makeProc, native, open, sh, stat, superuser, text } from './proc-world.js';

test('the root lists files, then processes, and numbers inodes the same everywhere', () => {
  const w = makeProc();
  const all = list(w, '/proc');
  assert.equal(all.slice(0, 5), ['net', 'sys', 'tty', 'self', 'stat']);
  assert.equal(all.slice(-2), ['1', '100']);
  const dir = open(w, '/proc', O_RDONLY | O_DIRECTORY) as DirectoryFile;
  const pieces: string[] = [];
  for (let more = true; more; ) {
    more = false;
    dir.list((entry) => {
      if (more) return false;
      pieces.push(entry.name);
      if (!entry.name.startsWith('.')) {
        const s = stat(w, `/proc/${entry.name}`);
        assert.is(entry.ino, s.ino, entry.name);
        assert.is(entry.type, s.mode >>> 12, entry.name);
      }
      return (more = true);
    });
  }
  assert.equal(pieces, ['.', '..', ...all], 'one by one it is the same');
  dir.unref();
  const inos = new Set<number>();
  const walk = (name: string): void => {
    const s = stat(w, name);
    assert.not(inos.has(s.ino), `inode number of ${name} is taken`);
    inos.add(s.ino);
    if (s.mode >>> 12 === 4) for (const child of list(w, name)) walk(`${name}/${child}`);
  };
  walk('/proc');
  assert.equal([stat(w, '/proc').ino, stat(w, '/proc').mode, stat(w, '/proc').size], [1, 0o040555, 0]);
  w.end();
});

test('self and thread-self are the reader', () => {
  const w = makeProc();
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/self'), '100');
  assert.is(readlinkAt(w.ctx, superuser, null, '/proc/self'), '1');
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/thread-self'), '100/task/100');
  assert.is(text(w, '/proc/self/comm', sh), 'sh\n');
  assert.is(readlinkAt(w.ctx, KERNEL_CALLER, null, '/proc/self'), -ENOENT);
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/mounts'), 'self/mounts');
  w.end();
});

test('a process comes and goes, and its directory with it', () => {
  const w = makeProc();
  assert.is(errno(openAt(w.ctx, superuser, null, '/proc/7/stat', O_RDONLY, 0)), -ENOENT);
  const task = w.source.add(new FakeTask(7), w.ctx);
  const path = ok(resolve(w.ctx, superuser, null, '/proc/7', 0));
  const file = open(w, '/proc/7/comm');
  const late = open(w, '/proc/7/status');
  assert.is(get(file, 100, superuser), 'sh\n');
  const again = ok(resolve(w.ctx, superuser, null, '/proc/7', 0));
  assert.is(again.dentry.inode, path.dentry.inode);
  releasePath(again);
  w.source.tasks.delete(7);
  file.seek(0, SEEK_SET);
  assert.is(get(file, 100, superuser), -ESRCH);
  assert.is(get(late, 100, superuser), -ESRCH);
  assert.is(errno(openAt(w.ctx, superuser, path, 'stat', O_RDONLY, 0)), -ENOENT);
  w.source.add(new FakeTask(7), w.ctx).comm = 'new';
  assert.is(errno(openAt(w.ctx, superuser, path, 'stat', O_RDONLY, 0)), -ENOENT, 'a reused number is another process');
  assert.is(text(w, '/proc/7/comm'), 'new\n');
  assert.is.not(w.source.task(7), task);
  for (const name of ['/proc/07', '/proc/-1', '/proc/1x', '/proc/99999999999', '/proc/0']) {
    assert.is(errno(resolve(w.ctx, superuser, null, name, 0)), -ENOENT, name);
  }
  file.unref();
  late.unref();
  releasePath(path);
  w.end();
});

test('nothing can be made, removed or changed but by writing', () => {
  const w = makeProc();
  for (const dir of ['/proc', '/proc/1', '/proc/1/fd', '/proc/sys', '/proc/sys/kernel']) {
    assert.is(errno(openAt(w.ctx, superuser, null, `${dir}/x`, O_RDWR | O_CREAT, 0o644)), -ENOENT);
    assert.is(mkdirAt(w.ctx, superuser, null, `${dir}/x`, 0o755), -ENOENT);
  }
  assert.is(unlinkAt(w.ctx, superuser, null, '/proc/uptime'), -EPERM);
  assert.is(unlinkAt(w.ctx, superuser, null, '/proc/self/comm'), -EPERM);
  assert.is(rmdirAt(w.ctx, superuser, null, '/proc/sys'), -EPERM);
  assert.is(renameAt(w.ctx, superuser, null, '/proc/uptime', null, '/proc/version', 0), -EPERM);
  assert.is(renameAt(w.ctx, superuser, null, '/proc/uptime', null, '/proc/x', 0), -ENOENT);
  assert.is(unlinkAt(w.ctx, superuser, null, '/proc/sys/kernel/hostname'), -EACCES);
  assert.is(mkdirAt(w.ctx, sh, null, '/proc/x', 0o755), -ENOENT, 'whoever asks');
  const path = ok(resolve(w.ctx, superuser, null, '/proc/1/stat', 0));
  assert.is(chmodPath(path, superuser, 0o777), -EPERM);
  releasePath(path);
  const file = open(w, '/proc/uptime', O_WRONLY);
  assert.is(put(file, 'x', superuser), -EIO);
  file.unref();
  w.end();
});

test('a text is read in pieces as it was at the start', () => {
  const w = makeProc();
  const file = open(w, '/proc/1/comm');
  assert.is(get(file, 1, superuser), 's');
  w.init.comm = 'changed';
  assert.is(get(file, 10, superuser), 'h\n');
  assert.is(get(file, 10, superuser), '');
  assert.is(file.seek(0, SEEK_SET), 0);
  assert.is(get(file, 10, superuser), 'changed\n');
  assert.is(file.seek(-6, SEEK_CUR), 2);
  assert.is(get(file, 3, superuser), 'ang');
  assert.is(file.seek(0, SEEK_END), -EINVAL);
  assert.is(file.seek(-1, SEEK_SET), -EINVAL);
  file.unref();
  w.end();
});

test('hostname can be set by the superuser, also by a redirection', () => {
  const w = makeProc();
  const name = '/proc/sys/kernel/hostname';
  assert.is(errno(openAt(w.ctx, sh, null, name, O_WRONLY, 0)), -EACCES);
  const file = open(w, name, O_WRONLY | O_CREAT | O_TRUNC);
  assert.is(put(file, 'penguin\n', superuser), 8);
  file.unref();
  assert.is(w.source.system.hostname, 'penguin');
  assert.is(text(w, name, sh), 'penguin\n');
  const long = open(w, name, O_WRONLY | O_APPEND);
  assert.is(put(long, 'x'.repeat(100), superuser), 100);
  long.unref();
  assert.is(w.source.system.hostname, 'x'.repeat(64));
  assert.is(errno(openAt(w.ctx, superuser, null, '/proc/sys/kernel/ostype', O_WRONLY, 0)), -EACCES, 'as its bits say');
  w.end();
});

test('settings and random numbers', () => {
  const w = makeProc();
  assert.is(text(w, '/proc/sys/kernel/random/uuid'), 'uuid-1\n');
  assert.is(text(w, '/proc/sys/kernel/random/uuid'), 'uuid-2\n');
  assert.is(text(w, '/proc/sys/kernel/random/boot_id'), `${w.source.system.bootId}\n`);
  assert.is(text(w, '/proc/sys/fs/file-nr'), '10\t0\t1000\n');
  assert.is(text(w, '/proc/sys/kernel/osrelease'), '6.1.0-test\n');
  assert.is(text(w, '/proc/sys/kernel/tainted'), '12288\n', 'as the kernel says');
  Object.assign(w.source.system, { openFilesMax: Number.POSITIVE_INFINITY });
  assert.is(text(w, '/proc/sys/fs/file-max'), '9223372036854775807\n');
  // The first is a BSD's; the second is not there on a kernel without modules.
  const ours = ['securelevel', 'modules_disabled'];
  const here = list(w, '/proc/sys/kernel').concat(list(w, '/proc/sys/fs'), list(w, '/proc/sys/vm'));
  for (const name of here) {
    if (fs.existsSync('/proc/sys/kernel') && !ours.includes(name)) {
      assert.ok(
        ['kernel', 'fs', 'vm'].some((dir) => fs.existsSync(`/proc/sys/${dir}/${name}`)),
        `${name} is on the host`,
      );
    }
  }
  w.end();
});

test('meminfo, stat, uptime, loadavg and relatives', () => {
  const w = makeProc();
  const meminfo = text(w, '/proc/meminfo');
  assert.match(meminfo, /^MemTotal: {8}4194304 kB\nMemFree: {9}3145728 kB\nMemAvailable: {4}3145728 kB\n/);
  assert.match(meminfo, /\nHugePages_Total: {7}0\n/);
  const host = native('meminfo');
  if (host !== null) isSubsequence(keys(meminfo), keys(host));
  const vmstat = text(w, '/proc/vmstat');
  assert.match(vmstat, /^nr_free_pages 786432\n/);
  const counters = (all: string): string[] => all.split('\n').map((line) => line.split(' ')[0]);
  const hostVmstat = native('vmstat');
  if (hostVmstat !== null) isSubsequence(counters(vmstat), counters(hostVmstat));
  assert.is(
    text(w, '/proc/stat'),
    'cpu  123 0 45 9876 0 0 0 0 0 0\ncpu0 123 0 45 9876 0 0 0 0 0 0\nintr 5\nctxt 77\nbtime 1700000000\n' +
      'processes 42\nprocs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n',
  );
  assert.is(text(w, '/proc/uptime'), '123.45 98.76\n');
  assert.is(text(w, '/proc/loadavg'), '0.07 1.50 12.00 1/9 40\n');
  assert.is(text(w, '/proc/version'), 'Linux version 6.1.0-test (me@here) (cc) #1 SMP\n');
  assert.is(text(w, '/proc/filesystems'), 'nodev\tproc\n\text4\n');
  assert.is(text(w, '/proc/cmdline'), 'quiet\n');
  assert.is(
    text(w, '/proc/modules'),
    'drv 16384 1 other, Live 0x00000000ffff0000 (OE)\nother 4096 0 - Live 0x0000000000000000\n',
  );
  assert.match(text(w, '/proc/devices'), /^Character devices:\n {2}1 mem\n\nBlock devices:\n$/);
  const swaps = native('swaps');
  if (swaps !== null) assert.is(text(w, '/proc/swaps'), `${swaps.split('\n')[0]}\n`);
  const drivers = native('tty/drivers');
  if (drivers !== null) {
    for (const line of text(w, '/proc/tty/drivers').trimEnd().split('\n'))
      assert.ok(drivers.includes(`${line}\n`), line);
  }
  const softirqs = native('softirqs');
  if (softirqs !== null) {
    const ours = text(w, '/proc/softirqs').split('\n');
    const theirs = softirqs.split('\n');
    assert.is(ours.length, theirs.length);
    for (const [i, line] of ours.entries())
      assert.is(line.slice(0, i === 0 ? 24 : 13), theirs[i].slice(0, i === 0 ? 24 : 13));
  }
  const interrupts = native('interrupts');
  if (interrupts !== null) {
    const [header, ...lines] = text(w, '/proc/interrupts').trimEnd().split('\n');
    assert.ok(interrupts.startsWith(header.trimEnd()));
    for (const line of lines) assert.ok(interrupts.includes(`\n${line}`), line);
  }
  const cpu = text(w, '/proc/cpuinfo');
  assert.match(
    cpu,
    /^processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 15\nmodel name\t: Made Up\n/,
  );
  const hostCpu = native('cpuinfo');
  if (hostCpu !== null) isSubsequence(keys(cpu), keys(hostCpu));
  w.end();
});

test('mounts and mountinfo', () => {
  const w = makeProc();
  mkdirAt(w.ctx, KERNEL_CALLER, null, '/a b', 0o755);
  const at = ok(resolve(w.ctx, KERNEL_CALLER, null, '/a b', 0));
  const tmpfs = new Tmpfs(w.env, makeDevice(0, 50), { sizeLimit: 1 << 20 });
  ok(w.ctx.namespace.mount(tmpfs, at, MS_RDONLY, '#x'));
  releasePath(at);
  assert.is(
    text(w, '/proc/mounts'),
    'none / tmpfs rw,relatime,mode=755 0 0\nproc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n' +
      '\\043x /a\\040b tmpfs ro,relatime,size=1024k 0 0\n',
  );
  assert.is(
    text(w, '/proc/self/mountinfo'),
    '1 1 0:20 / / rw,relatime - tmpfs none rw,mode=755\n2 1 0:40 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n' +
      '3 1 0:50 / /a\\040b ro,relatime - tmpfs \\043x ro,size=1024k\n',
  );
  const root = ok(resolve(w.ctx, KERNEL_CALLER, null, '/a b', 0));
  w.sh.directories = { ...w.sh.directories!, root };
  assert.is(text(w, '/proc/100/mounts'), '\\043x / tmpfs ro,relatime,size=1024k 0 0\n', 'as the task sees it');
  releasePath(root);
  w.sh.directories = null;
  const file = open(w, '/proc/100/mounts');
  assert.is(get(file, 10, superuser), -EINVAL);
  file.unref();
  w.end();
});

test('other layers add files of their own', () => {
  const w = makeProc();
  w.proc.add(fileRow('kallsyms', () => 'symbols\n'));
  assert.is(text(w, '/proc/kallsyms'), 'symbols\n');
  assert.ok(list(w, '/proc').includes('kallsyms'));
  w.proc.remove('kallsyms');
  assert.is(errno(openAt(w.ctx, superuser, null, '/proc/kallsyms', O_RDONLY, 0)), -ENOENT);
  w.end();
});

test.run();
