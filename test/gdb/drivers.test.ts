/** Stock gdb on drivers: code in kernel mode is a part of the thread on whose behalf it runs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readEmbeddedBusybox } from '../../kernel-core/host-userland.js';
import type { Kernel } from '../../kernel-core/index.js';
import { PROJECT } from '../cli/command.js';
import { collect } from '../support/guest.js';
import { asOptions, bootForGdb, compile, connect, hasTools, normalised, startGdb } from './debug.js';

const objects = mkdtempSync(join(tmpdir(), 'banos-gdb-drivers-'));
test.after(() => rmSync(objects, { recursive: true, force: true }));

/** Compiles an example driver as people do who debug. */
function compileDriver(name: string): string {
  const object = join(objects, `${name}.o`);
  const source = join(PROJECT, 'drivers', 'examples', `${name}.c`);
  const flags = ['-g', '-O1', '-fno-inline', '-fno-omit-frame-pointer', '-ffreestanding'];
  const include = `-I${join(PROJECT, 'drivers', 'include')}`;
  const { status, stderr } = spawnSync('gcc', [...flags, include, '-c', '-o', object, source]);
  assert.is(status, 0, String(stderr));
  return object;
}

/** A kernel with the message device, and gdb's command that reads the driver's symbols. */
async function bootWithDriver(): Promise<{ kernel: Kernel; addSymbols: string }> {
  const object = compileDriver('message');
  const kernel = await bootForGdb({ gdb: { port: 0 }, mounts: [{ host: objects, guest: '/drivers', readOnly: true }] });
  const script =
    'insmod /drivers/message.o && cd /sys/module/message/sections && for s in .text .data .bss .rodata; do [ -e $s ] && echo $s $(cat $s); done';
  const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
  assert.is(stderr, '');
  const sections = stdout
    .trim()
    .split('\n')
    .map((line) => `-s ${line}`)
    .join(' ');
  return { kernel, addSymbols: `add-symbol-file ${object} ${sections}` };
}

async function debugDriver(commands: readonly string[]): Promise<{ text: string; code: number | null }> {
  const { kernel, addSymbols } = await bootWithDriver();
  const child = kernel.spawn([compile('message_user', '-static')], { env: {} });
  const session = startGdb(
    asOptions([connect(kernel, 'extended-remote'), `attach ${child.pid}`, addSymbols, ...commands]),
  );
  // It waits for that byte: gdb has attached by the time it is there.
  while (!session.text().includes('add symbol table')) await new Promise((resolve) => setTimeout(resolve, 20));
  child.stdin!.end('x');
  const text = normalised(await session.output);
  const { code } = await child.exit;
  assert.is((await collect(kernel.spawn(['rmmod', 'message']))).stderr, '');
  await kernel.shutdown();
  return { text, code };
}

test('a breakpoint in a driver: arguments, lines, its memory, a step, the way out, the program goes on', async () => {
  const { text, code } = await debugDriver([
    ...[
      'break message_write',
      'continue',
      'print file->minor',
      'print file->number',
      'info registers cs',
      'next',
      'next',
    ],
    ...[
      'backtrace 1',
      'break tell',
      'continue',
      'print ring->length',
      'print rings[1].bytes[0]',
      'print/c rings[1].bytes[2]',
    ],
    ...['up', 'info symbol $pc', 'delete', 'continue'],
  ]);
  assert.match(text, /Breakpoint 1, message_write \(/, text);
  assert.match(text, '$1 = 1\n');
  assert.match(text, /cs +0x10 +16/);
  assert.match(text, /Breakpoint 2, tell \(/);
  assert.match(text, /\$3 = 3\n\$4 = 97 'a'\n\$5 = 99 'c'/);
  assert.match(text, 'message_write + ');
  assert.is(code, 40);
});

test('steps lead out of a driver into the program', async () => {
  const { text, code } = await debugDriver([
    ...[
      'break message_read',
      'continue',
      'finish',
      'print $',
      'delete',
      'stepi',
      'stepi',
      'stepi',
      'print $cs',
      'continue',
    ],
  ]);
  assert.match(text, /Breakpoint 1, message_read \(/);
  assert.match(text, '= 51\n', text);
  assert.is(code, 40);
});

test('driver data is changed, and watched', async () => {
  const { text, code } = await debugDriver([
    ...['break message_write', 'continue', 'watch rings[1].length', 'continue', 'continue', 'delete'],
    ...[
      'set variable rings[1].bytes[0] = 65',
      'print rings[1].bytes[0]',
      'set variable rings[1].bytes[0] = 97',
      'continue',
    ],
  ]);
  assert.match(text, /Old value = 0\nNew value = 3\n/, text);
  assert.match(text, /Old value = 3\nNew value = 0\n/);
  assert.match(text, "= 65 'A'");
  assert.is(code, 40);
});

test('the registers of a driver are changed: what it returns is what the program gets', async () => {
  const { text, code } = await debugDriver([
    ...['break message_write', 'continue', 'delete', 'return (long)-5', 'continue'],
  ]);
  assert.match(text, /Breakpoint 1, message_write/);
  assert.is(code, 2, text);
});

test('gdb goes while a driver is stopped: the call goes on', async () => {
  const { code } = await debugDriver(['break message_write', 'continue', 'python import os; os._exit(0)']);
  assert.is(code, 40);
});

if (!hasTools || readEmbeddedBusybox() === null)
  console.log('SKIP gdb on drivers: it needs gdb, gcc and busybox-static');
else test.run();
