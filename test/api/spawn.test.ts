/** `kernel.spawn` with streams: what a program gets, what comes back, and what goes wrong in which way. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type ErrnoError, type Kernel } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

const test = suite<{ kernel: Kernel }>('spawn');
const sh = (kernel: Kernel, script: string, options = {}) => collect(kernel.spawn(['sh', '-c', script], options));

test.before.each(async (context) => {
  context.kernel = await boot({ memory: 128 });
});

test.after.each(async ({ kernel }) => {
  kernel.assertIdle();
  await kernel.shutdown();
});

function thrown(action: () => unknown): ErrnoError {
  try {
    action();
  } catch (error) {
    return error as ErrnoError;
  }
  throw new Error('nothing was thrown');
}

test('standard streams, exit status', async ({ kernel }) => {
  const outcome = await collect(kernel.spawn(['sh', '-c', 'cat; echo err >&2; exit 200']), 'in\n');
  assert.equal(outcome, { stdout: 'in\n', stderr: 'err\n', code: 200, signal: null });
});

test('death by a signal', async ({ kernel }) => {
  const outcome = await sh(kernel, 'kill -SEGV $$');
  assert.equal([outcome.code, outcome.signal], [null, 'SIGSEGV']);
});

test('environment, working directory, user, umask', async ({ kernel }) => {
  const options = {
    env: { PATH: '/bin:/usr/bin', GRUSS: 'grüß dich' },
    cwd: '/tmp',
    user: { uid: 1000, gid: 100, groups: [5, 20] },
    umask: 0o077,
  };
  const { stdout } = await sh(kernel, 'echo $GRUSS; pwd; id -u; id -G; touch f; stat -c %a f; env | wc -l', options);
  const expected = ['grüß dich', '/tmp', '1000', '100 5 20', '600'];
  assert.equal(Buffer.from(stdout, 'latin1').toString().split('\n').slice(0, 5), expected);
});

test('nothing of the host leaks into the environment', async ({ kernel }) => {
  const { stdout } = await collect(kernel.spawn(['/usr/bin/env'], { env: { ONLY: 'this' } }));
  assert.is(stdout, 'ONLY=this\n');
});

test('a program that is not there, not executable, no program', async ({ kernel }) => {
  const missing = thrown(() => kernel.spawn(['no-such-program']));
  assert.equal([missing.code, missing.syscall, missing.path], ['ENOENT', 'spawn', 'no-such-program']);
  assert.is(thrown(() => kernel.spawn(['/etc/passwd'])).code, 'EACCES');
  assert.is(thrown(() => kernel.spawn(['/bin'])).code, 'EACCES');
  assert.is(thrown(() => kernel.spawn(['/etc/passwd/x'])).code, 'ENOTDIR');
  await sh(kernel, 'echo junk > /tmp/junk; chmod +x /tmp/junk');
  assert.is(thrown(() => kernel.spawn(['/tmp/junk'])).code, 'ENOEXEC');
  assert.is(thrown(() => kernel.spawn(['sh'], { cwd: '/nowhere' })).code, 'ENOENT');
  assert.is(thrown(() => kernel.spawn([])).code, 'EINVAL');
});

test('a script with an interpreter', async ({ kernel }) => {
  await sh(kernel, "printf '#!/bin/echo one two\\n' > /tmp/s; chmod +x /tmp/s");
  const { stdout } = await collect(kernel.spawn(['/tmp/s', 'three']));
  assert.is(stdout, 'one two /tmp/s three\n');
});

test('a megabyte goes through in both directions', async ({ kernel }) => {
  const data = Buffer.alloc(1 << 20, 'abcdefghijklmnopqrstuvwxyz\n');
  const { stdout } = await collect(kernel.spawn(['cat']), data);
  assert.ok(Buffer.from(stdout, 'latin1').equals(data));
});

test('a reader that goes away gives the writer SIGPIPE', async ({ kernel }) => {
  const child = kernel.spawn(['yes']);
  child.stdout!.once('data', () => child.stdout!.destroy());
  child.stdin!.end();
  child.stderr!.resume();
  assert.equal(await child.exit, { code: null, signal: 'SIGPIPE' });
});

test('kill: by name, by number, too late, unknown', async ({ kernel }) => {
  const child = kernel.spawn(['sleep', '1000']);
  assert.ok(child.kill(0));
  assert.throws(() => child.kill('SIGNONE'), /unknown signal: SIGNONE/);
  assert.throws(() => child.kill(65), /unknown signal/);
  assert.ok(child.kill('SIGUSR1'));
  assert.equal(await child.exit, { code: null, signal: 'SIGUSR1' });
  assert.not(child.kill());
  const second = kernel.spawn(['sleep', '1000']);
  second.kill();
  assert.is((await second.exit).signal, 'SIGTERM');
});

test('assertIdle and dump name what is left; shutdown ends it', async () => {
  const kernel = await boot({ memory: 64, hostname: 'testhost' });
  const child = kernel.spawn(['sh', '-c', 'sleep 1000 | cat']);
  assert.throws(() => kernel.assertIdle(), /process \d+ \(sh\) is running/);
  while (kernel.dump().processes.length < 4) await new Promise((resolve) => setImmediate(resolve));
  const commands = kernel.dump().processes.map(({ command }) => command);
  assert.equal(commands.slice(0, 2), ['init', 'sh']);
  await kernel.shutdown();
  assert.is((await child.exit).signal, 'SIGKILL');
  kernel.assertIdle();
  await kernel.shutdown();
  assert.throws(() => kernel.spawn(['true']), /shut down/);
});

test('killAll ends what runs, orphans too, also when asked twice; the kernel goes on', async ({ kernel }) => {
  const child = kernel.spawn(['sh', '-c', '(trap "" TERM; sleep 1000) & sleep 1000']);
  const asleep = () => kernel.dump().processes.filter(({ command }) => command === 'sleep').length;
  while (asleep() < 2) await new Promise((resolve) => setImmediate(resolve));
  await Promise.all([kernel.killAll(), kernel.killAll()]);
  assert.is((await child.exit).signal, 'SIGKILL');
  kernel.assertIdle();
  assert.equal(await sh(kernel, 'echo again'), { code: 0, signal: null, stdout: 'again\n', stderr: '' });
});

test('what a program took is given back: the same one again needs no more memory', async ({ kernel }) => {
  const used: number[] = [];
  for (let i = 0; i < 5; i++) {
    await sh(kernel, 'ls -l / | sort | md5sum; head -c 300000 /dev/zero > /tmp/big; rm /tmp/big');
    used.push(kernel.dump().memory.used);
  }
  assert.equal(used.slice(2), [used[1], used[1], used[1]]);
});

test('two kernels at once do not see each other', async ({ kernel }) => {
  const other = await boot({ memory: 64, hostname: 'other' });
  const [a, b] = await Promise.all([sh(kernel, 'hostname; echo a > /tmp/x; ls /tmp'), sh(other, 'hostname; ls /tmp')]);
  assert.equal([a.stdout, b.stdout], ['banos\nx\n', 'other\n']);
  await other.shutdown();
});

test('host directories: read-write, read-only, not there', async () => {
  const host = mkdtempSync(join(tmpdir(), 'banos-mount-'));
  writeFileSync(join(host, 'given'), 'from the host\n');
  const kernel = await boot({
    memory: 64,
    mounts: [
      { host, guest: '/rw/deep' },
      { host, guest: '/ro', readOnly: true },
    ],
  });
  const { stdout, stderr } = await sh(kernel, 'cat /ro/given; echo new > /rw/deep/made; cat /ro/made; echo no > /ro/x');
  assert.is(stdout, 'from the host\nnew\n');
  assert.match(stderr, /Read-only file system/);
  assert.is(readFileSync(join(host, 'made'), 'utf8'), 'new\n');
  await kernel.shutdown();
  rmSync(host, { recursive: true });
  const error = await boot({ mounts: [{ host, guest: '/x' }] }).then(
    () => null,
    (reason: Error) => reason,
  );
  assert.match(error!.message, /no such file or directory on the host/);
});

test('/dev/console goes where the embedder wants it', async () => {
  let written = '';
  const kernel = await boot({ memory: 64, console: (bytes) => (written += Buffer.from(bytes).toString()) });
  await sh(kernel, 'echo to the console > /dev/console');
  assert.is(written, 'to the console\r\n');
  await kernel.shutdown();
});

test.run();
