/** Debugging with stock gdb: what it shows of a program in Banos is what it shows of it on the host. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { asOptions, bootForGdb, compile, connect, guest, hasTools, native, normalised, startGdb } from './debug.js';

interface Scenario {
  name: string;
  program: string;
  flags?: string[];
  args?: string[];
  commands: string[];
}

/** Compared line by line with gdb on the host. */
const SCENARIOS: Scenario[] = [
  {
    name: 'breakpoints by function and line, conditions, steps, variables',
    program: 'values',
    flags: ['-static'],
    commands: [
      ...['break main', 'continue', 'next', 'next', 'next', 'print text', 'print p', 'print &global'],
      ...['break values.c:26 if i == 7', 'continue', 'print i', 'print p.x', 'set variable p.x = 1000', 'next', 'next'],
      ...['break depth if n == 1', 'continue', 'backtrace', 'finish', 'up', 'info frame', 'down', 'delete', 'until 30'],
      ...['step', 'info args', 'next', 'next', 'print doubles', 'ptype p', 'print $rip', 'x/4i $pc', 'stepi', 'nexti'],
      ...['x/12xb $pc', 'tbreak values.c:33', 'continue', 'info registers rip rbp cs ss ds eflags', 'continue'],
    ],
  },
  {
    name: 'x87 and SSE registers',
    program: 'values',
    flags: ['-static'],
    commands: [
      ...[
        'break extended',
        'continue',
        'stepi',
        'stepi',
        'stepi',
        'info registers st0 st7 fctrl fstat ftag',
        'stepi',
        'info registers st0 ftag',
        'info float',
        'stepi',
        'info float',
        'stepi',
        'stepi',
        'info float',
      ],
      ...['break scale', 'continue', 'stepi', 'stepi', 'stepi', 'print $xmm0', 'print $xmm1', 'print $mxcsr', 'finish'],
    ],
  },
  {
    name: 'a dynamic program, position-independent: relocation, libraries, arguments',
    program: 'values',
    args: ['abc'],
    commands: [
      ...[
        'break main',
        'continue',
        'print argv[1]',
        'print argc',
        'x/s argv[1]',
        'break scale',
        'continue',
        'backtrace',
      ],
      ...['info symbol scale', 'info line scale', 'x/2i scale', 'finish', 'continue'],
    ],
  },
  {
    name: 'single steps through a program, one by one',
    program: 'values',
    flags: ['-static'],
    commands: [
      ...[
        'break values.c:24',
        'continue',
        'stepi 7',
        'nexti 3',
        'stepi 20',
        'nexti 20',
        'print $rip',
        'print p',
        'print global',
      ],
      ...['stepi 100', 'print $rip', 'print $eflags', 'print $sp'],
    ],
  },
  {
    name: 'signals: stopped before delivery, passed, suppressed; a fault at its line',
    program: 'crash',
    flags: ['-static'],
    commands: [
      ...[
        'handle SIGWINCH stop print',
        'continue',
        'print $_siginfo.si_signo',
        'print caught',
        'signal 0',
        'print caught',
      ],
      ...['signal SIGUSR1', 'backtrace 1', 'print caught', 'continue', 'backtrace', 'print nowhere'],
      ...[
        'print $_siginfo.si_signo',
        'print $_siginfo.si_code',
        'print $_siginfo._sifields._sigfault.si_addr',
        'continue',
      ],
    ],
  },
  {
    name: 'a signal handler: a step into it, the frame behind it, the return',
    program: 'crash',
    flags: ['-static'],
    commands: [
      'break handler',
      'continue',
      'signal SIGUSR1',
      'backtrace',
      'finish',
      'handle SIGUSR1 nostop noprint',
      'next 2',
    ],
  },
  {
    name: 'hardware breakpoints',
    program: 'values',
    flags: ['-static'],
    commands: ['hbreak depth', 'continue', 'continue', 'backtrace', 'info breakpoints', 'delete', 'continue'],
  },
  {
    name: 'software watchpoints',
    program: 'values',
    flags: ['-static'],
    commands: [
      'break values.c:24',
      'continue',
      'set can-use-hw-watchpoints 0',
      'watch global',
      'continue',
      'continue',
      'delete',
      'continue',
    ],
  },
  {
    name: 'fork: parent and child, exec',
    program: 'family',
    flags: ['-static'],
    commands: ['set follow-fork-mode child', 'break in_child', 'continue', 'backtrace', 'continue', 'info inferiors'],
  },
  {
    name: 'catchpoints of fork, vfork and exec',
    program: 'family',
    flags: ['-static'],
    commands: [...['catch fork', 'catch vfork', 'catch exec', 'continue', 'bt -1', 'continue', 'bt -1', 'continue']],
  },
  {
    name: 'both sides of a fork',
    program: 'family',
    flags: ['-static'],
    commands: [
      ...['set detach-on-fork off', 'set schedule-multiple on', 'break in_child', 'continue', 'backtrace', 'print n'],
    ],
  },
];

