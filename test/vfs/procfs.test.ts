import * as fs from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, EINVAL, EIO, ENOENT, EPERM, ESRCH } from '../../abi/errno.js';
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from '../../abi/fcntl.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY } from '../../abi/mount.js';
import { type Caller, KERNEL_CALLER } from '../../vfs/caller.js';
import { releasePath } from '../../vfs/dentry.js';
import { makeDevice } from '../../vfs/devices.js';
import type { DirectoryFile } from '../../vfs/directory-file.js';
import type { OpenFile } from '../../vfs/file.js';
import { createPipe } from '../../vfs/fs/pipefs.js';
import { file as fileRow, Procfs } from '../../vfs/fs/procfs/index.js';
import { Tmpfs } from '../../vfs/fs/tmpfs.js';
import { BytesIter } from '../../vfs/iter.js';
import { LOOKUP_FOLLOW, resolve } from '../../vfs/namei.js';
import {
  chmodPath,
  fillStat,
  makeStat,
  mkdirAt,
  openAt,
  readlinkAt,
  renameAt,
  rmdirAt,
  unlinkAt,
} from '../../vfs/operations.js';
import { bytes, get, makeWorld, names, ok, put, user, type World } from './env.js';
import { FakeSource, FakeTask, memory, region } from './proc-source.js';

interface ProcWorld extends World {
  source: FakeSource;
  proc: Procfs;
  init: FakeTask;
  sh: FakeTask;
}

/** Process 1 of the superuser, process 100 of user 5; the caller with pid 100 is the latter. */
const sh: Caller = { pid: 100, cred: user(5).cred };
const superuser: Caller = { pid: 1, cred: user(0).cred };

function makeProc(): ProcWorld {
  const w = makeWorld();
  const source = new FakeSource();
  const proc = new Procfs(w.env, 40, source);
  assert.is(mkdirAt(w.ctx, KERNEL_CALLER, null, '/proc', 0o755), 0);
  const at = ok(resolve(w.ctx, KERNEL_CALLER, null, '/proc', 0));
  ok(w.ctx.namespace.mount(proc, at, MS_NOSUID | MS_NODEV | MS_NOEXEC, 'proc'));
  releasePath(at);
  const init = source.add(new FakeTask(1), w.ctx);
  const shell = source.add(new FakeTask(100), w.ctx);
  shell.cred = user(5).cred;
  shell.ppid = 1;
  return { ...w, source, proc, init, sh: shell };
}

const open = (w: World, name: string, flags = O_RDONLY, caller = superuser): OpenFile =>
  ok(openAt(w.ctx, caller, null, name, flags, 0o644));

const text = (w: World, name: string, caller = superuser): string => {
  const file = open(w, name, O_RDONLY, caller);
  const all = get(file, 1 << 20, caller);
  file.unref();
  assert.type(all, 'string', `${name}: ${all}`);
  return all as string;
};

const errno = (result: unknown): number => {
  if (typeof result === 'number') return result;
  (result as OpenFile).unref();
  return 0;
};

const list = (w: World, name: string): string[] => {
  const dir = open(w, name, O_RDONLY | O_DIRECTORY);
  const all = names(dir);
  dir.unref();
  return all;
};

const stat = (w: World, name: string, flags = 0, caller = superuser) => {
  const path = ok(resolve(w.ctx, caller, null, name, flags));
  const out = makeStat();
  fillStat(path.dentry.inode, out);
  releasePath(path);
  return out;
};

/** A file of the host's /proc, or null where there is none. */
function native(name: string): string | null {
  try {
    return fs.readFileSync(`/proc/${name}`, 'latin1');
  } catch {
    console.log(`SKIP comparison with /proc/${name}: not on this host`);
    return null;
  }
}

const keys = (all: string): string[] => all.split('\n').map((line) => line.split(':')[0]);

