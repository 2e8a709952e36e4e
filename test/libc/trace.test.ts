/** System calls of TypeScript programs go through the same rows: the tracer sees them, and a seed repeats them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, constants as c } from '../../libc/index.js';
import { collect } from '../support/guest.js';
import { leave } from './support.js';

/** A pipeline of both kinds of programs with signals, threads, a fork and sleeps. */
async function traced(seed: number): Promise<string[]> {
  const lines: string[] = [];
  const kernel = await boot({ memory: 64, seed, trace: (line) => lines.push(line) });
  kernel.installProgram('/bin/mixed', async (libc, argv) => {
    const [reader, writer] = libc.pipe();
    const buffer = new Uint8Array(8);
    libc.signal(c.SIGALRM, () => {});
    const reading = libc.read(reader, buffer);
    libc.getppid();
    const child = await libc.fork(async (other) => {
      await other.nanosleep({ tv_sec: 0, tv_nsec: 5_000_000 });
      await other.write(writer, argv[1]);
      return 2;
    });
    libc.setitimer(c.ITIMER_REAL, { value: 0.001, interval: 0 });
    await reading;
    await libc.waitpid(child);
    await libc.write(1, buffer.subarray(0, 4));
  });
  const outcome = await collect(kernel.spawn(['sh', '-c', 'mixed text | cat']));
  assert.equal([outcome.stdout, outcome.stderr, outcome.code], ['text', '', 0]);
  await leave(kernel);
  return lines;
}

test('the tracer shows calls of TypeScript programs in the format of strace', async () => {
  const text = (await traced(1)).join('');
  assert.match(text, /pipe2\(\[3, 4\], 0\) += 0\n/);
  // A call that does not wait comes while the first one does.
  assert.match(text, /read\(3, +<unfinished \.\.\.>\n\[pid +\d+\] getppid\(\) += \d+\n/);
  assert.match(text, /clone\(.*CLONE_THREAD.*\) += \d+\n/);
  assert.match(text, /--- SIGALRM /);
  assert.match(text, /<\.\.\. read resumed>.*= (\?|-1|4)/);
  assert.match(text, /exit_group\(2\) += \?\n/);
  assert.match(text, /\+\+\+ exited with 2 \+\+\+/);
});

test('the same seed makes the same trace', async () => {
  const [first, second] = [await traced(7), await traced(7)];
  assert.equal(first, second);
  assert.ok(first.length > 50);
});

test.run();
