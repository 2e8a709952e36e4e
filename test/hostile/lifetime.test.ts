/** Nothing grows: a thousand short programs, signals that queue, guests that never read or never write, embedders that leave. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { framesOf, turns, within, withKernel } from './support.js';

const CACHE_FRAMES = 16;
const MEBIBYTE = 2 ** 20;

test('a thousand programs in sequence leave no frame, no process and no heap behind', async () => {
  await withKernel(null, { memory: 64 }, async (kernel) => {
    const batch = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const { code } = await collect(kernel.spawn(i % 2 === 0 ? ['true'] : ['echo', 'x']));
        assert.is(code, 0);
      }
    };
    await batch(100);
    const frames = framesOf(kernel);
    const heap = process.memoryUsage().heapUsed;
    await within(120_000, 'the batch', batch(1000));
    assert.ok(framesOf(kernel) <= frames + CACHE_FRAMES, `${framesOf(kernel)} frames are used, ${frames} were`);
    assert.is(kernel.dump().processes.length, 1);
    // Garbage included: a leak of one task each would be some 30 MiB.
    const grown = (process.memoryUsage().heapUsed - heap) / MEBIBYTE;
    assert.ok(grown < 60, `the heap grew by ${grown} MiB`);
  });
});

test('a thousand forks in a shell leave nothing behind', async () => {
  await withKernel(null, { memory: 64 }, async (kernel) => {
    const script = 'i=0; while [ $i -lt 500 ]; do /bin/true; (exit 3); i=$((i+1)); done; echo $?';
    await collect(kernel.spawn(['sh', '-c', script]));
    const frames = framesOf(kernel);
    await within(120_000, 'the loop', collect(kernel.spawn(['sh', '-c', script])));
    assert.ok(framesOf(kernel) <= frames + CACHE_FRAMES, `${framesOf(kernel)} frames are used, ${frames} were`);
  });
});

test('a guest whose output nobody reads waits, and can be killed', async () => {
  await withKernel(null, { memory: 32 }, async (kernel) => {
    const child = kernel.spawn(['cat', '/dev/zero']);
    await turns(50);
    const { instructions } = kernel.dump();
    await turns(50);
    assert.is(kernel.dump().instructions, instructions, 'it sleeps');
    child.kill('SIGKILL');
    assert.equal(await child.exit, { code: null, signal: 'SIGKILL' });
    child.stdout!.destroy();
    child.stderr!.destroy();
  });
});

test('a guest that never reads holds its writer back, not the memory of the host', async () => {
  await withKernel(null, { memory: 32 }, async (kernel) => {
    const child = kernel.spawn(['sleep', '1000']);
    child.stdin!.on('error', () => {});
    let accepted = 0;
    while (child.stdin!.write(Buffer.alloc(65536)) && accepted < 100) accepted++;
    await turns(20);
    assert.ok(accepted < 10, `${accepted} chunks were taken`);
    child.kill('SIGTERM');
    assert.equal(await child.exit, { code: null, signal: 'SIGTERM' });
  });
});

test('an embedder that closes output gives the guest SIGPIPE', async () => {
  await withKernel(null, { memory: 32 }, async (kernel) => {
    const child = kernel.spawn(['cat', '/dev/zero']);
    child.stdout!.once('data', () => child.stdout!.destroy());
    child.stderr!.resume();
    const status = await within(30_000, 'the end', child.exit);
    assert.equal(status, { code: null, signal: 'SIGPIPE' });
  });
});

test('shutdown while programs wait for input, time, children, locks and room', async () => {
  await withKernel(null, { memory: 64 }, async (kernel) => {
    const scripts = [
      'cat',
      'sleep 1000',
      'sleep 1000 & wait',
      'cat /dev/zero',
      'mkfifo /tmp/f; cat /tmp/f',
      'kill -STOP $$',
      'while :; do :; done',
    ];
    const children = scripts.map((script) => kernel.spawn(['sh', '-c', script]));
    const terminal = kernel.spawn(['sh'], { pty: true });
    await turns(100);
    assert.ok(kernel.dump().processes.length > scripts.length);
    await within(30_000, 'shutdown', kernel.shutdown());
    for (const child of [...children, terminal]) assert.equal(await child.exit, { code: null, signal: 'SIGKILL' });
    assert.is(kernel.dump().processes.length, 1);
  });
});

test('real-time signals queue up to a limit', async () => {
  await withKernel(null, { memory: 32, taskLimit: 64 }, async (kernel) => {
    const child = kernel.spawn(['sh', '-c', 'trap : 40; kill -STOP $$; echo through']);
    await turns(20);
    for (let i = 0; i < 100_000; i++) child.kill(40);
    child.kill('SIGCONT');
    assert.is((await within(30_000, 'the end', collect(child))).stdout, 'through\n');
  });
});

test.run();