/** `part` in the order of `whole`, nothing unknown to it. */
const isSubsequence = (part: string[], whole: string[]): void => {
  let at = 0;
  for (const one of part) {
    const found = whole.indexOf(one, at);
    assert.ok(found >= 0, `'${one}' is not on the host, or elsewhere`);
    at = found + 1;
  }
};

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
  assert.is(errno(openAt(w.ctx, superuser, null, '/proc/sys/kernel/ostype', O_WRONLY, 0)), 0, 'the superuser may open');
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

test('stat has the columns of the host', () => {
  const w = makeProc();
  Object.assign(w.sh, {
    comm: 'a b) c',
    tty: 34816,
    ttyGroup: 100,
    pgrp: 100,
    session: 100,
    waitChannel: 'do_wait',
    nice: 5,
  });
  w.sh.memory = memory(0x1000, new Uint8Array(0));
  w.sh.blocked = { lo: -1, hi: 0 };
  const line = text(w, '/proc/100/stat', sh);
  assert.is(
    line,
    '100 (a b) c) S 1 100 100 34816 100 4194304 104 0 0 0 150 25 0 0 25 5 1 0 1234 3000000 441 18446744073709551615 ' +
      `${0x400000} ${0x401000} ${0x7ffd0000} 0 0 0 2147483647 0 0 1 0 0 17 0 0 0 0 0 0 ` +
      `${0x402000} ${0x403000} ${0x404000} ${0x1000} ${0x1000} ${0x1000} ${0x1000} 0\n`,
  );
  const host = native('self/stat');
  if (host !== null) assert.is(line.split(') ')[2].split(' ').length, host.split(') ')[1].split(' ').length);
  const other = text(w, '/proc/100/stat', { pid: 1, cred: user(6).cred })
    .split(') ')[2]
    .split(' ');
  assert.equal(other.slice(23, 26), ['1', '1', '0'], 'addresses are for those who may look');
  assert.is(other[32], '0', 'what it waits on, too');
  w.sh.realtimePriority = 50;
  assert.is(text(w, '/proc/100/stat', sh).split(') ')[2].split(' ')[15], '-51');
  assert.is(text(w, '/proc/100/task/100/stat', sh).split(') ')[2].split(' ')[11], '0', "a thread's own time");
  w.end();
});

test('status has the lines of the host in its order', () => {
  const w = makeProc();
  w.sh.memory = memory(0x1000, new Uint8Array(0));
  w.sh.cred = { ...user(5).cred, groups: [5, 20] };
  w.sh.caught = { lo: 1 << 14, hi: -1 };
  w.sh.comm = 'a\\b\nc';
  const status = text(w, '/proc/100/status', sh);
  assert.match(status, /^Name:\ta\\\\b\\nc\nUmask:\t0022\nState:\tS \(sleeping\)\nTgid:\t100\n/);
  assert.match(status, /\nUid:\t5\t5\t5\t5\nGid:\t5\t5\t5\t5\nFDSize:\t256\nGroups:\t5 20 \n/);
  assert.match(status, /\nVmSize:\t {4}2929 kB\n/);
  assert.match(status, /\nSigCgt:\tffffffff00004000\n/);
  assert.match(status, /\nCapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n/);
  assert.match(status, /\nMems_allowed:\t(00000000,){31}00000001\n/);
  assert.match(text(w, '/proc/1/status'), /\nCapEff:\t000001ffffffffff\n/);
  assert.not.match(text(w, '/proc/1/status'), /VmSize/, 'no memory, no lines about it');
  const host = native('self/status');
  if (host !== null) isSubsequence(keys(status), keys(host));
  w.end();
});

