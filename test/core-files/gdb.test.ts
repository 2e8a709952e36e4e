/**
 * Core files of programs in stock gdb: what it shows of one that Banos wrote is what it shows of one that the host's kernel
 * wrote when the same program crashed there, where the host writes them as files at all.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { coreName } from '../../kernel-core/core-dump/name.js';
import { boot } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

const LIBRARIES = ['/lib/x86_64-linux-gnu', '/lib64'].map((path) => ({ host: path, guest: path, readOnly: true }));
const PATTERN = '/proc/sys/kernel/core_pattern';

const directory = mkdtempSync(join(tmpdir(), 'banos-core-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

const hasTools =
  process.platform === 'linux' && ['gdb', 'gcc'].every((name) => spawnSync(name, ['--version']).status === 0);
const writesFiles = existsSync(PATTERN) && readFileSync(PATTERN, 'latin1') === 'core\n';

function run(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'latin1',
    env: { PATH: process.env['PATH'], LC_ALL: 'C', DEBUGINFOD_URLS: '' },
  });
  assert.is(status, 0, `${command} ${args.join(' ')}\n${stderr}`);
  return stdout;
}

const compile = (name: string, ...flags: string[]): string => {
  const program = join(directory, [name, ...flags].join(''));
  run('gcc', ['-g', '-O0', '-pthread', ...flags, '-o', program, join(import.meta.dirname, `${name}.c`)]);
  return program;
};

/** @returns the core file, on the host */
async function crash(program: string, work: string): Promise<string> {
  mkdirSync(work);
  const kernel = await boot({
    mounts: [...LIBRARIES, { host: directory, guest: directory, readOnly: true }, { host: work, guest: '/work' }],
  });
  const script = `cd /work && ulimit -c unlimited && exec ${program} argument`;
  const { signal } = await collect(kernel.spawn(['sh', '-c', script], { env: {} }));
  assert.is(signal, 'SIGSEGV');
  kernel.assertIdle();
  await kernel.shutdown();
  return join(work, 'core');
}

function crashOnHost(program: string, work: string): string {
  mkdirSync(work);
  spawnSync('sh', ['-c', `ulimit -c unlimited && exec ${program} argument`], { cwd: work, env: {} });
  return join(work, 'core');
}

