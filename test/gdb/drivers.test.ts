/** Stock gdb on drivers: code in kernel mode is a part of the thread on whose behalf it runs. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readEmbeddedBusybox } from '../../kernel-core/host-userland.js';
import type { Kernel } from '../../kernel-core/index.js';
import { banos, PROJECT } from '../cli/command.js';
import { collect } from '../support/guest.js';
import { asOptions, bootForGdb, compile, connect, hasTools, normalised, startGdb } from './debug.js';

const objects = mkdtempSync(join(tmpdir(), 'banos-gdb-drivers-'));
test.after(() => rmSync(objects, { recursive: true, force: true }));

/** Compiles an example driver as people do who debug. */
function compileDriver(name: string, folder = join(PROJECT, 'drivers', 'examples')): string {
  const object = join(objects, `${name}.o`);
  const source = join(folder, `${name}.c`);
  const flags = ['-g', '-O1', '-fno-inline', '-fno-omit-frame-pointer', '-ffreestanding'];
  const include = `-I${join(PROJECT, 'drivers', 'include')}`;
  const { status, stderr } = spawnSync('gcc', [...flags, include, '-c', '-o', object, source]);
  assert.is(status, 0, String(stderr));
  return object;
}

/** Shell commands that print where a module's sections are. */
const sectionsOf = (module: string): string =>
  `cd /sys/module/${module}/sections && for s in .[a-z]*; do echo $s $(cat $s); done`;

/** @param sections what those printed */
function addSymbols(object: string, sections: string): string {
  const lines = sections.trim().split('\n');
  return `add-symbol-file ${object} ${lines.map((line) => `-s ${line}`).join(' ')}`;
}

/** A kernel with the driver, and gdb's command that reads the driver's symbols. */
async function bootWithDriver(name: string, folder?: string): Promise<{ kernel: Kernel; addSymbols: string }> {
  const object = compileDriver(name, folder);
  const kernel = await bootForGdb({ gdb: { port: 0 }, mounts: [{ host: objects, guest: '/drivers', readOnly: true }] });
  const script = `insmod /drivers/${name}.o && ${sectionsOf(name)}`;
  const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
  assert.is(stderr, '');
  return { kernel, addSymbols: addSymbols(object, stdout) };
}

async function debugDriver(
  commands: readonly string[],
  name = 'message',
  folder?: string,
): Promise<{ text: string; code: number | null }> {
  const { kernel, addSymbols } = await bootWithDriver(name, folder);
  const child = kernel.spawn([compile(`${name}_user`, '-static')], { env: {} });
  const session = startGdb(
    asOptions([connect(kernel, 'extended-remote'), `attach ${child.pid}`, addSymbols, ...commands]),
  );
  // It waits for that byte: gdb has attached by the time it is there.
  while (!session.text().includes('add symbol table')) await new Promise((resolve) => setTimeout(resolve, 20));
  child.stdin!.end('x');
  const text = normalised(await session.output);
  const { code } = await child.exit;
  assert.is((await collect(kernel.spawn(['rmmod', name]))).stderr, '');
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

const PROGRAMS = join(PROJECT, 'test', 'gdb', 'programs');

test('where a driver cannot be stopped, gdb is told that it went on: poll, a spinlock', async () => {
  const commands = ['break locker_poll', 'break locked', 'break unlocked', 'watch value', 'continue', 'print value'];
  const { text, code } = await debugDriver([...commands, 'continue', 'delete', 'continue'], 'locker', PROGRAMS);
  assert.match(
    text,
    /breakpoint at locker_poll\+0x[0-9a-f]+\/0x[0-9a-f]+ \[locker\] passed over: on behalf of the kernel\n/,
    text,
  );
  assert.is(text.match(/breakpoint at locked\+\S+ \[locker\] passed over: with a spinlock held\n/g)?.length, 1, text);
  assert.match(text, /watchpoint at locked\+\S+ \[locker\] passed over: with a spinlock held\n/);
  assert.match(text, /Breakpoint 3, unlocked \(\)/);
  assert.match(text, '$1 = 3\n');
  assert.match(text, /watchpoint 4: value\n\nOld value = 0\nNew value = 6\n/);
  assert.is(code, 40);
});

test('steps go over what holds a spinlock', async () => {
  const steps =
    "for _ in range(60): gdb.execute('stepi'); print('AT', gdb.parse_and_eval('value'), gdb.execute('info symbol $pc', to_string=True))";
  const { text, code } = await debugDriver(
    ['break locker_write', 'continue', `python exec("""${steps}""")`, 'delete', 'continue'],
    'locker',
    PROGRAMS,
  );
  const places = [...text.matchAll(/^AT (\d+) (\w+)/gm)].map(([, value, symbol]) => `${symbol} ${value}`);
  assert.is(places.length, 60, text);
  for (const place of ['locker_write 0', 'locker_write 3', 'unlocked 3', 'unlocked 6', 'locker_write 6']) {
    assert.ok(places.includes(place), `${place}: ${places}`);
  }
  assert.not.ok(
    places.some((place) => /^locked|1$/.test(place)),
    `${places}`,
  );
  assert.is(code, 40);
});

test('gdb goes while a driver is stopped: the call goes on', async () => {
  const { code } = await debugDriver(['break message_write', 'continue', 'python import os; os._exit(0)']);
  assert.is(code, 40);
});

test('--crash-dump: gdb shows where the driver was, with lines and values', async () => {
  const object = compileDriver('crasher', PROGRAMS);
  const core = join(objects, 'core');
  const script = `insmod /drivers/crasher.o && (${sectionsOf('crasher')}); for i in 1 2; do echo x > /dev/crasher || echo failed; done`;
  const args = ['run', '--crash-dump', core, '--mount', `${objects}:/drivers:ro`, '--', 'sh', '-c', script];
  const { stdout, stderr, status } = await banos(args);
  assert.is(status, 0, stderr);
  assert.match(stderr, `banos: a driver has crashed: the kernel's core is in ${core}\n`);
  assert.is(stderr.split('has crashed').length, 2, 'the first crash only');
  const [sections] = stdout.split('failed');
  const { output } = startGdb([
    ...asOptions([
      addSymbols(object, sections!),
      `core-file ${core}`,
      'backtrace 2',
      'print first.value',
      'print *first.next',
    ]),
    ...asOptions(['up', 'info registers cs']),
  ]);
  const text = await output;
  assert.match(text, /terminated with signal SIGSEGV/, text);
  assert.match(text, /#0 .*third_value \(node=.*<first>\) at .*crasher\.c:13\n13/);
  assert.match(text, /#1 .* in crasher_write \(.*\) at .*crasher\.c:17/);
  assert.match(text, /\$1 = 6\n\$2 = \{value = 7, next = 0x0\}/);
  assert.match(text, /cs +0x10/);
});

if (!hasTools || readEmbeddedBusybox() === null)
  console.log('SKIP gdb on drivers: it needs gdb, gcc and busybox-static');
else test.run();
