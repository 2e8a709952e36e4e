/** kernel.hostPty: a program of the host behind a terminal of the guest. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, constants as c } from '../../libc/index.js';
import { whyNoTerminal } from '../interactive/terminal.js';
import { failure, sh, text } from './support.js';

const test = suite('kernel.hostPty');
const missing = whyNoTerminal();
if (missing !== undefined) console.log(`SKIP kernel.hostPty: ${missing}`);

test('is refused unless boot allowed it', async () => {
  const kernel = await boot({ memory: 64 });
  const error = (await failure(() => kernel.hostPty(['true']))) as Error;
  assert.match(error.message, /allowHostPrograms/);
  await kernel.shutdown();
});

if (missing === undefined) {
  test('guests talk to it through the device, and see its end', async () => {
    const kernel = await boot({ memory: 64, allowHostPrograms: true });
    const pty = kernel.hostPty(['/bin/sh', '-c', 'stty -echo; stty size; read line; echo "heard $line"; exit 3'], {
      cols: 99,
      rows: 11,
    });
    const script = `exec 3<>${pty.path}; read size <&3; echo "$size"; echo hello >&3; read answer <&3; echo "$answer"; stty size <&3`;
    const { stdout } = await sh(kernel, script);
    assert.is(stdout.replaceAll('\r', ''), '11 99\nheard hello\n11 99\n');
    assert.equal(await pty.exit, { code: 3, signal: null });
    assert.is((await failure(() => kernel.libc.stat(pty.path))).code, 'ENOENT');
    await kernel.shutdown();
  });

  test('much both ways; resizing; shutdown kills it', async () => {
    const kernel = await boot({ memory: 64, allowHostPrograms: true });
    const pty = kernel.hostPty(['/bin/sh', '-c', 'stty raw -echo; echo ready; exec cat']);
    const { libc } = kernel;
    const fd = await libc.open(pty.path, c.O_RDWR | c.O_NOCTTY);
    const buffer = new Uint8Array(4096);
    let head = '';
    while (!head.includes('ready\n')) head += text(buffer, await libc.read(fd, buffer));
    const sent = 'abcdefghij'.repeat(20_000);
    const write = libc.writeAll(fd, sent);
    let received = '';
    while (received.length < sent.length) received += text(buffer, await libc.read(fd, buffer));
    await write;
    assert.ok(received === sent);
    pty.resize(50, 20);
    assert.is(libc.tcgetwinsize(fd).ws_col, 50);
    await kernel.shutdown();
    assert.equal(await pty.exit, { code: null, signal: 'SIGKILL' });
  });
}

test.run();
