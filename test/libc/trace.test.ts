/** System calls of TypeScript programs go through the same rows: the tracer sees them, and a seed repeats them. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { NETLINK_SOCK_DIAG } from '../../abi/netlink.js';
import { AF_NETLINK } from '../../abi/socket.js';
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

test('bug: errors of netlink inside of errors were followed until the stack was used up', async () => {
  const lines: string[] = [];
  const kernel = await boot({ memory: 64, trace: (line) => lines.push(line) });
  const message = new Uint8Array(60_000);
  const view = new DataView(message.buffer);
  for (let at = 0; at + 20 <= message.length; at += 20) {
    view.setUint32(at, message.length - at, true);
    view.setUint16(at + 4, 2, true);
  }
  kernel.installProgram('/bin/nested', async (libc) => {
    const fd = libc.socket(AF_NETLINK, c.SOCK_RAW, NETLINK_SOCK_DIAG);
    assert.is(await libc.send(fd, message, 0), message.length);
  });
  const outcome = await collect(kernel.spawn(['/bin/nested']));
  assert.equal([outcome.stderr, outcome.code], ['', 0]);
  assert.match(lines.join(''), /(nlmsg_type=NLMSG_ERROR[^"]*){9}"\\x00/);
  await leave(kernel);
});

test('the same seed makes the same trace', async () => {
  const [first, second] = [await traced(7), await traced(7)];
  assert.equal(first, second);
  assert.ok(first.length > 50);
});

test.run();
