/** Files, directories, times and limits through the libc, and what it does with arguments that are none. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SYSCALL_NAMES } from '../../abi/syscall-numbers.js';
import { constants as c, type Libc } from '../../libc/index.js';
import { SYS } from '../../libc/numbers.js';
import { bootTestKernel, bytes, type Context, failure, inside, leave, sh, text } from './support.js';

const test = suite<Context>('libc: calls');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

test('the numbers are those of the ABI', () => {
  for (const [name, number] of Object.entries(SYS)) assert.is(SYSCALL_NAMES.get(number), name);
});

test('open, write, read, seek, vectors, positions', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const fd = await libc.open('/tmp/file', c.O_RDWR | c.O_CREAT, 0o640);
    const results: unknown[] = [fd, await libc.write(fd, 'Grüße, '), await libc.writev(fd, ['eins', bytes('zwei')])];
    results.push(libc.lseek(fd, 0, c.SEEK_SET));
    const [a, b] = [new Uint8Array(9), new Uint8Array(20)];
    results.push(await libc.readv(fd, [a, b]), text(a), text(b, 8));
    results.push(await libc.pwrite(fd, new DataView(bytes('DREI').buffer), 9), await libc.pread(fd, b, 9), text(b, 8));
    results.push((libc.fstat(fd).st_mode & 0o777).toString(8), libc.fstat(fd).st_size);
    libc.ftruncate(fd, 3);
    results.push(libc.stat('/tmp/file').st_size);
    libc.close(fd);
    return results;
  });
  assert.equal(seen, [3, 9, 8, 0, 17, 'Grüße, ', 'einszwei', 4, 8, 'DREIzwei', '640', 17, 3]);
});

test('what is behind the bytes read stays as it was', async ({ kernel }) => {
  const buffer = await inside(kernel, async (libc) => {
    const bytes = new Uint8Array(6).fill(7);
    await libc.read(await libc.open('/etc/hostname', c.O_RDONLY), bytes.subarray(1));
    await libc.pread(await libc.open('/etc/hostname', c.O_RDONLY), bytes.subarray(5), 1000);
    return bytes;
  });
  assert.equal([...buffer], [7, ...bytes('banos')]);
});

test('a read larger than any pooled block', async ({ kernel }) => {
  const { sum, mapped } = await inside(kernel, async (libc) => {
    const fd = await libc.open('/tmp/large', c.O_RDWR | c.O_CREAT);
    const data = new Uint8Array(3_000_001).map((_, i) => i % 251);
    await libc.writeAll(fd, data);
    const back = new Uint8Array(data.length);
    const before = await sh(kernel, `grep -c . /proc/${libc.getpid()}/maps`);
    const count = await libc.pread(fd, back, 0);
    const after = await sh(kernel, `grep -c . /proc/${libc.getpid()}/maps`);
    return { sum: [count, Buffer.compare(back, data)], mapped: [before.stdout, after.stdout] };
  });
  assert.equal(sum, [3_000_001, 0]);
  assert.is(mapped[0], mapped[1]);
});

test('directories: making, listing, moving, links, real paths', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    libc.mkdir('/tmp/d', 0o700);
    libc.chdir('/tmp/d');
    for (let i = 0; i < 300; i++) libc.close(await libc.creat(`file with a long name ${i}`));
    const dir = libc.opendir('.');
    const names = new Set([...dir].map(({ d_name }) => d_name));
    dir.rewinddir();
    const again = [...dir].length;
    dir.closedir();
    libc.symlink('../d/file with a long name 7', 'link');
    libc.rename('file with a long name 9', 'nine');
    libc.link('nine', 'neuf');
    libc.mkfifo('fifo');
    const { st_nlink } = libc.stat('nine');
    return [
      [names.size, again, names.has('.'), names.has('file with a long name 299')],
      [libc.readlink('link'), libc.realpath('link'), libc.realpath('/proc/../tmp//d/./'), libc.realpath('/')],
      [st_nlink, libc.lstat('link').st_mode & c.S_IFMT, libc.stat('fifo').st_mode & c.S_IFMT, libc.getcwd()],
    ];
  });
  assert.equal(seen, [
    [302, 302, true, true],
    ['../d/file with a long name 7', '/tmp/d/file with a long name 7', '/tmp/d', '/'],
    [2, c.S_IFLNK, c.S_IFIFO, '/tmp/d'],
  ]);
});

test('names that are not UTF-8', async ({ kernel }) => {
  const [name, d_bytes] = await inside(kernel, async (libc) => {
    const odd = Uint8Array.of(0x2f, 0x74, 0x6d, 0x70, 0x2f, 0xff, 0xfe);
    libc.close(await libc.creat(odd));
    const entry = [...libc.opendir('/tmp')].find(({ d_name }) => d_name.includes('�'))!;
    libc.unlink(odd);
    return [entry.d_name, entry.d_bytes] as const;
  });
  assert.equal([name, ...d_bytes], ['��', 0xff, 0xfe]);
});

test('modes, owners, times', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    libc.close(await libc.creat('/tmp/f', 0o666));
    libc.chmod('/tmp/f', 0o4711);
    libc.chown('/tmp/f', 12, -1);
    libc.utimensat(c.AT_FDCWD, '/tmp/f', [
      { tv_sec: -5, tv_nsec: 7 },
      { tv_sec: 2 ** 33, tv_nsec: 999_999_999 },
    ]);
    const { st_mode, st_uid, st_gid, st_atim, st_mtim } = libc.stat('/tmp/f');
    return [(st_mode & 0o7777).toString(8), st_uid, st_gid, st_atim, st_mtim];
  });
  const times = [
    { tv_sec: -5, tv_nsec: 7 },
    { tv_sec: 2 ** 33, tv_nsec: 999_999_999 },
  ];
  assert.equal(seen, ['711', 12, 0, ...times]);
});

test('errors have the shape of Node: code, errno, syscall, path', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => [
    await failure(() => libc.open('/nowhere', c.O_RDONLY)),
    await failure(() => libc.stat('/etc/passwd/x')),
    await failure(() => libc.read(99, new Uint8Array(1))),
    await failure(() => libc.rmdir('/')),
  ]);
  assert.equal(
    seen.map((error) => [error.code, (error as { errno?: number }).errno, error.syscall, error.path]),
    [
      ['ENOENT', -2, 'openat', '/nowhere'],
      ['ENOTDIR', -20, 'newfstatat', '/etc/passwd/x'],
      ['EBADF', -9, 'read', undefined],
      ['EBUSY', -16, 'unlinkat', '/'],
    ],
  );
});

test('arguments of the wrong type are TypeErrors, and break nothing', async ({ kernel }) => {
  const detached = new ArrayBuffer(8);
  structuredClone(detached, { transfer: [detached] });
  const view = new Uint8Array(new ArrayBuffer(8));
  structuredClone(view.buffer, { transfer: [view.buffer] });
  // biome-ignore lint/suspicious/noExplicitAny: the point is what the types forbid
  const wrong: [string, (libc: any) => unknown][] = [
    ['a path with a zero byte', (libc) => libc.stat('/etc\0/passwd')],
    ['a path that is none', (libc) => libc.stat(undefined)],
    ['a number as a path', (libc) => libc.open(7, 0)],
    ['text as a descriptor', (libc) => libc.close('3')],
    ['half a descriptor', (libc) => libc.close(3.5)],
    ['a descriptor beyond all numbers', (libc) => libc.close(2 ** 60)],
    ['NaN', (libc) => libc.lseek(0, Number.NaN, 0)],
    ['an object as a number', (libc) => libc.lseek({ valueOf: () => 0 }, 0, 0)],
    ['no buffer', (libc) => libc.read(0)],
    ['an array', (libc) => libc.read(0, [1, 2, 3])],
    ['text to read into', (libc) => libc.read(0, 'buffer')],
    ['an object to write', (libc) => libc.write(1, { length: 5 })],
    ['a proxy of a buffer', (libc) => libc.write(1, new Proxy(new Uint8Array(4), {}))],
    ['a detached view', (libc) => libc.write(1, view)],
    ['a handler that is none', (libc) => libc.signal(c.SIGUSR1, 'handler')],
    ['no function for fork', (libc) => libc.fork()],
    ['argv of numbers', (libc) => libc.execve('/bin/true', [1, 2])],
    ['a template without its end', (libc) => libc.mkdtemp('/tmp/x')],
  ];
  for (const [what, call] of wrong) {
    const error = await inside(kernel, (libc) => failure(() => call(libc)));
    assert.is(error.name, 'TypeError', `${what}: ${error.name} ${error.code}`);
  }
  const empty = await inside(kernel, async (libc: Libc) => failure(() => libc.read(0, detached)));
  assert.ok(empty.code === 'nothing' || empty.name === 'TypeError');
});

test('a buffer that is given away while the call waits', async ({ kernel }) => {
  const { name } = await inside(kernel, async (libc) => {
    const [reader, writer] = libc.pipe();
    const buffer = new Uint8Array(4);
    const read = libc.read(reader, buffer);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    await libc.write(writer, 'abcd');
    return failure(() => read);
  });
  assert.is(name, 'TypeError');
});

test('shared memory may be read into', async ({ kernel }) => {
  const shared = await inside(kernel, async (libc) => {
    const buffer = new SharedArrayBuffer(5);
    await libc.read(await libc.open('/etc/hostname', c.O_RDONLY), buffer);
    return text(new Uint8Array(buffer).slice());
  });
  assert.is(shared, 'banos');
});

test('memory that runs out is ENOMEM, and the program goes on', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const error = await failure(() => libc.read(0, new Uint8Array(2 ** 31 - 1)));
    return [error.code, libc.getpid() > 1];
  });
  assert.equal(seen, ['ENOMEM', true]);
});

test('temporary names', async ({ kernel }) => {
  const [a, b, modes] = await inside(kernel, (libc) => {
    const [first, second] = [libc.mkdtemp('/tmp/d-XXXXXX'), libc.mkstemp('/tmp/f-XXXXXX')];
    return [first, second.path, [libc.stat(first).st_mode & 0o777, libc.fstat(second.fd).st_mode & 0o777]] as const;
  });
  assert.match(a, /^\/tmp\/d-\w{6}$/);
  assert.match(b, /^\/tmp\/f-\w{6}$/);
  assert.equal(modes, [0o700, 0o600]);
});

test('record locks between processes of both kinds', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const fd = await libc.open('/tmp/locked', c.O_RDWR | c.O_CREAT);
    const lock = { l_type: c.F_WRLCK, l_whence: c.SEEK_SET, l_start: 10, l_len: 5, l_pid: 0 };
    await libc.fcntl(fd, c.F_SETLK, lock);
    const order: string[] = [];
    const child = await libc.fork(async (other) => {
      const seen = { ...lock };
      await other.fcntl(fd, c.F_GETLK, seen);
      order.push(`${seen.l_type} ${seen.l_pid === libc.getpid()}`);
      order.push((await failure(() => other.fcntl(fd, c.F_SETLK, { ...lock }))).code!);
      await other.fcntl(fd, c.F_SETLKW, { ...lock });
      order.push('got it');
    });
    await libc.usleep(1000);
    order.push('given back');
    await libc.fcntl(fd, c.F_SETLK, { ...lock, l_type: c.F_UNLCK });
    await libc.waitpid(child);
    return order;
  });
  assert.equal(seen, ['1 true', 'EAGAIN', 'given back', 'got it']);
});

test('identities: threads that make calls have those of the program', async ({ kernel }) => {
  const code = await inside(kernel, async (libc) => {
    const [reader] = libc.pipe();
    void libc.read(reader, new Uint8Array(1));
    void libc.read(reader, new Uint8Array(1));
    libc.setgroups([1, 2]);
    libc.setresgid(3, 3, 3);
    libc.setresuid(4, 4, 4);
    assert.equal([libc.getuid(), libc.getgid(), libc.getgroups()], [4, 3, [1, 2]]);
    return (await failure(() => libc.open('/root/x', c.O_RDONLY))).code;
  });
  assert.is(code, 'EACCES');
});

test('limits, names, priorities', async ({ kernel }) => {
  const seen = await inside(kernel, (libc) => {
    libc.setrlimit(c.RLIMIT_NOFILE, { rlim_cur: 20, rlim_max: 30 });
    libc.setpriority(c.PRIO_PROCESS, 0, 5);
    const { sysname, nodename, machine } = libc.uname();
    return [
      libc.getrlimit(c.RLIMIT_NOFILE),
      libc.getrlimit(c.RLIMIT_AS).rlim_cur,
      libc.getpriority(c.PRIO_PROCESS, 0),
      `${sysname} ${nodename} ${machine}`,
    ];
  });
  const infinite = Number.POSITIVE_INFINITY;
  assert.equal(seen, [{ rlim_cur: 20, rlim_max: 30 }, infinite, 5, 'Linux banos x86_64']);
});

test('bug: without privilege nobody got a better priority, whatever RLIMIT_NICE allowed', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    libc.setrlimit(c.RLIMIT_NICE, { rlim_cur: 30, rlim_max: 30 });
    libc.setresuid(1000, 1000, 1000);
    libc.setpriority(c.PRIO_PROCESS, 0, 5);
    libc.setpriority(c.PRIO_PROCESS, 0, -10);
    const { code } = await failure(() => libc.setpriority(c.PRIO_PROCESS, 0, -11));
    return [libc.getpriority(c.PRIO_PROCESS, 0), code];
  });
  assert.equal(seen, [-10, 'EACCES']);
});

test('poll and select', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const [reader, writer] = libc.pipe();
    const fds = [
      { fd: reader, events: c.POLLIN, revents: 0 },
      { fd: writer, events: c.POLLOUT, revents: 0 },
      { fd: 99, events: c.POLLIN, revents: 0 },
    ];
    const results: unknown[] = [await libc.poll(fds, -1), fds.map(({ revents }) => revents)];
    results.push(await libc.poll([fds[0]], 5), [...(await libc.select({ read: [reader] }, 0.001)).read]);
    const waiting = libc.select({ read: [reader], write: [] });
    await libc.write(writer, 'x');
    const { read, write } = await waiting;
    results.push([...read].length, [...write].length, (await failure(() => libc.select({ read: [1024] }))).name);
    return results;
  });
  assert.equal(seen, [2, [0, c.POLLOUT, c.POLLNVAL], 0, [], 1, 0, 'RangeError']);
});

test('clocks and sleeping follow the virtual clock', async ({ kernel }) => {
  const [elapsed, left] = await inside(kernel, async (libc) => {
    const before = libc.clock_gettime(c.CLOCK_MONOTONIC);
    const left = await libc.sleep(3600);
    const after = libc.clock_gettime(c.CLOCK_MONOTONIC);
    return [after.tv_sec - before.tv_sec, left];
  });
  assert.equal([elapsed, left], [3600, 0]);
});

test.run();
