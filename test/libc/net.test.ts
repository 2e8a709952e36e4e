/** kernel.net against node:net itself: the same script on both must see the same events; and programs of the guest. */
import { rmSync } from 'node:fs';
import * as hostNet from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c } from '../../libc/index.js';
import { bootTestKernel, type Context, leave, run, text } from './support.js';

const test = suite<Context>('kernel.net');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

type Net = Pick<typeof hostNet, 'createServer' | 'connect'>;
type Script = (net: Net, path: string, log: (...what: unknown[]) => void) => Promise<void>;

const once = (emitter: { once(event: string, listener: (...args: never[]) => void): unknown }, event: string) =>
  new Promise<unknown[]>((resolve) => emitter.once(event, (...args) => resolve(args)));

const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

let names = 0;

async function compare(net: unknown, script: Script): Promise<void> {
  const record = async (which: Net, path: string): Promise<string[]> => {
    const lines: string[] = [];
    await script(which, path, (...what) => lines.push(JSON.stringify(what).replaceAll(path, 'PATH')));
    return lines;
  };
  const path = join(tmpdir(), `net-face-${process.pid}-${names++}`);
  try {
    const there = await record(hostNet, path);
    assert.equal(await record(net as Net, '/tmp/face'), there);
    assert.ok(there.length > 0);
  } finally {
    rmSync(path, { force: true });
  }
}

test('a question, an answer, the end of both sides', ({ kernel }) =>
  compare(kernel.net, async (net, path, log) => {
    let serverSawEnd = 0;
    const server = net.createServer((socket) => {
      socket.setEncoding('utf8');
      socket.on('data', (data) => {
        log('server got', data);
        socket.end(`answer to ${data}`);
      });
      socket.on('end', () => serverSawEnd++);
    });
    server.listen(path);
    await once(server, 'listening');
    log(server.address(), server.listening);
    const client = net.connect(path);
    client.setEncoding('utf8');
    log(client.connecting, client.readyState, client.pending);
    client.write('question');
    await once(client, 'connect');
    log(client.connecting, client.readyState, client.pending, client.address());
    client.on('data', (data) => log('client got', data));
    log('close', await once(client, 'close'), client.bytesRead, client.bytesWritten, client.readyState);
    server.close();
    log(await once(server, 'close'), serverSawEnd, server.listening, server.address());
  }));

test('bug: a server that only wrote never heard of its client’s end', ({ kernel }) =>
  compare(kernel.net, async (net, path, log) => {
    const server = net.createServer((socket) => {
      socket.on('close', (failed) => log('closed', failed));
      socket.end('answer');
    });
    server.listen(path);
    const client = net.connect(path);
    client.on('data', (data) => log('data', String(data)));
    await once(client, 'close');
    server.close();
    await once(server, 'close');
    // One that neither reads nor writes.
    const idle = net.createServer((socket) => void socket.on('close', (failed) => log('closed', failed)));
    idle.listen(path);
    const other = net.connect(path);
    await once(other, 'connect');
    other.end();
    await once(other, 'close');
    idle.close();
    await once(idle, 'close');
  }));

test('allowHalfOpen: writing goes on behind the end of the peer', ({ kernel }) =>
  compare(kernel.net, async (net, path, log) => {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume();
      socket.on('end', () => {
        log('end', socket.readyState);
        socket.end('late');
      });
    });
    server.listen(path);
    await once(server, 'listening');
    const client = net.connect({ path, allowHalfOpen: true });
    const chunks: string[] = [];
    client.on('data', (data) => chunks.push(String(data)));
    client.end();
    await once(client, 'end');
    log(chunks, client.writable);
    server.close();
    await once(server, 'close');
  }));

test('errors come as events: nobody there, the path is taken', ({ kernel }) =>
  compare(kernel.net, async (net, path, log) => {
    const client = net.connect(path);
    client.on('close', (hadError) => log('close', hadError));
    const [error] = (await once(client, 'error')) as NodeJS.ErrnoException[];
    log(error.code, error.errno, error.syscall, (error as { address?: string }).address);
    const [first, second] = [net.createServer(), net.createServer()];
    first.listen(path);
    await once(first, 'listening');
    second.listen(path);
    const [taken] = (await once(second, 'error')) as NodeJS.ErrnoException[];
    log(taken.code, (taken as { address?: string }).address, second.listening);
    first.close();
    await once(first, 'close');
    second.close((e) => log('closing what does not listen', e instanceof Error));
    await new Promise((resolve) => setImmediate(resolve));
  }));