for (const { name, program, flags = [], args = [], commands } of SCENARIOS) {
  test(`as on the host: ${name}`, async () => {
    const file = compile(program, ...flags);
    const expected = native(file, args, commands);
    const { kernel, child, output } = await guest(file, args, commands);
    const [here, there] = [normalised(await output), normalised(await expected)];
    await child.exit;
    kernel.assertIdle();
    await kernel.shutdown();
    assert.is(here, there);
  });
}

/** Commands on a program in Banos. @returns what gdb said, and how the program ended */
async function debug(
  program: string,
  commands: readonly string[],
  options: Parameters<typeof guest>[3] & { flags?: string[]; args?: string[] } = {},
): Promise<{ text: string; code: number | null; signal: string | null }> {
  const { flags = ['-static'], args = [], ...more } = options;
  const { kernel, child, output } = await guest(compile(program, ...flags), args, commands, more);
  const text = await output;
  const { code, signal } = await child.exit;
  kernel.assertIdle();
  await kernel.shutdown();
  return { text: normalised(text), code, signal };
}

test('functions of the program can be called, also from a thread that sleeps in a call', async () => {
  const { text, code } = await debug('values', [
    ...[
      'break extended',
      'continue',
      'print scale(3)',
      'print depth(6)',
      'print scale(scale(4))',
      'print (int)strlen("four")',
    ],
    ...['finish', 'delete', 'continue'],
  ]);
  assert.match(text, '$1 = 4.5\n$2 = 7\n$3 = 9\n$4 = 4\n');
  assert.match(text, 'Value returned is $5 = 1.33333333333333333337');
  assert.is(code, 51);
});

for (const translator of [undefined, false] as const) {
  test(`watchpoints of the processor${translator === false ? ', interpreted' : ''}`, async () => {
    const { text, code } = await debug(
      'watched',
      ['watch block.value', 'rwatch sum', 'break main', ...new Array(10).fill('continue')],
      { translator },
    );
    const seen = text.split('\n').filter((line) => /^(Old|New|Value|watched|Hardware|main|\d+\t)/.test(line));
    const values = seen.filter((line) => /^(Old|New|Value)/.test(line)).map((line) => line.replace(/ value/, ''));
    // 7; byte 3 of it; `sum += …` reads and writes; rep movsb copies zeros over it; then a store of the same value.
    assert.equal(values.slice(0, 4), ['Old = 0', 'New = 7', 'Old = 7', `New = ${7 + 2 * 2 ** 24}`]);
    assert.match(text, 'Hardware read watchpoint 2: sum');
    assert.match(
      text,
      /Old value = 33554439\nNew value = 2533274790395904\n(?:.*\n)*Old value = 2533274790395904\nNew value = 0\n/,
    );
    assert.is(code, 0);
  });
}

