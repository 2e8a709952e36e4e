/**
 * One byte there and back over a unix socket: by promises, a TypeScript program and a program in machine code (busybox
 * cat) in one kernel; by streams, kernel.net and node:net with both ends in one process. Run by typescript.ts in a Node of
 * its own; prints JSON.
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boot, constants as c } from '../libc/index.js';

const [roundsText = '2000', repeatsText = '50'] = process.argv.slice(2);
const rounds = Number(roundsText);
const repeats = Number(repeatsText);

/** @returns nanoseconds per round, the best of all repetitions: short ones, some of which nothing else on the machine disturbs */
async function best(run: () => Promise<void>): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await run();
    least = Math.min(least, ((performance.now() - start) * 1e6) / rounds);
  }
  return least;
}

async function inBanos(): Promise<number> {
  const kernel = await boot();
  let result = Number.NaN;
  kernel.installProgram('/bin/ping-pong', async (libc) => {
    const [mine, its] = libc.socketpair(c.AF_UNIX, c.SOCK_STREAM | c.SOCK_CLOEXEC);
    const actions = [0, 1].map((to) => ({ type: 'dup2', from: its, to }) as const);
    const cat = await libc.posix_spawnp('cat', ['cat'], { actions });
    libc.close(its);
    const byte = new Uint8Array(1);
    result = await best(async () => {
      for (let i = 0; i < rounds; i++) {
        await libc.write(mine, byte);
        await libc.read(mine, byte);
      }
    });
    libc.close(mine);
    return (await libc.waitpid(cat)).status;
  });
  const { code, signal } = await kernel.spawn(['ping-pong']).exit;
  await kernel.shutdown();
  if (code !== 0) throw new Error(`ping-pong ended with ${code ?? signal}`);
  return result;
}

/** @param net both have the same shape */
async function byStreams(net: { createServer: typeof createServer; connect: typeof connect }, path: string) {
  const server = net.createServer((socket) => socket.on('data', (data) => socket.write(data)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const socket: Socket = net.connect(path);
  let left = 0;
  let done = (): void => {};
  socket.on('data', () => {
    if (--left === 0) done();
    else socket.write('x');
  });
  const result = await best(
    () =>
      new Promise((resolve) => {
        left = rounds;
        done = resolve;
        socket.write('x');
      }),
  );
  socket.destroy();
  server.close();
  return result;
}

async function inNode(): Promise<number> {
  const path = join(tmpdir(), `ping-pong-${process.pid}`);
  const result = await byStreams({ createServer, connect }, path);
  rmSync(path, { force: true });
  return result;
}

async function inKernelNet(): Promise<number> {
  const kernel = await boot();
  const net = kernel.net as unknown as { createServer: typeof createServer; connect: typeof connect };
  const result = await byStreams(net, '/tmp/ping-pong');
  await kernel.shutdown();
  return result;
}

console.log(JSON.stringify({ node: await inNode(), banos: await inBanos(), kernelNet: await inKernelNet() }));
