/** The directory of a process in /proc. */
import * as fs from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EACCES, EINVAL, EIO, ENOENT, EPERM } from '../../abi/errno.js';
import { O_CREAT, O_PATH, O_RDONLY, O_RDWR, O_WRONLY, SEEK_SET } from '../../abi/fcntl.js';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { type Caller, KERNEL_CALLER } from '../../vfs/caller.js';
import { releasePath } from '../../vfs/dentry.js';
import { makeDevice } from '../../vfs/devices.js';
import type { OpenFile } from '../../vfs/file.js';
import { createPipe } from '../../vfs/fs/pipefs.js';
import { BytesIter } from '../../vfs/iter.js';
import { LOOKUP_FOLLOW, resolve } from '../../vfs/namei.js';
import { mkdirAt, openAt, readlinkAt, unlinkAt } from '../../vfs/operations.js';
import { bytes, get, ok, put, user } from './env.js';
import { FakeTask, memory, region } from './proc-source.js';
import { errno, isSubsequence, keys, list, makeProc, native, open, sh, stat, superuser, text } from './proc-world.js';

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

test.run();