test('a peer that is destroyed: end here, EPIPE for who writes on', ({ kernel }) =>
  compare(kernel.net, async (net, path, log) => {
    const server = net.createServer({ allowHalfOpen: true });
    server.listen(path);
    const [[accepted], client] = await Promise.all([
      once(server, 'connection') as Promise<[hostNet.Socket]>,
      net.connect(path),
    ]);
    const end = once(accepted, 'end');
    client.destroy();
    await once(client, 'close');
    log(client.destroyed);
    await end;
    accepted.write('into the void');
    const [error] = (await once(accepted, 'error')) as NodeJS.ErrnoException[];
    log(error.code, error.syscall);
    server.close();
    await once(server, 'close');
  }));

test('back-pressure: a writer hears of a reader that does not read', async ({ kernel }) => {
  const server = kernel.net.createServer();
  server.listen('/tmp/pressure');
  const client = kernel.net.connect('/tmp/pressure');
  const [accepted] = (await once(server, 'connection')) as [Duplex];
  const piece = Buffer.alloc(50_000, 'x');
  let written = 0;
  let goesOn = true;
  while (goesOn) {
    written += piece.length;
    if (client.write(piece)) continue;
    // Nobody reads: at some point no 'drain' comes, however often the kernel has its turn.
    goesOn = await Promise.race([once(client, 'drain').then(() => true), settle().then(() => false)]);
  }
  assert.ok(client.writableLength > 0);
  assert.ok(written < 4_000_000);
  let received = 0;
  accepted.on('data', (data: Buffer) => (received += data.length));
  client.end();
  await once(accepted, 'end');
  assert.is(received, written);
  client.resume();
  accepted.end();
  server.close();
  await once(server, 'close');
});

test('streams piped through: every byte, in order', async ({ kernel }) => {
  const server = kernel.net.createServer((socket) => void pipeline(socket, socket).catch(() => {}));
  server.listen('\0echo');
  const client = kernel.net.connect('\0echo');
  const sent = Buffer.from(Uint32Array.from({ length: 500_000 }, (_, i) => i * 2_654_435_761).buffer);
  const received: Buffer[] = [];
  client.on('data', (data) => received.push(data));
  client.end(sent);
  await once(client, 'close');
  assert.ok(Buffer.concat(received).equals(sent));
  server.close();
  await once(server, 'close');
});

test('pieces that one call cannot move together', async ({ kernel }) => {
  const server = kernel.net.createServer((socket) => void pipeline(socket, socket).catch(() => {}));
  server.listen('/tmp/pieces');
  const client = kernel.net.connect('/tmp/pieces');
  const received: Buffer[] = [];
  client.on('data', (data) => received.push(data));
  const sizes = [0, 1, 40_000, 0, 40_000, 65_536, 65_537, 3];
  const sent = sizes.map((size, at) => Buffer.alloc(size, at + 1));
  client.cork();
  for (const piece of sent) client.write(piece);
  client.uncork();
  client.end();
  await once(client, 'close');
  assert.ok(Buffer.concat(received).equals(Buffer.concat(sent)));
  server.close();
  await once(server, 'close');
});

test('bug: a listener that threw ended all sockets', ({ kernel }) =>
  compare(kernel.net, async (net, path, log) => {
    const server = net.createServer((socket) => {
      socket.on('data', (data: Buffer) => {
        if (String(data) === 'bad') throw new Error('a listener of data');
        socket.write(data);
      });
    });
    server.listen(path);
    await once(server, 'listening');
    const [bad, good] = [net.connect(path), net.connect(path)];
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const thrown = once(process, 'uncaughtException');
    bad.write('bad');
    log(((await thrown)[0] as Error).message);
    for (const listener of others) process.on('uncaughtException', listener);
    const answer = once(good, 'data');
    good.write('good');
    log(String((await answer)[0]), bad.destroyed);
    for (const socket of [bad, good]) socket.destroy();
    server.close();
    await once(server, 'close');
  }));

test('sockets that never rest leave the event loop its turns', async ({ kernel }) => {
  // Whichever end is destroyed first, the other may be about to write.
  const echo = (socket: Duplex): unknown => socket.on('error', () => {}).on('data', (data) => socket.write(data));
  const server = kernel.net.createServer(echo);
  server.listen('/tmp/restless');
  const client = kernel.net.connect('/tmp/restless');
  echo(client);
  client.write('to and fro');
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(client.bytesRead > 0);
  client.destroy();
  server.close();
  await once(server, 'close');
});

