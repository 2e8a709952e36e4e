/** Unix sockets through the libc, between TypeScript programs and programs in C. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c, type Libc } from '../../libc/index.js';
import { bootTestKernel, bytes, type Context, failure, inside, leave, run, text } from './support.js';

const test = suite<Context>('libc: sockets');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

const read = async (libc: Libc, fd: number): Promise<string> => {
  const buffer = new Uint8Array(200);
  return text(buffer, await libc.recv(fd, buffer));
};

test('a stream: names of all kinds, connect, accept, shutdown, end', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const results: unknown[] = [];
    for (const address of ['/tmp/socket', '\0abstract', bytes('/tmp/ümlaut')]) {
      const server = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
      libc.bind(server, address);
      libc.listen(server, 5);
      const client = libc.socket(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC);
      const [connection] = await Promise.all([libc.accept(server), libc.connect(client, address)]);
      results.push(libc.getsockname(server), libc.getpeername(client), libc.getpeername(connection));
      await libc.send(client, 'question');
      results.push(await read(libc, connection));
      await libc.send(connection, 'answer');
      libc.shutdown(connection, c.SHUT_WR);
      results.push(await read(libc, client), await read(libc, client));
    }
    return results;
  });
  const talk = ['', 'question', 'answer', ''];
  assert.equal(seen, [
    '/tmp/socket',
    '/tmp/socket',
    ...talk,
    '\0abstract',
    '\0abstract',
    ...talk,
    '/tmp/ümlaut',
    '/tmp/ümlaut',
    ...talk,
  ]);
});

test('bug: a reader was woken for the room that its answer had left', async ({ kernel }) => {
  const ROUNDS = 50;
  const sleeps = await inside(kernel, async (libc) => {
    const [mine, its] = libc.socketpair(c.AF_UNIX, c.SOCK_STREAM);
    const byte = new Uint8Array(1);
    const child = await libc.fork(async (childLibc) => {
      childLibc.close(mine);
      while ((await childLibc.read(its, byte)) > 0) await childLibc.write(its, byte);
    });
    libc.close(its);
    for (let i = 0; i < ROUNDS; i++) {
      await libc.write(mine, byte);
      await libc.read(mine, byte);
    }
    libc.close(mine);
    await libc.waitpid(child);
    return libc.getrusage(c.RUSAGE_CHILDREN).ru_nvcsw;
  });
  // Once for each byte, and for the end; once more for each, if for room, too.
  assert.ok(sleeps >= ROUNDS / 2 && sleeps < ROUNDS + 5, `slept ${sleeps} times`);
});

test('datagrams: sendto, recvfrom, autobind, truncation', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const [a, b] = [libc.socket(c.AF_UNIX, c.SOCK_DGRAM), libc.socket(c.AF_UNIX, c.SOCK_DGRAM)];
    libc.bind(a, '/tmp/a');
    libc.bind(b, '');
    await libc.sendto(b, 'to a', 0, '/tmp/a');
    const buffer = new Uint8Array(3);
    const message = await libc.recvmsg(a, buffer);
    await libc.sendto(a, 'to b', 0, libc.getsockname(b));
    const { length, address } = await libc.recvfrom(b, buffer);
    return [
      [message.length, message.flags & c.MSG_TRUNC, message.address === libc.getsockname(b), message.address.length],
      [length, address, (await failure(() => libc.sendto(a, 'x', 0, '/tmp/nobody'))).code],
    ];
  });
  assert.equal(seen, [
    [3, c.MSG_TRUNC, true, 6],
    [3, '/tmp/a', 'ENOENT'],
  ]);
});

test('descriptors and credentials go with a message; several buffers', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const [left, right] = libc.socketpair(c.AF_UNIX, c.SOCK_SEQPACKET);
    libc.setsockopt(right, c.SOL_SOCKET, c.SO_PASSCRED, 1);
    const [reader, writer] = libc.pipe();
    await libc.sendmsg(left, ['two ', 'parts'], 0, null, { fds: [writer, reader] });
    const [a, b] = [new Uint8Array(3), new Uint8Array(20)];
    const { length, fds, credentials, flags } = await libc.recvmsg(right, [a, b], c.MSG_CMSG_CLOEXEC);
    await libc.write(fds[0], 'through a new descriptor');
    const got = text(b, length - 3);
    const through = new Uint8Array(100);
    const count = await libc.read(fds[1], through);
    const cloexec = await libc.fcntl(fds[0], c.F_GETFD);
    await libc.sendmsg(left, 'x', 0, null, { fds: [reader] });
    const without = await libc.recvmsg(right, new Uint8Array(4), 0, 0);
    return [
      [length, text(a), got, flags & c.MSG_CTRUNC, fds.length, new Set([...fds, reader, writer]).size],
      [credentials?.pid === libc.getpid(), text(through, count), cloexec, without.fds, without.flags & c.MSG_CTRUNC],
    ];
  });
  assert.equal(seen, [
    [9, 'two', ' parts', 0, 2, 4],
    [true, 'through a new descriptor', c.FD_CLOEXEC, [], c.MSG_CTRUNC],
  ]);
});

test('options: SO_PEERCRED, SO_TYPE, buffer sizes, time-outs', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const [left] = libc.socketpair(c.AF_UNIX, c.SOCK_STREAM);
    const cred = new Int32Array(3);
    const size = libc.getsockopt(left, c.SOL_SOCKET, c.SO_PEERCRED, cred);
    const type = new Int32Array(1);
    libc.getsockopt(left, c.SOL_SOCKET, c.SO_TYPE, type);
    libc.setsockopt(left, c.SOL_SOCKET, c.SO_RCVTIMEO_OLD, new Uint8Array(BigInt64Array.of(0n, 1000n).buffer));
    return [size, cred[0] === libc.getpid(), type[0], (await failure(() => libc.recv(left, new Uint8Array(1)))).code];
  });
  assert.equal(seen, [12, true, c.SOCK_STREAM, 'EAGAIN']);
});

test('an address that is none is a TypeError', async ({ kernel }) => {
  const names = await inside(kernel, async (libc) => {
    const fd = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
    const wrong = [7, null, {}, 'a\0b'] as string[];
    return Promise.all(wrong.map(async (address) => (await failure(() => libc.bind(fd, address))).name));
  });
  assert.equal(names, ['TypeError', 'TypeError', 'TypeError', 'TypeError']);
});

test('a peer that is killed in the middle: end of file, EPIPE', async ({ kernel }) => {
  const { stdout } = await run(kernel, async (libc) => {
    libc.signal(c.SIGPIPE, c.SIG_IGN);
    const [mine, its] = libc.socketpair(c.AF_UNIX, c.SOCK_STREAM);
    const child = await libc.fork((other) => {
      other.close(mine);
      return other.pause();
    });
    libc.close(its);
    const reading = libc.recv(mine, new Uint8Array(1));
    await libc.kill(child, c.SIGKILL);
    await libc.write(1, `${await reading} ${(await failure(() => libc.send(mine, 'x'))).code}\n`);
    await libc.waitpid(child);
  });
  assert.is(stdout, '0 EPIPE\n');
});

test.run();
