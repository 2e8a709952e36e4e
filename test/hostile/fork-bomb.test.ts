/** Fork bombs: the guest gets EAGAIN, the embedder keeps its kernel and its event loop, and all of it ends. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kernel } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';
import { canCompile, framesOf, Probes, turns, within, withKernel } from './support.js';

const BOMB = 'bomb() { bomb | bomb & }; bomb';
const TASKS = 200;
const TURNS_TO_FILL = 3000;
/** Two code pages more or less may be decoded. */
const CACHE_FRAMES = 16;

async function fill(kernel: Kernel, count: number): Promise<void> {
  for (let i = 0; i < TURNS_TO_FILL && kernel.dump().processes.length < count; i++) await turns(1);
}

/** A bomb in flight, a program beside it, and the end of all. @returns frames in use afterwards */
async function survive(kernel: Kernel): Promise<number> {
  const bomb = kernel.spawn(['sh', '-c', BOMB]);
  let said = '';
  bomb.stderr!.on('data', (bytes) => {
    if (said.length < 1000) said += bytes;
  });
  bomb.stdout!.resume();
  await fill(kernel, TASKS - 30);
  assert.ok(kernel.dump().processes.length > 100, 'it spreads');
  const second = await within(30_000, 'a second program', collect(kernel.spawn(['sh', '-c', 'echo alive'])));
  assert.is(second.stdout, 'alive\n');
  assert.match(said, "can't fork: Resource temporarily unavailable");
  // A timer of the host fires after few turns of the kernel, each of which is bounded in instructions.
  const started = kernel.dump().instructions;
  await turns(1);
  assert.ok(kernel.dump().instructions - started < 5_000_000, 'a turn is short');
  // Whoever is killed cannot fork, and the killer forks nothing. That it succeeds says nothing: threads of the kernel are always there.
  await within(30_000, 'the end', collect(kernel.spawn(['sh', '-c', 'kill -9 -1; kill -9 -1'])));
  await bomb.closed;
  for (let i = 0; i < 100 && kernel.dump().processes.length > 1; i++) await turns(1);
  await collect(kernel.spawn(['true']));
  return framesOf(kernel);
}

test('a fork bomb in a shell leaves room for a program from outside, can be killed, and leaves nothing', async () => {
  await withKernel(null, { memory: 128, taskLimit: TASKS }, async (kernel) => {
    // What is still used after the first time is decoded code of the shell.
    const before = await survive(kernel);
    const after = await survive(kernel);
    assert.ok(after <= before + CACHE_FRAMES, `${after} frames are used, ${before} were`);
  });
});

test('shutdown ends a fork bomb in full flight', async () => {
  await withKernel(null, { memory: 128, taskLimit: TASKS }, async (kernel) => {
    const bomb = kernel.spawn(['sh', '-c', BOMB]);
    bomb.stdout!.resume();
    bomb.stderr!.resume();
    await fill(kernel, TASKS / 2);
    await within(30_000, 'shutdown', kernel.shutdown());
    assert.is(kernel.dump().processes.length, 1);
  });
});

test('RLIMIT_NPROC bounds what one user forks, not others and not the superuser', async () => {
  await withKernel(null, { memory: 128, taskLimit: TASKS }, async (kernel) => {
    const identity = { user: { uid: 1000, gid: 1000 } };
    const script = 'ulimit -u 20; bomb() { bomb | bomb & }; bomb; while :; do :; done';
    const bomb = kernel.spawn(['sh', '-c', script], identity);
    bomb.stdout!.resume();
    bomb.stderr!.resume();
    await turns(300);
    const count = kernel.dump().processes.length;
    assert.ok(count <= 21, `${count} processes with init`);
    const other = kernel.spawn(['sh', '-c', 'ulimit -u 20; true | true | true && echo forks'], {
      user: { uid: 1001, gid: 1001 },
    });
    assert.is((await within(30_000, 'another user', collect(other))).stdout, 'forks\n');
    await kernel.shutdown();
  });
});

test('without a limit of its own a user may fill half of the task table', async () => {
  await withKernel(null, { memory: 128, taskLimit: TASKS }, async (kernel) => {
    const bomb = kernel.spawn(['sh', '-c', BOMB], { user: { uid: 1000, gid: 1000 } });
    bomb.stdout!.resume();
    bomb.stderr!.resume();
    await fill(kernel, TASKS / 2 + 1);
    await turns(100);
    assert.ok(kernel.dump().processes.length <= TASKS / 2 + 1);
    assert.is(
      (await within(30_000, 'root', collect(kernel.spawn(['sh', '-c', 'true | echo forks'])))).stdout,
      'forks\n',
    );
    await kernel.shutdown();
  });
});

if (canCompile('fork bombs in C')) {
  const probes = new Probes();
  test.after(() => probes.dispose());

  test('fork until EAGAIN: zombies and threads count, and waiting makes room', async () => {
    probes.build('forks');
    await withKernel(probes, { memory: 128, taskLimit: TASKS }, async (kernel) => {
      const { stdout, code } = await within(60_000, 'forks', collect(kernel.spawn(['/probes/forks'])));
      assert.is(
        stdout,
        'zombies: EAGAIN\nafter waiting: works\nthreads: EAGAIN\nafter joining: works\nexit signal 200: waited for\n',
      );
      assert.is(code, 0);
    });
  });
}

test.run();
