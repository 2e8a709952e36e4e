import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ENOENT } from '../../abi/errno.js';
import { errnoError } from '../../kernel-core/errno-error.js';
import { DeterministicHost } from '../../kernel-core/host-deterministic.js';
import { NodeHost } from '../../kernel-core/host-node.js';
import { LoadAverage } from '../../kernel-core/load-average.js';
import { fromKernelText, latin1Bytes, toKernelText } from '../../kernel-core/text.js';
import { VERSION } from '../../kernel-core/version.js';

const bytes = (host: { random(target: Uint8Array): void }): Uint8Array => {
  const target = new Uint8Array(64);
  host.random(target);
  return target;
};

test('the deterministic host: same seed, same bytes; another seed, others', () => {
  assert.equal(bytes(new DeterministicHost(5)), bytes(new DeterministicHost(5)));
  assert.not.equal(bytes(new DeterministicHost(5)), bytes(new DeterministicHost(6)));
});

test('the virtual clock moves by instructions and jumps to timers', async () => {
  const host = new DeterministicHost(1);
  host.elapsed(1500);
  assert.is(host.monotonic(), 1500);
  const time = { sec: 0, nsec: 0 };
  host.realtime(time);
  assert.is(time.nsec, 1500);
  await new Promise<void>((resolve) => host.timer(10_000_000_000, resolve));
  assert.is(host.monotonic(), 10_000_000_000);
  let fired = false;
  host.timer(20_000_000_000, () => (fired = true)).cancel();
  await new Promise<void>((resolve) => host.defer(resolve));
  assert.not(fired);
});

test('the real host: its clocks go on, its timers fire and can be cancelled', async () => {
  const host = new NodeHost();
  const before = host.monotonic();
  const late = await Promise.all(
    Array.from({ length: 50 }, (_, index) => {
      const deadline = before + 1_000_000 + index * 137_000;
      return new Promise<number>((resolve) => host.timer(deadline, () => resolve(host.monotonic() - deadline)));
    }),
  );
  assert.ok(
    late.every((nanoseconds) => nanoseconds >= 0),
    'a timer never fires early',
  );
  const time = { sec: 0, nsec: 0 };
  host.realtime(time);
  assert.ok(Math.abs(time.sec - Date.now() / 1000) < 60);
  assert.ok(time.nsec >= 0 && time.nsec < 1e9);
  assert.not.equal(bytes(host), bytes(host));
});

test('the coarse clock stands still within one piece of work, and then follows', async () => {
  const host = new NodeHost();
  const coarse = (): number => {
    const time = { sec: 0, nsec: 0 };
    host.coarseRealtime(time);
    return time.sec * 1000 + time.nsec / 1e6;
  };
  const fine = { sec: 0, nsec: 0 };
  const first = coarse();
  const start = host.monotonic();
  while (host.monotonic() < start + 2_000_000);
  assert.is(coarse(), first);
  await Promise.resolve();
  assert.ok(coarse() >= first + 1.9, 'it goes on with the event loop');
  host.realtime(fine);
  assert.ok(coarse() <= fine.sec * 1000 + fine.nsec / 1e6, 'and is never ahead');
});

test('random bytes are given out once, in pieces of any size', () => {
  const host = new NodeHost();
  const seen = new Set<string>();
  const sizes = [16, 16, 1, 255, 256, 257, 5000, 16];
  for (let round = 0; round < 200; round++) {
    for (const size of sizes) {
      const target = new Uint8Array(size);
      host.random(target);
      if (size < 16) continue;
      for (const at of [0, size - 16]) seen.add(Buffer.from(target.subarray(at, at + 16)).toString('hex'));
    }
  }
  // 16 bytes are one piece, longer ones two.
  assert.is(seen.size, 200 * (3 + 4 * 2));
});

test('load averages approach the number of runnable tasks and fall again', () => {
  const load = new LoadAverage();
  for (let second = 0; second <= 3600; second += 5) load.update(second * 1e9, 3);
  assert.ok(load.averages.every((value) => value > 2.9 && value <= 3));
  load.update(3660e9, 0);
  assert.ok(load.averages[0] < load.averages[1] && load.averages[1] < load.averages[2]);
});

test('exceptions are shaped as those of Node', () => {
  const error = errnoError(-ENOENT, 'open', '/x');
  const { code, errno, syscall, path, message } = error;
  assert.equal({ code, errno, syscall, path }, { code: 'ENOENT', errno: -2, syscall: 'open', path: '/x' });
  assert.is(message, "ENOENT: no such file or directory, open '/x'");
  assert.is(errnoError(-4000, 'x').code, 'E4000');
});

test('text crosses the boundary as UTF-8 bytes', () => {
  assert.is(fromKernelText(toKernelText('grüße €')), 'grüße €');
  assert.equal([...latin1Bytes(toKernelText('é'))], [0xc3, 0xa9]);
});

test('the version is that of the package', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.is(VERSION, manifest.version);
});

test.run();
