/** Programs that eat memory, in every way there is: an errno or the out-of-memory killer, and all of it comes back. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kernel } from '../../kernel-core/index.js';
import { collect, type Outcome } from '../support/guest.js';
import { canCompile, framesOf, Probes, within, withKernel } from './support.js';

/** MiB. */
const MEMORY = 64;
/** Frames of decoded code that may differ between two runs of the same thing. */
const CACHE_FRAMES = 16;

interface Case {
  name: string;
  what: string;
  stdout: string;
  signal?: string;
}

const CASES: readonly Case[] = [
  {
    name: 'mmap',
    what: 'anonymous mappings',
    stdout: 'a mapping larger than memory: ENOMEM\n',
    signal: 'SIGKILL',
  },
  { name: 'brk', what: 'the heap', stdout: '', signal: 'SIGKILL' },
  { name: 'read', what: 'memory that only system calls touch', stdout: '', signal: 'SIGKILL' },
  { name: 'populate', what: 'populated mappings', stdout: '', signal: 'SIGKILL' },
  { name: 'cow', what: 'copies on write in children', stdout: 'some were killed, some were not\n' },
  {
    name: 'tmpfs',
    what: 'a file on the root file system',
    stdout: 'write to a full memory: ENOSPC\na file after it: works\ntruncation: works\nwrite after it: works\n',
  },
  {
    name: 'sized-tmpfs',
    what: 'a tmpfs with limits',
    stdout:
      'mount: works\n1048576 bytes\none byte more: ENOSPC\nfallocate: ENOSPC\na hole: works\na file too many: ENOSPC\n' +
      '18 files\nthe hole: SIGBUS\ntruncation: works\nwrite: works\nunmount: works\n',
  },
  { name: 'memfd', what: 'shared memory', stdout: '', signal: 'SIGBUS' },
  { name: 'pipes', what: 'full pipes', stdout: '', signal: 'SIGKILL' },
  {
    name: 'vmas',
    what: 'mappings by number',
    stdout: 'a mapping too many: ENOMEM\nabout 65530\nunmapping one: works\n',
  },
  { name: 'tables', what: 'page tables', stdout: '', signal: 'SIGKILL' },
  { name: 'stack', what: 'endless recursion', stdout: '', signal: 'SIGSEGV' },
  { name: 'arguments', what: 'arguments', stdout: '25 MB of arguments: E2BIG\none argument of 128 KiB: E2BIG\n' },
];

if (canCompile('programs that eat memory')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const eat = (kernel: Kernel, name: string): Promise<Outcome> =>
    within(60_000, name, collect(kernel.spawn(['/probes/memory', name])));
  const settle = async (kernel: Kernel): Promise<number> => {
    await collect(kernel.spawn(['/probes/memory']));
    return framesOf(kernel);
  };

  for (const { name, what, stdout, signal } of CASES) {
    test(`${what}: ${signal ?? 'an errno'}, and all is given back`, async () => {
      probes.build('memory');
      await withKernel(probes, { memory: MEMORY }, async (kernel) => {
        const before = await settle(kernel);
        const outcome = await eat(kernel, name);
        assert.is(outcome.stdout, stdout);
        assert.equal([outcome.code, outcome.signal], signal === undefined ? [0, null] : [null, signal]);
        const after = await settle(kernel);
        assert.ok(after <= before + CACHE_FRAMES, `${after} frames are used, ${before} were`);
      });
    });
  }

  test('when processes fill memory the parent gets ENOMEM or loses children, and survives', async () => {
    probes.build('memory');
    await withKernel(probes, { memory: MEMORY }, async (kernel) => {
      const before = await settle(kernel);
      const { stdout, code } = await eat(kernel, 'processes');
      assert.match(stdout, /^a process too many: (ENOMEM|EAGAIN)\n$/);
      assert.is(code, 0);
      assert.ok((await settle(kernel)) <= before + CACHE_FRAMES);
    });
  });

  test('the out-of-memory killer takes the eater, not a small program beside it', async () => {
    probes.build('memory');
    await withKernel(probes, { memory: MEMORY }, async (kernel) => {
      // It forks and touches memory all the time, so that it, too, meets the end of memory.
      const small = kernel.spawn(['sh', '-c', 'while read line; do true | cat; done; echo survived']);
      const outcome = collect(small, 'x\n'.repeat(300));
      for (let i = 0; i < 3; i++) assert.is((await eat(kernel, 'read')).signal, 'SIGKILL');
      assert.is((await within(60_000, 'the small one', outcome)).stdout, 'survived\n');
    });
  });

  test('oom_score_adj decides who dies', async () => {
    await withKernel(null, { memory: MEMORY }, async (kernel) => {
      const protectedOne = kernel.spawn([
        'sh',
        '-c',
        'echo -1000 >/proc/self/oom_score_adj; cat /proc/self/oom_score_adj',
      ]);
      assert.is((await collect(protectedOne)).stdout, '-1000\n', 'children inherit it');
    });
  });
}

test('a disk filled by a shell leaves programs alive, and comes back with the file', async () => {
  await withKernel(null, { memory: 32 }, async (kernel) => {
    const script =
      'cat /dev/zero >/tmp/x; echo $?; ls /tmp | cat; rm /tmp/x; echo again >/tmp/y; cat /tmp/y; rm /tmp/y';
    const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
    assert.is(stdout, '1\nx\nagain\n');
    assert.is(stderr, 'cat: write error: No space left on device\n');
    const before = framesOf(kernel);
    await collect(kernel.spawn(['sh', '-c', script]));
    assert.ok(framesOf(kernel) <= before + CACHE_FRAMES);
  });
});

test('shutdown gives back files, pipes and programs; what stays is decoded code', async () => {
  let used = -1;
  await withKernel(null, { memory: 64 }, async (kernel) => {
    const eight = 'dd if=/dev/zero bs=1M count=8 2>/dev/null';
    const script = `${eight} of=/tmp/x; ${eight} of=/dev/shm/y; mkfifo /tmp/f; ln /tmp/x /tmp/z; ls -R / | sort | tail -1`;
    await collect(kernel.spawn(['sh', '-c', script]));
    assert.ok(framesOf(kernel) > 4096);
    await kernel.shutdown();
    used = framesOf(kernel);
  });
  assert.ok(used < 1024, `${used} frames are used`);
});

test.run();
