/** Devices of drivers, used by TypeScript programs and by the embedder; files in /proc/driver. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { O_RDWR } from '../../abi/fcntl.js';
import { bootAs } from '../../kernel-core/boot.js';
import type { Kernel as Inner } from '../../kernel-core/kernel.js';
import { Kernel } from '../../libc/kernel.js';
import { collect } from '../support/guest.js';
import { compileDriver, hasCompiler, initDriver, loadDriver } from './support.js';

class OpenLibcKernel extends Kernel {
  readonly inner: Inner;

  constructor(kernel: Inner, dispose: () => void) {
    super(kernel, dispose);
    this.inner = kernel;
  }
}

const MESSAGE_GET_LENGTH = 0x80046d01;
const MESSAGE_SET_LIMIT = 0x40046d03;

if (!hasCompiler) console.log('SKIP drivers and TypeScript programs: they need gcc on x86-64');
else {
  test('a TypeScript program and a shell talk through a driver', async () => {
    const kernel = await bootAs(OpenLibcKernel, {});
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(readFileSync('drivers/examples/message.c', 'utf8')), 'message');
    assert.is(initDriver(inner, driver), 0);
    const said: unknown[] = [];
    kernel.installProgram('/bin/listener', async (libc) => {
      const fd = await libc.open('/dev/message0', O_RDWR);
      const limit = new Uint8Array([8, 0, 0, 0]);
      await libc.ioctl(fd, MESSAGE_SET_LIMIT, limit);
      const bytes = new Uint8Array(100);
      // Sleeps in the driver until the shell has written.
      const count = await libc.read(fd, bytes);
      said.push(Buffer.from(bytes.subarray(0, count)).toString());
      // Eight bytes fit: the rest of the write sleeps until the other side has read.
      said.push(await libc.write(fd, Buffer.from('0123456789abcdef')));
      const length = new Uint8Array(4);
      await libc.ioctl(fd, MESSAGE_GET_LENGTH, length);
      said.push(length[0]);
      await libc.ioctl(fd, 0x1234).catch((error: { code: string }) => said.push(error.code));
      await libc.close(fd);
    });
    const listener = kernel.spawn(['/bin/listener']);
    const shell = kernel.spawn(['sh', '-c', 'echo hi > /dev/message0; while ! head -c 16 /dev/message0; do :; done']);
    assert.is((await collect(shell)).stdout, '0123456789abcdef');
    assert.is((await listener.exit).code, 0);
    assert.equal(said, ['hi\n', 16, 0, 'ENOTTY']);
    assert.is(driver.owner.holds, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a driver shows itself and is set up by a file in /proc/driver, which goes with it', async () => {
    const kernel = await bootAs(OpenLibcKernel, { seed: 5 });
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(readFileSync('test/drivers/walk.c', 'utf8')), 'walk');
    assert.is(initDriver(inner, driver), 0);
    const script =
      'head -n 6 /dev/walk; ' +
      'echo 7 > /proc/driver/walk; cat /proc/driver/walk; echo x > /proc/driver/walk || echo refused; ls -l /proc/driver';
    const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
    const lines = stdout.trimEnd().split('\n');
    const values = lines.slice(0, 6).map(Number);
    // Steps of at most three, as the driver makes them; readers miss none when they are fast.
    for (const [i, value] of values.entries()) assert.ok(Math.abs(value - (values[i - 1] ?? 0)) <= 9, stdout);
    assert.match(lines[6]!, /^measurements \d+$/);
    assert.is(lines[7], 'interval 7 ms');
    assert.is(lines[8], 'refused');
    assert.match(lines[10]!, /^-rw-r--r-- .* walk$/, stderr);
    const held = kernel.spawn(['sh', '-c', 'exec 3< /proc/driver/walk; echo open; read x; cat <&3']);
    const outcome = new Promise<string>((resolve) => {
      let text = '';
      held.stderr!.on('data', (bytes) => (text += bytes));
      held.stderr!.on('end', () => resolve(text));
    });
    await new Promise((resolve) => held.stdout!.once('data', resolve));
    driver.owner.release();
    held.stdin!.end('go\n');
    assert.match(await outcome, /No such device/);
    assert.is((await collect(kernel.spawn(['ls', '/proc/driver', '/dev/walk']))).stdout.trim(), '/proc/driver:');
    assert.is(inner.drivers.heap.blocks, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
