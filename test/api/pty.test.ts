/** The terminal object: node-pty's shape, sizes, flow, the ends of both sides. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type Kernel, type Pty } from '../../kernel-core/index.js';

const test = suite<{ kernel: Kernel }>('pty');
const ENV = { PATH: '/bin:/usr/bin:/usr/sbin:/sbin', TERM: 'dumb', PS1: '$ ' };

test.before.each(async (context) => {
  context.kernel = await boot({ memory: 64 });
});

test.after.each(async ({ kernel }) => {
  kernel.assertIdle();
  await kernel.shutdown();
});

/** Collects output and waits for a text in it. */
class Screen {
  text = '';
  #waiting: { wanted: string; resolve: () => void } | null = null;

  constructor(pty: Pty) {
    pty.onData((data) => {
      this.text += data;
      if (this.#waiting !== null && this.text.includes(this.#waiting.wanted)) this.#waiting.resolve();
    });
  }

  shows(wanted: string): Promise<void> {
    if (this.text.includes(wanted)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting = { wanted, resolve };
    });
  }
}

test('a shell on a terminal: prompt, echo, exit event', async ({ kernel }) => {
  const child = kernel.spawn(['sh'], { pty: true, env: ENV });
  const pty = child.pty!;
  const screen = new Screen(pty);
  const ended = new Promise((resolve) => pty.onExit(resolve));
  assert.equal([pty.pid, pty.process, pty.cols, pty.rows], [child.pid, 'sh', 80, 24]);
  assert.equal([child.stdin, child.stdout, child.stderr], [null, null, null]);
  await screen.shows('$ ');
  pty.write('tty; stty size; echo d""one\r');
  await screen.shows('done\r\n');
  assert.match(screen.text, /\/dev\/pts\/0\r\n24 80\r\n/);
  pty.write(Buffer.from('exit 4\r'));
  assert.equal(await ended, { exitCode: 4 });
  await child.closed;
});

test('resizing tells the program, and bad sizes are refused', async ({ kernel }) => {
  const child = kernel.spawn(
    ['sh', '-c', 'trap "stty size; exit" WINCH; echo up; while :; do sleep 1000 & wait; done'],
    {
      pty: { cols: 100, rows: 30 },
      env: ENV,
    },
  );
  const screen = new Screen(child.pty!);
  await screen.shows('up');
  child.pty!.resize(132, 43);
  await screen.shows('43 132');
  assert.throws(() => child.pty!.resize(0, 5), RangeError);
  assert.throws(() => child.pty!.resize(80, 1.5), RangeError);
  await child.exit;
});

test('Ctrl-C reaches the foreground program, text that no character ends in is put together', async ({ kernel }) => {
  const child = kernel.spawn(['sh', '-c', "printf '\\303'; sleep 0.01; printf '\\244\\n'; sleep 1000"], {
    pty: true,
    env: ENV,
  });
  const screen = new Screen(child.pty!);
  await screen.shows('ä');
  child.pty!.write('\x03');
  assert.equal(await child.exit, { code: null, signal: 'SIGINT' });
});

test('hanging up kills what does not care', async ({ kernel }) => {
  const child = kernel.spawn(['sleep', '1000'], { pty: true, env: ENV });
  child.pty!.onData(() => {});
  child.pty!.hangUp();
  child.pty!.hangUp();
  child.pty!.write('into the void');
  child.pty!.resize(10, 10);
  assert.is((await child.exit).signal, 'SIGHUP');
  await child.closed;
});

test('kill by way of the terminal; an exit event has the number of the signal', async ({ kernel }) => {
  const { pty, exit } = kernel.spawn(['sleep', '1000'], { pty: true, env: ENV });
  const ended = new Promise((resolve) => pty!.onExit(resolve));
  pty!.clear();
  assert.throws(() => pty!.kill('SIGFOO'), TypeError);
  pty!.kill('SIGTERM');
  await exit;
  assert.equal(await ended, { exitCode: 0, signal: 15 });
});

test('a paused reader holds programs up and loses nothing', async ({ kernel }) => {
  const child = kernel.spawn(['seq', '1', '20000'], { pty: true, env: ENV });
  const pty = child.pty!;
  let text = '';
  pty.pause();
  const listener = pty.onData((data) => {
    text += data;
  });
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.is(text, '');
  assert.ok(kernel.dump().processes.some(({ command }) => command === 'seq'));
  pty.resume();
  await child.closed;
  listener.dispose();
  assert.is(text.split('\r\n').length, 20001);
});

test('more typed than a terminal holds arrives when a program reads', async ({ kernel }) => {
  const child = kernel.spawn(['sh', '-c', 'stty raw -echo; echo up; sleep 0.01; head -c 100000 | md5sum'], {
    pty: true,
    env: ENV,
  });
  const screen = new Screen(child.pty!);
  await screen.shows('up');
  child.pty!.write('x'.repeat(100000));
  await child.exit;
  assert.ok(screen.text.includes('d5816f35916d1d9482fb0f1ec201101d'));
});

test.run();
