/** The command: exit status, streams, options, and messages that say what to do. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { busyboxPath } from '../oracle/root.js';
import { banos, execute, MAIN, PROJECT, viaShell } from './command.js';

const folder = mkdtempSync(join(tmpdir(), 'banos-cli-'));
test.after(() => rmSync(folder, { recursive: true }));

test('help names both commands and their options', async () => {
  const help = await banos(['--help']);
  assert.is(help.status, 0);
  assert.match(help.stdout, /shell/);
  assert.match(help.stdout, /run/);
  const run = await banos(['run', '--help']);
  assert.is(run.status, 0);
  for (const option of [
    'rootfs',
    'mount',
    'env',
    'cwd',
    'user',
    'tty',
    'strace',
    'seed',
    'memory',
    'stats',
    'dump-code',
  ]) {
    assert.match(run.stdout, `--${option}`);
  }
});

test('version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8'));
  assert.is((await banos(['--version'])).stdout, `${version}\n`);
});

for (const [args, why] of [
  [['run'], 'missing required argument'],
  [['run', '--nope', 'true'], 'unknown option'],
  [['nope'], 'unknown command'],
  [['run', '--mount', 'x', 'true'], 'expected HOST:GUEST'],
  [['run', '--user', 'x', 'true'], 'expected UID'],
  [['run', '--memory', '1', 'true'], 'MiB from'],
  [['run', '--seed', 'x', 'true'], 'whole number'],
] as const) {
  test(`a wrong command line is told: banos ${args.join(' ')}`, async () => {
    const { status, stdout, stderr } = await banos(args);
    assert.is(status, 125);
    assert.is(stdout, '');
    assert.match(stderr, why);
    assert.match(stderr, 'banos --help');
  });
}

for (const [args, why] of [
  [['run', '--rootfs', join(folder, 'nosuch'), 'true'], 'no such file or directory'],
  [['run', '--rootfs', join(PROJECT, 'package.json'), 'true'], 'not a tar archive'],
  [['run', '--mount', `${join(folder, 'nosuch')}:/mnt`, 'true'], 'no such file or directory'],
] as const) {
  test(`what the host lacks is told: banos ${args.slice(1, 2)} ${why}`, async () => {
    const { status, stderr } = await banos(args);
    assert.is(status, 125);
    assert.match(stderr, /^banos: /);
    assert.match(stderr, why);
    assert.not.match(stderr, /\n {4}at /, 'no stack trace');
  });
}

if (busyboxPath() === undefined) {
  console.log('SKIP banos run: the package busybox-static is not installed');
  test('without busybox-static the command says what to do', async () => {
    const { status, stderr } = await banos(['shell']);
    assert.is(status, 125);
    assert.match(stderr, '--rootfs');
  });
} else {
  test('--no-translator interprets only', async () => {
    const script = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i';
    for (const [flags, translated] of [
      [[], true],
      [['--no-translator'], false],
    ] as const) {
      const { status, stdout, stderr } = await banos(['run', '--stats', ...flags, 'sh', '-c', script]);
      assert.equal([status, stdout], [0, '20000\n']);
      assert.is(/^ {2}translated +[1-9]/m.test(stderr), translated, stderr);
    }
  });

  test('the exit status is the program’s, 128+signal when it was killed', async () => {
    assert.is((await banos(['run', 'true'])).status, 0);
    assert.is((await banos(['run', '--', 'sh', '-c', 'exit 5'])).status, 5);
    assert.is((await banos(['run', 'sh', '-c', 'kill -TERM $$'])).status, 143);
    assert.is((await banos(['run', 'sh', '-c', 'kill -SEGV $$'])).status, 139);
  });

  test('a program that is not there is 127, one that cannot run 126', async () => {
    const missing = await banos(['run', 'nosuch']);
    assert.is(missing.status, 127);
    assert.match(missing.stderr, /^banos: .*nosuch/);
    assert.is((await banos(['run', '/etc'])).status, 126);
    const nowhere = await banos(['run', '--cwd', '/nosuch', 'true']);
    assert.equal(
      [nowhere.status, nowhere.stderr],
      [125, "banos: ENOENT: no such file or directory, chdir '/nosuch'\n"],
    );
  });

  test('streams pass through, bytes as they are', async () => {
    const { status, stdout, stderr } = await banos(['run', 'sh', '-c', 'cat; echo to error >&2'], {
      input: 'a\0b\xff\n',
    });
    assert.equal([status, stdout, stderr], [0, 'a\0bÿ\n', 'to error\n']);
  });

  test('npm start runs a script from standard input', async () => {
    const script = 'echo hi | tr a-z A-Z; ls -l /dev | grep -c null; cat /proc/mounts | grep -c " / "; exit 3\n';
    const { status, stdout } = await execute('npm', ['start', '--silent'], { input: script, cwd: PROJECT });
    assert.is(stdout, 'HI\n1\n1\n');
    assert.is(status, 3);
  });

  test('options reach the program', async () => {
    const options = ['--env', 'A=b c', '--cwd', '/tmp', '--user', '1000:100', '--memory', '64'];
    const { stdout } = await banos(['run', ...options, 'sh', '-c', 'echo $A; pwd; id -u; id -g']);
    assert.is(stdout, 'b c\n/tmp\n1000\n100\n');
    assert.is((await banos(['run', 'echo', '--help', '-t', '--strace'])).stdout, '--help -t --strace\n');
  });

  test('a mounted directory is the host’s, read-only when said so', async () => {
    writeFileSync(join(folder, 'file'), 'from the host\n');
    const script = 'cat /mnt/file; echo x > /mnt/made; echo $?';
    const readOnly = await banos(['run', '--mount', `${folder}:/mnt:ro`, 'sh', '-c', script]);
    assert.is(readOnly.stdout, 'from the host\n1\n');
    assert.match(readOnly.stderr, 'Read-only file system');
    const readWrite = await banos(['run', '--mount', `${folder}:/mnt`, 'sh', '-c', script]);
    assert.is(readWrite.stdout, 'from the host\n0\n');
    assert.is(readFileSync(join(folder, 'made'), 'utf8'), 'x\n');
  });

  test('-t without a terminal says so', async () => {
    const { status, stderr } = await banos(['run', '-t', 'true']);
    assert.is(status, 125);
    assert.match(stderr, /^banos: -t needs a terminal/);
  });

  test('closed standard streams neither hang nor throw', async () => {
    assert.is((await viaShell('eval $BANOS run cat <&-')).status, 0);
    const closedOut = await viaShell('eval $BANOS run echo x >&-');
    assert.not.match(closedOut.stderr, /\n {4}at /);
    assert.is((await viaShell('eval $BANOS run true >&- 2>&- <&-')).status, 0);
  });

  test('a reader that goes away ends the writer, as SIGPIPE would', async () => {
    const { status, stdout, stderr } = await viaShell('{ eval $BANOS run yes; echo status=$? >&2; } | head -n 2');
    assert.equal([status, stdout, stderr], [0, 'y\ny\n', 'status=141\n']);
  });

  test('a full stdout does not stall what is written to a file', async () => {
    const { stdout } = await banos([
      'run',
      'sh',
      '-c',
      'yes | head -n 200000 | wc -c; head -c 3000000 /dev/zero | wc -c',
    ]);
    assert.is(stdout, '400000\n3000000\n');
    const large = await banos(['run', 'sh', '-c', 'seq 200000']);
    assert.is(large.stdout.length, 1288895);
    assert.ok(large.stdout.endsWith('\n200000\n'));
  });

  test('--strace traces to standard error or a file', async () => {
    const traced = await banos(['run', '--strace', 'true']);
    assert.is(traced.stdout, '');
    assert.match(traced.stderr, /^exit_group\(0\) += \?$/m);
    assert.match(traced.stderr, /^\+\+\+ exited with 0 \+\+\+$/m);
    const file = join(folder, 'trace');
    const toFile = await banos(['run', `--strace=${file}`, 'echo', 'x']);
    assert.equal([toFile.stdout, toFile.stderr], ['x\n', '']);
    assert.match(readFileSync(file, 'utf8'), /^write\(1, "x\\n", 2\) += 2$/m);
  });

  test('SIGTERM reaches the program, and its end is ours', async () => {
    const child = spawn(process.execPath, [MAIN, 'run', 'sh', '-c', 'echo ready; exec sleep 1000']);
    child.stdout.once('data', () => child.kill('SIGTERM'));
    const [status] = await once(child, 'exit');
    assert.is(status, 143);
  });

  test('the run ends with its program, whatever it left running; what that wrote comes out', async () => {
    const script = 'mkfifo go; (echo left; echo >go; exec sleep 1000) & read x <go; echo program; exit 3';
    const { status, stdout } = await banos(['run', 'sh', '-c', script]);
    assert.equal([status, stdout], [3, 'left\nprogram\n']);
  });
}
test.run();