test('limits are byte for byte the host’s when the figures are', () => {
  const w = makeProc();
  const host = native('self/limits');
  if (host === null) return w.end();
  const lines = host.trimEnd().split('\n').slice(1);
  const resource: Record<string, number> = {
    'cpu time': 0,
    'file size': 1,
    'data size': 2,
    'stack size': 3,
    'core file size': 4,
    'resident set': 5,
    processes: 6,
    'open files': 7,
    'locked memory': 8,
    'address space': 9,
    'file locks': 10,
    'pending signals': 11,
    'msgqueue size': 12,
    'nice priority': 13,
    'realtime priority': 14,
    'realtime timeout': 15,
  };
  const value = (column: string): number => (column === 'unlimited' ? Number.POSITIVE_INFINITY : Number(column));
  for (const line of lines) {
    const match = /^Max (.*?) {2,}(\S+) +(\S+)/.exec(line)!;
    w.init.limits[resource[match[1]]] = { soft: value(match[2]), hard: value(match[3]) };
  }
  assert.is(lines.length, Object.keys(resource).length);
  assert.is(text(w, '/proc/1/limits'), host);
  w.end();
});

test('maps are byte for byte the host’s when the figures are', () => {
  const w = makeProc();
  const host = native('self/maps');
  if (host === null) return w.end();
  const opened: OpenFile[] = [];
  const regions = host
    .trimEnd()
    .split('\n')
    .map((line) => {
      const m = /^(\w+)-(\w+) (...)(.) (\w+) (\w+):(\w+) (\d+) *(.*)$/.exec(line)!;
      const device = makeDevice(Number.parseInt(m[6], 16), Number.parseInt(m[7], 16));
      const prot =
        (m[3][0] === 'r' ? PROT_READ : 0) | (m[3][1] === 'w' ? PROT_WRITE : 0) | (m[3][2] === 'x' ? PROT_EXEC : 0);
      let file: OpenFile | null = null;
      if (m[9].startsWith('/')) {
        let at = '';
        for (const part of m[9].slice(1).split('/').slice(0, -1))
          mkdirAt(w.ctx, KERNEL_CALLER, null, (at += `/${part}`), 0o755);
        file = open(w, m[9], O_RDWR | O_CREAT, KERNEL_CALLER);
        opened.push(file);
        Object.defineProperty(file, 'node', {
          value: { ino: Number(m[8]), fs: { device } },
          configurable: true,
        });
      }
      return region({
        start: Number.parseInt(m[1], 16),
        end: Number.parseInt(m[2], 16),
        prot,
        shared: m[4] === 's',
        offset: Number.parseInt(m[5], 16),
        file,
        name: m[9],
      });
    });
  w.init.memory = memory(0, new Uint8Array(0), { regions: () => regions });
  const ours = text(w, '/proc/1/maps').split('\n');
  for (const [i, line] of host.split('\n').entries()) assert.is(ours[i], line);
  for (const file of opened) Object.defineProperty(file, 'node', { value: file.inode });
  for (const file of opened) file.unref();
  w.end();
});

test('smaps and its sum have the lines of the host', () => {
  const w = makeProc();
  w.init.memory = memory(0, new Uint8Array(0));
  const smaps = text(w, '/proc/1/smaps');
  assert.match(smaps, /^00400000-00401000 r-xp 00000000 00:00 0 \nSize: {18}4 kB\n/);
  assert.match(smaps, /\nPss: {19}4 kB\n/);
  assert.match(smaps, /\nVmFlags: rd ex mr mw me \n/);
  assert.match(smaps, /\nVmFlags: rd wr mr mw me gd ac \n$/);
  const rollup = text(w, '/proc/1/smaps_rollup');
  assert.match(rollup, /^00400000-7ffd2000 ---p 00000000 00:00 0 {26,}\[rollup\]\nRss: {18}16 kB\n/);
  const host = native('self/smaps');
  if (host !== null) {
    const first = host.slice(0, host.indexOf('VmFlags')).split('\n').slice(1);
    isSubsequence(keys(smaps.slice(0, smaps.indexOf('VmFlags'))).slice(1), keys(first.join('\n')));
    assert.is(smaps.split('\n')[3].length, first[2].length, 'columns align');
  }
  const sum = native('self/smaps_rollup');
  if (sum !== null) isSubsequence(keys(rollup).slice(1), keys(sum));
  w.end();
});

