/**
 * Every function of the libc with arguments of every wrong kind, by the hundred: a program gets a TypeError, a RangeError or
 * an error of the kernel, and the kernel goes on with nothing left behind. Then buffers that are given away while a call
 * waits.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c, type Kernel, type Libc } from '../../libc/index.js';
import { seeded } from '../support/random.js';
import { functionsOf, isFair, someArguments } from './hostile-arguments.js';
import { bootTestKernel, type Context, failure, inside, leave, run, start } from './support.js';

const test = suite<Context>('libc: hostile arguments');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

/** Calls of one function. */
const CALLS = 150;

/** The functions that only the libc itself calls. */
const INNER = new Set(['constructor', 'inChild', 'now', 'raw', 'blocking', 'transfer']);

/** Until children of the program have ended as well. @throws Error: what is left although nothing goes on */
async function idle(kernel: Kernel): Promise<void> {
  for (let turns = 0; turns < 1000; turns++) {
    try {
      kernel.assertIdle();
      return;
    } catch {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  kernel.assertIdle();
}

/** Calls one function again and again in a program of its own. @returns what was thrown that should not be */
async function attack(kernel: Kernel, name: string, random: () => number): Promise<string[]> {
  const unfair: string[] = [];
  const child = start(kernel, async (libc) => {
    const note = (error: unknown): void => {
      if (!isFair(error) && !libc.system.isOver) unfair.push(`${name}: ${String(error)}`);
    };
    for (let i = 0; i < CALLS; i++) {
      const args = someArguments(random);
      try {
        const result: unknown = (libc as unknown as Record<string, (...args: unknown[]) => unknown>)[name]!(...args);
        if (result instanceof Promise) result.catch(note);
      } catch (error) {
        note(error);
      }
      if (libc.system.isOver) return;
    }
    // What waits goes on waiting; what does not is told by then.
    await new Promise((resolve) => setImmediate(resolve));
  });
  child.stdin!.on('error', () => {});
  child.stdout!.resume();
  child.stderr!.resume();
  await child.exit;
  child.stdin!.destroy();
  return unfair;
}

test('every function with arguments of every kind', async ({ kernel }) => {
  const names = await inside(kernel, (libc) => functionsOf(libc, INNER));
  assert.ok(names.length > 180, 'the functions are found');
  const random = seeded(20);
  for (const name of names) {
    assert.equal(await attack(kernel, name, random), []);
    await idle(kernel);
  }
  const { stdout } = await run(kernel, (libc) => libc.write(1, 'alive'));
  assert.is(stdout, 'alive');
});

/** Calls that fill a buffer in, on a descriptor that nothing comes from yet. */
const WAITING: Record<string, (libc: Libc, fd: number, buffer: Uint8Array) => Promise<unknown>> = {
  read: (libc, fd, buffer) => libc.read(fd, buffer),
  readv: (libc, fd, buffer) => libc.readv(fd, [new Uint8Array(1), buffer]),
  recv: (libc, fd, buffer) => libc.recv(fd, buffer),
  recvfrom: (libc, fd, buffer) => libc.recvfrom(fd, buffer),
  recvmsg: (libc, fd, buffer) => libc.recvmsg(fd, buffer),
  'recvmsg of two': (libc, fd, buffer) => libc.recvmsg(fd, [new Uint8Array(1), buffer]),
};

for (const [name, call] of Object.entries(WAITING)) {
  test(`${name}: the buffer is given away while the call waits`, async ({ kernel }) => {
    const seen = await inside(kernel, async (libc) => {
      const [mine, other] = libc.socketpair(c.AF_UNIX, c.SOCK_STREAM);
      const buffer = new Uint8Array(16);
      const waiting = failure(() => call(libc, mine, buffer));
      await new Promise((resolve) => setImmediate(resolve));
      structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
      await libc.write(other, 'some bytes');
      const { name } = await waiting;
      // The next one has memory of its own, and gets what comes then.
      await libc.write(other, 'more');
      const next = new Uint8Array(16);
      return [name, await libc.read(mine, next), String.fromCharCode(...next.subarray(0, 4))];
    });
    assert.equal(seen, ['TypeError', 4, 'more']);
  });
}

test('data is given away while a write waits: what was there when the call was made is written', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const [mine, other] = libc.socketpair(c.AF_UNIX, c.SOCK_STREAM);
    const data = new Uint8Array(500_000).fill(7);
    const waiting = libc.write(mine, data);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    let sum = 0;
    const part = new Uint8Array(100_000);
    for (let left = 500_000; left > 0; ) {
      const count = await libc.read(other, part);
      for (let i = 0; i < count; i++) sum += part[i]!;
      left -= count;
    }
    return [await waiting, sum];
  });
  assert.equal(seen, [500_000, 3_500_000]);
});

test.run();