/** Numbers of threads, and addresses that the kernel chooses, are the same everywhere. */
const plain = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => !/^(warning: |\[Thread debugging|Using host|\[New LWP|$)/.test(line))
    .map((line) => line.replaceAll(/LWP \d+/g, 'LWP').replaceAll(/0x[0-9a-f]{6,}/g, 'ADDRESS'))
    .map((line) => line.replaceAll(/ +/g, ' '));

const COMMANDS = [
  ...['info threads', 'backtrace', 'frame 2', 'info locals', 'print *pair', 'print heap', 'print $_siginfo.si_signo'],
  ...[
    'print $_siginfo._sifields._sigfault.si_addr',
    'info registers cs ss ds fs orig_rax',
    'thread apply all backtrace',
  ],
  ...['info float', 'print $mxcsr', 'info auxv'],
].flatMap((command) => ['-ex', command]);

const debug = (program: string, core: string): string => run('gdb', ['-nx', '-batch', ...COMMANDS, program, core]);

/** Lines of the auxiliary vector are the machine's, the order of threads is nobody's promise. */
const comparable = (text: string): string[] =>
  plain(text)
    .filter((line) => !/^\d+ +(AT_|\?\?\?)|^ +Id +Target/.test(line))
    .map((line) => line.replace(/^[ *]+\d+ +Thread|^Thread \d+/, 'Thread'))
    .sort();

for (const flags of [[], ['-static']]) {
  const name = flags.length === 0 ? 'dynamic, position-independent' : 'static';
  if (!hasTools) {
    console.log(`SKIP gdb on core files, ${name}: it needs gdb and gcc`);
    continue;
  }
  test(`gdb opens the core file of a program with threads (${name})`, async () => {
    const program = compile('threads', ...flags);
    const text = debug(program, await crash(program, join(directory, `guest${flags.join('')}`)));
    for (const level of [0, 1, 2, 3])
      assert.match(text, new RegExp(`#${level} .*deep \\(pair=0x[0-9a-f]+, level=${level}\\)`));
    assert.match(text, /#4 .*crashes \(arg=0x[0-9a-f]+\) at .*threads\.c:48/);
    assert.is(text.match(/waits \(place=0x[0-9a-f]+ .*\) at .*threads\.c:23/g)?.length, 3);
    assert.match(text, /text = 0x[0-9a-f]+ "argument"/);
    assert.match(text, /= 0x[0-9a-f]+ "on the heap"/);
    assert.match(text, /half = 1\n/);
    assert.match(text, /si_addr = |= \(void \*\) 0x10\n/);
    assert.match(text, /AT_ENTRY/);
    if (!writesFiles) return console.log('SKIP comparison with a core file of the host: its kernel gives them away');
    const native = debug(program, crashOnHost(program, join(directory, `host${flags.join('')}`)));
    assert.equal(comparable(text), comparable(native));
  });
}

test('core_pattern, core_uses_pid: names as they say', async () => {
  const kernel = await boot();
  const script = `
    ulimit -c unlimited; mkdir /tmp/cores; cd /tmp/cores
    crash() { sh -c 'kill -SEGV $$'; ls; rm -f *; }
    cat /proc/sys/kernel/core_pattern /proc/sys/kernel/core_uses_pid
    crash
    echo 'x.%e.%s.%u.%g.%d.%h%%.%q%' >/proc/sys/kernel/core_pattern; crash
    echo 'E%E.%f.%c' >/proc/sys/kernel/core_pattern; crash
    echo c >/proc/sys/kernel/core_pattern; echo 1 >/proc/sys/kernel/core_uses_pid; crash | sed 's/[0-9][0-9]*/PID/'
    echo c.%p >/proc/sys/kernel/core_pattern; crash | sed 's/[0-9][0-9]*/PID/'
    echo 0 >/proc/sys/kernel/core_uses_pid
    echo '|/bin/cat' >/proc/sys/kernel/core_pattern || echo refused; cat /proc/sys/kernel/core_pattern
    echo missing/%e >/proc/sys/kernel/core_pattern; crash
    echo /tmp/core.%e >/proc/sys/kernel/core_pattern; crash; ls /tmp
    echo >/proc/sys/kernel/core_pattern; crash; cat /proc/sys/kernel/core_pattern`;
  const { stdout } = await collect(kernel.spawn(['sh', '-c', script], { env: {} }));
  assert.equal(stdout.split('\n'), [
    ...['core', '0', 'core', `x.sh.11.0.0.1.banos%.`, 'E!bin!busybox.busybox.18446744073709551615', 'c.PID', 'c.PID'],
    ...['refused', 'c.%p', 'core.sh', 'cores', '', ''],
  ]);
  await kernel.shutdown();
});

test('suid_dumpable: programs with other rights', async () => {
  const kernel = await boot();
  const script = `
    ulimit -c unlimited; mkdir /tmp/other /tmp/unreadable; cd /tmp
    cp -L /bin/busybox other; chown 1000 other/busybox; chmod 4755 other/busybox
    cp -L /bin/busybox unreadable; chmod 711 unreadable/busybox; mkdir -m 777 work; cd work
    try() { ../other/busybox sh -c 'kill -SEGV $$'; setuidgid 2000:2000 ../unreadable/busybox sh -c 'kill -SEGV $$'
      for f in * ../abs.*; do test -f $f && stat -c '%n %u %a' $f && rm -f $f; done; }
    for kind in 0 1 2; do echo $kind >/proc/sys/fs/suid_dumpable; echo "$kind:"; try; done
    echo '/tmp/abs.%u.%d' >/proc/sys/kernel/core_pattern; echo absolute; try; echo 3 >/proc/sys/fs/suid_dumpable || echo no`;
  const { stdout } = await collect(kernel.spawn(['sh', '-c', script], { env: {} }));
  assert.equal(stdout.split('\n'), [
    ...['0:', '1:', 'core 2000 600', '2:', 'absolute', '../abs.0.2 0 600', '../abs.2000.2 0 600', 'no', ''],
  ]);
  await kernel.shutdown();
});

test('suid_dumpable 2: nobody but the superuser looks into such programs', async () => {
  const kernel = await boot();
  const script = `
    mkdir /tmp/unreadable; cd /tmp/unreadable; cp -L /bin/busybox .; chmod 711 busybox
    for kind in 1 2; do
      echo $kind >/proc/sys/fs/suid_dumpable
      setuidgid 2000:2000 ./busybox sleep 1000 & until grep -q sleep /proc/$!/cmdline; do :; done
      echo $kind $(stat -c %u /proc/$!/status /proc/$!/fd /proc/$!) $(setuidgid 2000:2000 cat /proc/$!/environ | wc -c)
      kill $!
    done`;
  const { stdout } = await collect(kernel.spawn(['sh', '-c', script], { env: { A: 'b' } }));
  const [readable = '', refused] = stdout.split('\n');
  assert.match(readable, /^1 2000 2000 2000 [1-9]/);
  assert.is(refused, '2 0 0 2000 0');
  await kernel.shutdown();
});

test('a program’s name leads nowhere else', () => {
  const facts = { pid: 7, tid: 8, uid: 1, gid: 2, dumpable: 1, signal: 11, time: 5, limit: 4096 };
  const name = (comm: string, executable: string | null, hostname = 'h'): string =>
    coreName('/c/%e/%f/%E/%h', false, { ...facts, comm, executable, hostname });
  assert.is(name('../x', '/a/b'), '/c/..!x/b/!a!b/h');
  assert.is(name('..', '/..', '.'), '/c/!./!./!../!');
  assert.is(name('', null, ''), '/c/!/ (path unknown)/ (path unknown)/!');
  assert.is(coreName('%p%P%i%I%t%C', true, { ...facts, comm: '', executable: null, hostname: '' }), '778850');
});

test('mappings of a terabyte: their core file has holes, and is soon written', async () => {
  if (!hasTools) return console.log('SKIP core files with holes: it needs gcc');
  compile('huge', '-static');
  const kernel = await boot({ mounts: [{ host: directory, guest: directory, readOnly: true }] });
  const script = `cd /tmp && ulimit -c unlimited && ${directory}/huge-static; echo $?; stat -c '%s %b' core`;
  const { stdout } = await collect(kernel.spawn(['sh', '-c', script], { env: {} }));
  const [status, facts = ''] = stdout.split('\n');
  assert.is(status, '134');
  const [size = 0, blocks = 0] = facts.split(' ').map(Number);
  assert.ok(size > 3 * 2 ** 40 && size < 3.01 * 2 ** 40, facts);
  assert.ok(blocks * 512 < 2 ** 20, facts);
  kernel.assertIdle();
  await kernel.shutdown();
});

test('readelf reads the notes', async () => {
  if (!hasTools) return console.log('SKIP readelf on core files: it needs gcc and binutils');
  const core = join(directory, 'guest', 'core');
  assert.ok(existsSync(core));
  const notes = [...run('readelf', ['-nW', core]).matchAll(/^ {2}CORE +0x[0-9a-f]+\t(NT_\w+)/gm)].map(
    ([, type]) => type,
  );
  const others = ['NT_PRSTATUS', 'NT_FPREGSET'];
  assert.equal(notes, [
    ...['NT_PRSTATUS', 'NT_PRPSINFO', 'NT_SIGINFO', 'NT_AUXV', 'NT_FILE', 'NT_FPREGSET'],
    ...[...others, ...others, ...others],
  ]);
});

test.run();