test('meminfo, stat, uptime, loadavg and relatives', () => {
  const w = makeProc();
  const meminfo = text(w, '/proc/meminfo');
  assert.match(meminfo, /^MemTotal: {8}4194304 kB\nMemFree: {9}3145728 kB\nMemAvailable: {4}3145728 kB\n/);
  assert.match(meminfo, /\nHugePages_Total: {7}0\n/);
  const host = native('meminfo');
  if (host !== null) isSubsequence(keys(meminfo), keys(host));
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

test('fd: links to what is open, for those who may look', () => {
  const w = makeProc();
  const file = open(w, '/f', O_RDWR | O_CREAT, KERNEL_CALLER);
  put(file, 'content', KERNEL_CALLER);
  const pipe = createPipe(w.env, 0);
  if (typeof pipe === 'number') throw new Error('no pipe');
  const path = open(w, '/f', O_PATH, KERNEL_CALLER);
  w.sh.files = new Map([
    [0, file],
    [3, pipe.reader],
    [4, pipe.writer],
    [9, path],
  ]);
  w.sh.closeOnExec.add(0);
  assert.equal(list(w, '/proc/100/fd'), ['0', '3', '4', '9']);
  assert.is(stat(w, '/proc/100/fd').size, 4);
  const modes = ['0', '3', '4', '9'].map((fd) => stat(w, `/proc/100/fd/${fd}`).mode);
  assert.equal(modes, [0o120700, 0o120500, 0o120300, 0o120000]);
  assert.is(stat(w, '/proc/100/fd/0').size, 64);
  assert.is(stat(w, '/proc/100/fd/0').uid, 5);
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/self/fd/0'), '/f');
  assert.match(readlinkAt(w.ctx, sh, null, '/proc/self/fd/3') as string, /^pipe:\[\d+\]$/);
  assert.is(stat(w, '/proc/100/fd/0', LOOKUP_FOLLOW).ino, file.inode.ino);
  assert.is(stat(w, '/proc/100/fd/3', LOOKUP_FOLLOW).ino, pipe.reader.inode.ino);
  unlinkAt(w.ctx, KERNEL_CALLER, null, '/f');
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/self/fd/0'), '/f (deleted)');
  const again = open(w, '/proc/100/fd/0', O_RDONLY);
  assert.is(get(again, 100, superuser), 'content', 'a deleted file can still be opened through its link');
  again.unref();
  const other: Caller = { pid: 1, cred: user(6).cred };
  assert.is(readlinkAt(w.ctx, other, null, '/proc/100/fd/0'), -EACCES);
  assert.is(errno(openAt(w.ctx, other, null, '/proc/100/fd', O_RDONLY, 0)), -EACCES);
  w.sh.dumpable = false;
  assert.is(readlinkAt(w.ctx, { pid: 77, cred: user(5).cred }, null, '/proc/100/exe'), -EACCES);
  assert.is(stat(w, '/proc/100/fd/0').uid, 0, 'what must not be inspected is root’s');
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/100/fd/77'), -ENOENT);
  assert.is(text(w, '/proc/100/fdinfo/0'), `pos:\t7\nflags:\t02100002\nmnt_id:\t1\nino:\t${file.inode.ino}\n`);
  w.sh.files.delete(0);
  assert.is(errno(openAt(w.ctx, superuser, null, '/proc/100/fdinfo/0', O_RDONLY, 0)), -ENOENT);
  for (const one of [file, pipe.reader, pipe.writer, path]) one.unref();
  w.end();
});

test('cwd, root and exe lead to the very thing', () => {
  const w = makeProc();
  mkdirAt(w.ctx, KERNEL_CALLER, null, '/d', 0o755);
  open(w, '/d/prog', O_RDWR | O_CREAT, KERNEL_CALLER).unref();
  const cwd = ok(resolve(w.ctx, KERNEL_CALLER, null, '/d', 0));
  w.sh.directories = { ...w.sh.directories!, cwd };
  w.sh.executable = ok(resolve(w.ctx, KERNEL_CALLER, null, '/d/prog', 0));
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/self/cwd'), '/d');
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/self/root'), '/');
  assert.is(stat(w, '/proc/100/root').size, 0);
  assert.is(readlinkAt(w.ctx, sh, null, '/proc/self/exe'), '/d/prog');
  assert.is(stat(w, '/proc/100/cwd/prog').ino, w.sh.executable.dentry.inode.ino);
  assert.is(readlinkAt(w.ctx, superuser, null, '/proc/1/exe'), -ENOENT);
  assert.is(errno(resolve(w.ctx, superuser, null, '/proc/1/exe', LOOKUP_FOLLOW)), -ENOENT);
  releasePath(w.sh.executable);
  releasePath(cwd);
  w.end();
});

test('cmdline, environ, auxv and mem come from the memory of the process', () => {
  const w = makeProc();
  const image = new Uint8Array(8192);
  image.set(bytes('sh\0-c\0true\0HOME=/\0A=b\0'), 100);
  const base = 0x10000;
  w.sh.memory = memory(base, image, {
    argStart: base + 100,
    argEnd: base + 111,
    envStart: base + 111,
    envEnd: base + 122,
  });
  assert.is(text(w, '/proc/100/cmdline'), 'sh\0-c\0true\0');
  assert.is(text(w, '/proc/100/environ', sh), 'HOME=/\0A=b\0'.slice(0, 11));
  assert.is(text(w, '/proc/100/auxv', sh).length, 16);
  assert.is(errno(openAt(w.ctx, { pid: 1, cred: user(6).cred }, null, '/proc/100/environ', O_RDONLY, 0)), -EACCES);
  image.set(bytes('title that runs on\0'), 100);
  assert.is(text(w, '/proc/100/cmdline'), 'title that runs on\0', 'a title set over arguments and environment');
  w.sh.memory = memory(base, image, { argStart: base + 8000, argEnd: base + 9000 });
  assert.is(text(w, '/proc/100/cmdline').length, 192, 'what cannot be read is left out');
  assert.is(text(w, '/proc/1/cmdline'), '', 'kernel threads and zombies have none');
  const mem = open(w, '/proc/100/mem', O_RDWR, sh);
  assert.is(mem.seek(base + 100, SEEK_SET), base + 100);
  assert.is(get(mem, 5, sh), 'title');
  assert.is(mem.write(new BytesIter(bytes('poke')), base + 4094, sh), 4);
  assert.is(Buffer.from(image.subarray(4094, 4098)).toString(), 'poke');
  mem.seek(base + 8190, SEEK_SET);
  assert.is((get(mem, 10, sh) as string).length, 2, 'up to what is there');
  assert.is(get(mem, 10, sh), -EIO);
  assert.is(mem.read(new BytesIter(new Uint8Array(1)), 5, sh), -EIO);
  w.sh.memory = memory(base, image);
  assert.is(mem.read(new BytesIter(new Uint8Array(1)), base, sh), 0, 'after an execve it is another memory');
  mem.unref();
  w.end();
});

test('comm and oom_score_adj can be written by those who may', () => {
  const w = makeProc();
  const comm = open(w, '/proc/self/comm', O_RDWR, sh);
  assert.is(put(comm, 'a name that is much too long', sh), 28);
  assert.is(w.sh.comm, 'a name that is ');
  comm.unref();
  const other = open(w, '/proc/1/comm', O_WRONLY);
  assert.is(other.write(new BytesIter(bytes('x')), 0, sh), -EINVAL);
  other.unref();
  const score = open(w, '/proc/self/oom_score_adj', O_RDWR, sh);
  assert.is(put(score, '500\n', sh), 4);
  assert.is(w.sh.oomScoreAdjustment, 500);
  assert.is(put(score, '499', sh), -EPERM);
  assert.is(put(score, '1001', sh), -EINVAL);
  assert.is(put(score, 'x', sh), -EINVAL);
  score.unref();
  w.sh.memory = memory(0, new Uint8Array(0), { rss: 2 ** 31, pageTables: 0 });
  assert.is(text(w, '/proc/100/oom_score'), `${Math.trunc(((1000 + 500 + 500) * 2) / 3)}\n`);
  w.sh.oomScoreAdjustment = -1000;
  assert.is(text(w, '/proc/100/oom_score'), '0\n');
  w.end();
});

test('threads have directories of their own', () => {
  const w = makeProc();
  const thread = w.source.add(new FakeTask(101, 100), w.ctx);
  thread.cred = w.sh.cred;
  w.sh.siblings = [w.sh, thread];
  thread.siblings = w.sh.siblings;
  thread.comm = 'worker';
  assert.equal(list(w, '/proc/100/task'), ['100', '101']);
  assert.is(text(w, '/proc/100/task/101/comm'), 'worker\n');
  assert.not(list(w, '/proc').includes('101'), 'threads are not listed as processes');
  assert.is(text(w, '/proc/101/comm'), 'worker\n', 'but they can be named');
  assert.is(text(w, '/proc/100/status').match(/Threads:\t(\d+)/)![1], '2');
  assert.is(errno(openAt(w.ctx, superuser, null, '/proc/100/task/1/comm', O_RDONLY, 0)), -ENOENT);
  assert.not(list(w, '/proc/100/task/101').includes('task'));
  assert.is.not(stat(w, '/proc/100/task/101').ino, stat(w, '/proc/101').ino);
  assert.is(stat(w, '/proc/100/task/101/stat').ino, stat(w, '/proc/100/task/101/stat').ino);
  w.end();
});

test('small files of a process', () => {
  const w = makeProc();
  w.sh.memory = memory(0, new Uint8Array(0));
  assert.is(text(w, '/proc/100/statm'), '732 441 412 6 0 89 0\n');
  assert.is(text(w, '/proc/1/statm'), '0 0 0 0 0 0 0\n');
  assert.is(text(w, '/proc/100/wchan', sh), '0');
  w.sh.waitChannel = 'pipe_read';
  w.sh.systemCall = [0, 3, 0x7ffd00001000, 100, 0, 0, 0, 0x7ffd00000000, -1];
  assert.is(text(w, '/proc/100/wchan', sh), 'pipe_read');
  assert.is(
    text(w, '/proc/100/syscall', sh),
    '0 0x3 0x7ffd00001000 0x64 0x0 0x0 0x0 0x7ffd00000000 0xffffffffffffffff\n',
  );
  assert.is(text(w, '/proc/1/syscall'), 'running\n');
  assert.is(text(w, '/proc/100/personality', sh), '00000000\n');
  assert.is(
    text(w, '/proc/100/io', sh),
    'rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 5\nwrite_bytes: 6\ncancelled_write_bytes: 0\n',
  );
  if (fs.existsSync('/proc/self/stat')) {
    for (const name of list(w, '/proc/100')) assert.ok(fs.existsSync(`/proc/self/${name}`), `${name} is on the host`);
    isSubsequence(
      list(w, '/proc/100'),
      fs.readdirSync('/proc/self').sort((a, b) => order(a) - order(b)),
    );
  }
  w.end();
});

/** Linux's order of /proc/PID, as far as it matters here. */
const LISTING =
  'task fd fdinfo ns net environ auxv status personality limits comm syscall cmdline stat statm maps mem cwd root exe mounts mountinfo smaps smaps_rollup wchan oom_score oom_score_adj coredump_filter io uid_map gid_map projid_map setgroups'.split(
    ' ',
  );
const order = (name: string): number => LISTING.indexOf(name);

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
