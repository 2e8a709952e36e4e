/** Drivers that clang has compiled, as it does by itself and in the code models of kernels; its opinion of the headers. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { withMachine } from './support.js';

const MODELS: Readonly<Record<string, readonly string[]>> = {
  'as it does by itself': [],
  'kernel code model': ['-fno-pic', '-mcmodel=kernel'],
  'large code model': ['-fno-pic', '-mcmodel=large'],
  'no optimisation': ['-O0', '-g'],
};
const EXAMPLES = ['message', 'sensor', 'ramdisk', 'counter_lib', 'counter_user'];

const directory = mkdtempSync(join(tmpdir(), 'banos-clang-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

function compile(name: string, flags: readonly string[]): Uint8Array {
  const path = join(directory, `${name}.o`);
  const warnings = ['-Wall', '-Wextra', '-Werror'];
  const source = `drivers/examples/${name}.c`;
  const all = ['-O2', '-ffreestanding', ...warnings, '-Idrivers/include', ...flags, '-c', '-o', path, source];
  const { status, stderr } = spawnSync('clang', all, { encoding: 'latin1' });
  assert.is(status, 0, stderr);
  return new Uint8Array(readFileSync(path));
}

if (!hasCompiler) console.log('SKIP drivers by clang: they need gcc on x86-64');
else if (spawnSync('clang', ['--version']).status !== 0) console.log('SKIP drivers by clang: it is not installed');
else {
  for (const [model, flags] of Object.entries(MODELS)) {
    test(`drivers by clang are loaded, work and go: ${model}`, () =>
      withMachine(
        Object.fromEntries(EXAMPLES.map((name) => [`${name}.ko`, compile(name, flags)])),
        async ({ say, kernel }) => {
          assert.is(
            await say(
              `cp /drivers/*.ko /lib/modules/$(uname -r)/extra
              insmod /drivers/message.ko; (usleep 1000; echo hello > /dev/message1) & head -n 1 /dev/message1; wait
              insmod /drivers/sensor.ko interval=1; head -n 2 /dev/sensor | wc -l
              insmod /drivers/ramdisk.ko size=2048; mount -t ramdiskfs -o format /dev/ramdisk1 /mnt
              cp /bin/busybox /mnt; cmp /bin/busybox /mnt/busybox; /mnt/busybox echo runs; umount /mnt
              insmod /drivers/counter_user.ko; seq 100 > /dev/tally; head -n 2 /proc/driver/counters
              for name in message sensor ramdisk counter_user counter_lib; do rmmod $name; done; cat /proc/modules`,
            ),
            'hello\n2\nruns\ntally.bytes 292\ntally.lines 100\n',
          );
          assert.is(kernel.inner.drivers.oopses, 0);
        },
      ));
  }
}

test.run();
