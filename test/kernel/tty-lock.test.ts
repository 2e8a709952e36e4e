/** Two programs that write long blocks to one terminal: what one call writes comes out in one piece. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot } from '../../kernel-core/index.js';

const BLOCK = 30_000;
const WRITERS = ['a', 'b', 'c'];

test('a write that has to wait for the reader is not interleaved with others', async () => {
  const kernel = await boot({ memory: 64 });
  const one = (letter: string): string =>
    `(head -c ${BLOCK} /dev/zero | tr '\\0' ${letter} | dd bs=${BLOCK} iflag=fullblock 2>/dev/null) &`;
  const child = kernel.spawn(['sh', '-c', `stty -opost; ${WRITERS.map(one).join(' ')} wait`], { pty: true });
  let text = '';
  child.pty!.onData((data) => {
    text += data;
  });
  await child.closed;
  const runs = text.match(/(.)\1*/g)!;
  assert.equal(runs.map((run) => run[0]).sort(), WRITERS);
  assert.ok(runs.every((run) => run.length === BLOCK));
  kernel.assertIdle();
  await kernel.shutdown();
});

test('a writer that is killed half-way lets the next one in', async () => {
  const kernel = await boot({ memory: 64 });
  const script = [
    'stty -opost; (yes a | dd bs=100000 count=1 iflag=fullblock 2>/dev/null) &',
    'until grep -q wait_for_room /proc/[0-9]*/wchan; do sleep 0.01; done',
    'kill -9 $(pidof dd); echo end',
  ].join('\n');
  const child = kernel.spawn(['sh', '-c', script], { pty: true });
  const pty = child.pty!;
  pty.pause();
  let text = '';
  pty.onData((data) => {
    text += data;
  });
  while (!kernel.dump().processes.some(({ command, waitsFor }) => command === 'sh' && waitsFor === 'wait_for_room')) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  pty.resume();
  await child.closed;
  assert.match(text, /end\n/);
  kernel.assertIdle();
  await kernel.shutdown();
});

test.run();