test('many connections take no task each', async ({ kernel }) => {
  const server = kernel.net.createServer((socket) => socket.on('data', (data: Buffer) => socket.end(data)));
  server.listen('/tmp/many');
  const threads = (): number => kernel.libc.stat('/proc/1/task').st_nlink;
  const before = threads();
  const clients = Array.from({ length: 200 }, (_, i) => {
    const client = kernel.net.connect('/tmp/many');
    let answer = '';
    client.on('data', (data: Buffer) => (answer += data));
    client.write(`number ${i}`);
    return once(client, 'close').then(() => answer);
  });
  const answers = await Promise.all(clients);
  assert.equal(
    answers,
    answers.map((_, i) => `number ${i}`),
  );
  assert.ok(threads() - before < 20);
  server.close();
  await once(server, 'close');
});

test('bug: connections that came while there was no descriptor for them waited for ever', async ({ kernel }) => {
  const server = kernel.net.createServer();
  const seen: string[] = [];
  server.on('error', (error) => seen.push((error as NodeJS.ErrnoException).code ?? ''));
  server.on('connection', (socket) => {
    seen.push('connection');
    socket.on('data', () => socket.end());
  });
  server.listen('/tmp/few');
  const used = Math.max(...(await kernel.fs.readdir('/proc/1/fd')).map(Number)) + 1;
  kernel.libc.setrlimit(c.RLIMIT_NOFILE, { rlim_cur: used + 2, rlim_max: 4096 });
  const outcome = await run(kernel, async (libc) => {
    libc.setrlimit(c.RLIMIT_NOFILE, { rlim_cur: 100, rlim_max: 4096 });
    const fds = Array.from({ length: 6 }, () => libc.socket(c.AF_UNIX, c.SOCK_STREAM));
    for (const fd of fds) await libc.connect(fd, '/tmp/few');
    for (const fd of fds) {
      await libc.write(fd, 'x');
      await libc.read(fd, new Uint8Array(1));
      libc.close(fd);
    }
  });
  assert.equal([outcome.stderr, outcome.code], ['', 0]);
  assert.is(seen.filter((what) => what === 'connection').length, 6);
  assert.ok(seen.includes('EMFILE'));
  server.close();
  await once(server, 'close');
});

test('programs of the guest at the other end', async ({ kernel }) => {
  const server = kernel.net.createServer((socket) => socket.on('data', (data: Buffer) => socket.end(`${data}!`)));
  server.listen('/tmp/service');
  const { stdout } = await run(kernel, async (libc) => {
    const fd = libc.socket(c.AF_UNIX, c.SOCK_STREAM);
    await libc.connect(fd, '/tmp/service');
    await libc.send(fd, 'from a program');
    const buffer = new Uint8Array(100);
    await libc.write(1, text(buffer, await libc.recv(fd, buffer)));
  });
  assert.is(stdout, 'from a program!');
  server.close();
  await once(server, 'close');
});

test('bug: when the first socket could not be watched, those that came later heard nothing', async ({ kernel }) => {
  const limit = '/proc/sys/fs/epoll/max_user_watches';
  const usual = await kernel.fs.readFile(limit, 'utf8');
  await kernel.fs.writeFile(limit, '0');
  const refused = once(kernel.net.createServer().listen('/tmp/first'), 'error');
  assert.is(((await refused)[0] as NodeJS.ErrnoException).code, 'ENOSPC');
  await kernel.fs.writeFile(limit, usual);
  const server = kernel.net.createServer((socket) => socket.end('answer'));
  server.listen('/tmp/second');
  const pieces: Buffer[] = [];
  for await (const piece of kernel.net.connect('/tmp/second')) pieces.push(piece as Buffer);
  assert.is(text(Buffer.concat(pieces)), 'answer');
  server.close();
  await once(server, 'close');
});

test('shutdown closes what is open', async ({ kernel }) => {
  const server = kernel.net.createServer();
  server.listen('/tmp/open');
  const client = kernel.net.connect('/tmp/open');
  await once(client, 'connect');
  const closed = [once(client, 'close'), once(server, 'close')];
  await kernel.shutdown();
  await Promise.all(closed);
  assert.ok(client.destroyed);
});

test.run();