test('threads: names, backtraces of all, a step of one while others stand still', async () => {
  const { text, code } = await debug(
    'threads',
    [
      ...['break meet if n == 2', 'continue', 'info threads', 'thread apply all backtrace -full 1', 'print n'],
      ...['set scheduler-locking on', 'next', 'print counts[2]', 'print counts', 'set scheduler-locking off'],
      ...['thread 1', 'up 2', 'delete', 'continue'],
    ],
    { flags: [] },
  );
  assert.match(text, /\* 3 +THREAD "threads".* meet \(n=2\)/);
  assert.match(text, /Thread 3 \(THREAD.*\n#0 +meet \(n=2\)/);
  assert.match(text, '\n$1 = 2\n');
  assert.match(text, '\n$2 = 3\n');
  assert.is(code, 18);
});

test('all threads end when one ends the process while the others may not run', async () => {
  const { text } = await debug(
    'threads',
    ['break meet if n == 2', 'continue', 'set scheduler-locking on', 'call (void)_exit(7)'],
    { flags: [] },
  );
  assert.match(text, 'exited with code 07');
});

test('Ctrl-C stops an endless loop, a variable set there ends it; Ctrl-C in a read, which goes on', async () => {
  const session = await guest(
    compile('endless', '-static'),
    [],
    [
      ...[
        'continue',
        'backtrace 1',
        'print turns > 1000',
        'set variable go = 0',
        'continue',
        'backtrace -3',
        'print $orig_rax',
      ],
      ...['print $rax', 'print twice(2)', 'continue'],
    ],
    { input: null },
  );
  const { kernel, child, output } = session;
  const isAsleep = (): boolean =>
    kernel.dump().processes.some(({ pid, state }) => pid === child.pid && state === 'sleeping');
  await interrupt(session, 1, () => kernel.cpuStats().instructions > 3_000_000);
  await interrupt(session, 2, isAsleep);
  child.stdin!.write('x');
  const text = normalised(await output);
  assert.is((await child.exit).code, 120);
  await kernel.shutdown();
  assert.is(text.split('Program received signal SIGINT').length, 3);
  assert.match(text, /in spin \(\)|#0 +spin \(\)/);
  assert.match(text, '$1 = 1');
  assert.match(text, '$2 = 0\n$3 = -512\n$4 = 4\n');
});

/**
 * Presses Ctrl-C once something is so, and again as long as gdb does not show that the program got it: while it is about to
 * let the program go on it takes no notice.
 * @param count how many there are then
 */
async function interrupt(
  session: Awaited<ReturnType<typeof guest>>,
  count: number,
  isTime: () => boolean,
): Promise<void> {
  const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  while (!isTime()) await pause(20);
  await pause(300);
  for (let tries = 0; session.text().split('received signal SIGINT').length <= count; tries++) {
    if (tries % 50 === 0) process.kill(session.pid, 'SIGINT');
    await pause(100);
  }
}

test('detach: the program goes on by itself, with its breakpoints gone', async () => {
  const { text, code } = await debug('values', ['break depth', 'continue', 'detach']);
  assert.match(text, 'Breakpoint 1, depth (n=3)');
  assert.match(text, 'detached');
  assert.is(code, 51);
});

test('gdb goes away without a word: the program goes on', async () => {
  const { text, code } = await debug('values', ['break depth', 'continue', 'python import os; os._exit(0)']);
  assert.match(text, 'Breakpoint 1, depth (n=3)');
  assert.is(code, 51);
});

test('run: started by gdb with arguments, environment and directory; what it writes; again; what is not there', async () => {
  const program = compile('started', '-static');
  const kernel = await bootForGdb({ gdb: { port: 0 } });
  const { output } = startGdb([
    ...asOptions([
      connect(kernel, 'extended-remote'),
      `set remote exec-file ${program}`,
      'run',
      'set environment X some thing',
    ]),
    ...asOptions(['unset environment HOME', 'set cwd /tmp', 'break twice', "run a 'b c'", 'backtrace', 'finish']),
    ...asOptions(['echo ---\n', 'continue', 'delete', 'run', 'break twice', 'run', 'kill']),
    ...asOptions(['set remote exec-file /none', 'run', 'set remote exec-file true', 'run']),
    program,
  ]);
  const text = normalised(await output).replaceAll('\r', '');
  const end = '[Inferior 1 (THREAD) exited with code 06]\n';
  const shown = '3 arguments: <a> <b c>, X=some thing, HOME=(null), in /tmp, terminal 1\n';
  const [before, after = ''] = text.split('---\n');
  assert.ok(text.includes('1 arguments: X=(null), HOME=/root, in /, terminal 1\n'), text);
  assert.ok(before!.includes(shown), text);
  assert.match(before!, /Breakpoint 1, twice \(n=3\)[\s\S]*#1 .* in main \(argc=3/);
  assert.match(before!, /Value returned is \$1 = 6/);
  assert.ok(after.includes(end), text);
  assert.is(after.split(shown).length, 3, text);
  assert.match(after, /Breakpoint 2, twice/);
  assert.match(after, /\[Inferior 1 \(THREAD\) killed\]/);
  assert.match(after, /Running "\/none" on the remote target failed/);
  assert.match(after, /exited normally\]/, 'found on PATH');
  kernel.assertIdle();
  await kernel.shutdown();
});

test('kill', async () => {
  const { signal } = await debug('values', ['break depth', 'continue', 'kill']);
  assert.is(signal, 'SIGKILL');
});

test('a jump, a return from a frame, a forced value: text that may not be written is', async () => {
  const { text, code } = await debug('values', [
    ...['break depth', 'continue', 'delete', 'return 40', 'next', 'print d'],
    // The program's own code: mov eax, 9; leave; ret at the line that computes what it returns.
    ...['tbreak values.c:32', 'continue', 'set {unsigned char[7]}$pc = {0xb8, 9, 0, 0, 0, 0xc9, 0xc3}', 'continue'],
  ]);
  assert.match(text, '$1 = 40');
  assert.is(code, 9);
});

test('who attaches: a process that runs already, by its number; a breakpoint of it is none of another with the same file', async () => {
  const kernel = await bootForGdb({ gdb: { port: 0 } });
  const program = compile('endless', '-static');
  const [first, second] = [0, 1].map(() => kernel.spawn([program], { env: {} }));
  const { output } = startGdb([
    ...['-ex', connect(kernel, 'extended-remote'), '-ex', `attach ${second!.pid}`, '-ex', 'bt -1'],
    ...[
      '-ex',
      'tbreak endless.c:15',
      '-ex',
      'set variable go = 0',
      '-ex',
      'continue',
      '-ex',
      'print byte',
      '-ex',
      'detach',
    ],
  ]);
  const text = normalised(await output);
  assert.match(text, 'in main () at');
  assert.match(text, '$1 = 1 ');
  second!.stdin!.end('A');
  assert.is((await second!.exit).code, 65);
  first!.kill('SIGKILL');
  await first!.exit;
  kernel.assertIdle();
  await kernel.shutdown();
});

if (!hasTools) console.log('SKIP gdb: it needs gdb and gcc');
else test.run();
