/** Sets with very many interests: what a change, a registration and a wait cost does not depend on how many are idle. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EPOLLET, EPOLLIN } from '../../abi/eventpoll.js';
import { EpollFile } from '../../kernel-core/epoll/file.js';
import type { EpollItem } from '../../kernel-core/epoll/item.js';
import { EpollSet } from '../../kernel-core/epoll/set.js';
import { boot } from '../../kernel-core/index.js';
import type { Kernel } from '../../kernel-core/kernel.js';
import type { Task } from '../../kernel-core/task.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import { createEventFd } from '../../vfs/fs/eventfd.js';
import { BytesIter } from '../../vfs/iter.js';
import { UserQuota } from '../../vfs/user-quota.js';
import { collect } from '../support/guest.js';
import { makeEnv } from '../vfs/env.js';

const ONE = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

function makeSet(idle: number) {
  const env = makeEnv();
  const quota = new UserQuota(1_000_000);
  // Of the kernel a set needs only these.
  const set = new EpollSet({ vfsEnv: env, epollQuota: quota } as unknown as Kernel, KERNEL_CALLER as unknown as Task);
  const file = new EpollFile(set);
  const counters = Array.from({ length: idle + 1 }, () => createEventFd(env, KERNEL_CALLER, 0, 0));
  for (const [fd, counter] of counters.entries()) {
    set.announce(set.add(counter, fd, fd % 2 === 0 ? EPOLLIN : EPOLLIN | EPOLLET, fd, 0) as EpollItem);
  }
  return { set, file, quota, counters };
}

/** Interests looked at while one of `idle + 1` descriptors becomes ready and is waited for, a hundred times. */
function workOf(idle: number): number {
  const { set, file, quota, counters } = makeSet(idle);
  // A level-triggered one.
  const at = (idle >> 2) * 2;
  const active = counters[at];
  let found = 0;
  const sink = {
    put(_events: number, low: number): number {
      assert.is(low, at);
      found++;
      return 0;
    },
  };
  set.polled = 0;
  for (let i = 0; i < 100; i++) {
    active.write(new BytesIter(ONE), 0, KERNEL_CALLER);
    assert.is(set.collect(sink, 64), 1);
    active.read(new BytesIter(new Uint8Array(8)), 0, KERNEL_CALLER);
    assert.is(set.collect(sink, 64), 0);
  }
  assert.is(found, 100);
  const { polled } = set;
  for (const counter of counters) assert.is(counter.inode.watchers, 1);
  file.unref();
  for (const counter of counters) {
    assert.is(counter.inode.watchers, 0);
    assert.is(counter.observers!.size, 0);
  }
  assert.is(quota.total, 0);
  return polled;
}

test('a wait looks at what is ready, not at what is idle', () => {
  const few = workOf(10);
  assert.is(few, 200);
  assert.is(workOf(100_000), few);
});

test('an interest ends with its description, whatever else the set has', () => {
  const { set, file, quota, counters } = makeSet(50_000);
  for (const counter of counters) counter.unref();
  assert.equal([...set.items()], []);
  assert.is(quota.total, 0);
  file.unref();
});

const canCompile =
  process.platform === 'linux' && process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;

if (!canCompile) console.log('SKIP 100,000 descriptors of one program: needs gcc on Linux x86-64');
else {
  test('100,000 descriptors of one program', async () => {
    const programs = mkdtempSync(join(tmpdir(), 'banos-epoll-scale-'));
    const program = join(programs, 'many');
    const source = join(import.meta.dirname, 'probes', 'many.c');
    const compiled = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', '-o', program, source]);
    assert.is(compiled.status, 0, String(compiled.stderr));
    const kernel = await boot({ mounts: [{ host: programs, guest: '/programs', readOnly: true }] });
    const usual = await collect(kernel.spawn(['/programs/many', '/tmp'], { env: {} }));
    const more = await collect(kernel.spawn(['/programs/many', '/tmp', '100000'], { env: {} }));
    assert.match(more.stdout, 'poll(&poller, 1, 0) = 1');
    assert.is(more.stdout, usual.stdout);
    kernel.assertIdle();
    await kernel.shutdown();
    rmSync(programs, { recursive: true, force: true });
  });
}

test.run();
