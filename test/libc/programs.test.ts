/** TypeScript programs are processes: started, shown, killed, stopped, waited for like any other. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c, type Libc, WEXITSTATUS, WIFEXITED, WIFSIGNALED, WTERMSIG } from '../../libc/index.js';
import { bootTestKernel, type Context, failure, inside, leave, run, sh, start, text } from './support.js';

const test = suite<Context>('TypeScript programs');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

/** tr a-z A-Z */
async function upper(libc: Libc): Promise<void> {
  const buffer = new Uint8Array(100);
  for (;;) {
    const count = await libc.read(0, buffer);
    if (count === 0) return;
    await libc.write(1, text(buffer, count).toUpperCase());
  }
}

const forever = (): Promise<never> => new Promise(() => {});
/** Lets the kernel run until nothing is left to do. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('in pipelines, with redirections, from PATH, with arguments and status', async ({ kernel }) => {
  kernel.installProgram('/usr/bin/upper', upper);
  kernel.installProgram('/bin/args', async (libc, argv) => {
    await libc.write(1, `${argv.join('|')}\n`);
    return argv.length;
  });
  const script = 'echo pipe | upper | cat; upper < /etc/hostname > /tmp/out; cat /tmp/out; args a "b c"; echo $?';
  assert.equal(await sh(kernel, script), {
    stdout: 'PIPE\nBANOS\nargs|a|b c\n3\n',
    stderr: '',
    code: 0,
    signal: null,
  });
});

test('environment, working directory, umask, identity come from the one who starts it', async ({ kernel }) => {
  kernel.installProgram('/bin/whence', async (libc) => {
    const { LANGUAGE } = libc.environ;
    const mask = libc.umask(0).toString(8);
    await libc.write(1, `${LANGUAGE} ${libc.getcwd()} ${mask} ${libc.getuid()} ${libc.getgroups()}\n`);
  });
  const { stdout } = await sh(kernel, 'cd /tmp; umask 027; LANGUAGE=dänisch exec whence', {
    user: { uid: 7, gid: 8, groups: [9, 10] },
  });
  assert.is(Buffer.from(stdout, 'latin1').toString(), 'dänisch /tmp 27 7 9,10\n');
});

test('shows in /proc and ps', async ({ kernel }) => {
  kernel.installProgram('/sbin/sleeper', forever);
  const script =
    'sleeper one two & sleep 0.01; cd /proc/$!; cat comm; tr "\\0" " " <cmdline; echo; readlink exe; ' +
    'grep -c heap maps; grep -c stack maps; ps | grep "[s]leeper one" | grep -vc sh; cut -d" " -f3 stat; kill $!';
  const { stdout } = await sh(kernel, script);
  assert.is(stdout, 'sleeper\nsleeper one two \n/sbin/sleeper\n0\n1\n1\nS\n');
});

test('killed while it awaits a call, and while it awaits something else', async ({ kernel }) => {
  const { exit, kill } = { exit: [] as unknown[], kill: ['SIGKILL', 'SIGTERM'] };
  for (const signal of kill) {
    for (const main of [(libc: Libc) => libc.pause(), forever]) {
      const child = start(kernel, main);
      await settle();
      child.kill(signal);
      exit.push((await child.exit).signal);
    }
  }
  assert.equal(exit, ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGTERM']);
});

test('code that goes on after its process has ended reaches nothing', async ({ kernel }) => {
  const promised = <T>() => {
    let resolve!: (value: T) => void;
    const promise = new Promise<T>((settled) => (resolve = settled));
    return { promise, resolve };
  };
  const [begun, nap, found] = [promised<void>(), promised<void>(), promised<unknown>()];
  let aborted = false;
  const child = start(kernel, async (libc) => {
    libc.ended.addEventListener('abort', () => {
      aborted = true;
    });
    begun.resolve();
    await nap.promise;
    found.resolve([
      await failure(() => libc.getpid()).then(({ code }) => code),
      await Promise.race([libc.write(1, 'ghost'), settle().then(() => 'waits for ever')]),
    ]);
  });
  await begun.promise;
  child.kill('SIGKILL');
  await child.exit;
  nap.resolve();
  assert.equal(await found.promise, ['ESRCH', 'waits for ever']);
  assert.ok(aborted);
});

test('stopped and continued: calls wait meanwhile', async ({ kernel }) => {
  kernel.installProgram('/bin/upper', upper);
  const script = `mkfifo f; upper <f >out & p=$!; exec 3>f; echo one >&3
    until grep -q ONE out; do :; done; kill -STOP $p
    until [ "$(cut -d" " -f3 /proc/$p/stat)" = T ]; do :; done
    echo two >&3; sleep 0.05; cut -d" " -f3 /proc/$p/stat; cat out; kill -CONT $p
    until grep -q TWO out; do :; done; exec 3>&-; wait $p; echo $?; cat out`;
  const { stdout } = await sh(kernel, script, { cwd: '/tmp' });
  assert.is(stdout, 'T\nONE\n0\nONE\nTWO\n');
});

test('job control in a terminal: Ctrl-Z, fg, Ctrl-C', async ({ kernel }) => {
  kernel.installProgram('/bin/upper', upper);
  const shell = kernel.spawn(['sh', '-i'], { pty: true, env: { PATH: '/bin', PS1: '$ ' } });
  let screen = '';
  let seen = (): void => {};
  shell.pty!.onData((data) => {
    screen += data;
    seen();
  });
  const until = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(screen)) await new Promise<void>((resolve) => (seen = resolve));
    screen = '';
  };
  await until(/\$ .\[6n$/);
  shell.pty!.write('upper\r');
  await until(/upper\r\n/);
  shell.pty!.write('abc\r');
  await until(/ABC/);
  shell.pty!.write('\x1a');
  await until(/Stopped.*\n\$ .\[6n$/s);
  shell.pty!.write('fg\r');
  await until(/fg\r\nupper/);
  shell.pty!.write('def\r');
  await until(/DEF/);
  shell.pty!.write('\x03');
  await until(/\$ .\[6n$/);
  shell.pty!.write('echo status $?; exit\r');
  await until(/status 130/);
  await shell.exit;
});

test('throws: message on standard error, status 1', async ({ kernel }) => {
  for (const thrown of [new Error('boom'), 'text', null, { toString: () => assert.unreachable() }]) {
    const { stderr, code } = await run(kernel, () => {
      throw thrown;
    });
    assert.is(code, 1);
    assert.match(
      stderr,
      /^test-program-\d+: (Error: boom\n +at|uncaught: (text|null|something that cannot be shown)\n$)/,
    );
  }
});

test('a status that is none', async ({ kernel }) => {
  const { stderr, code } = await run(kernel, () => 'seven');
  assert.is(code, 1);
  assert.match(stderr, /TypeError: the exit status of a program is a whole number/);
  assert.is((await run(kernel, () => 256 + 3)).code, 3);
});

test('exit ends the program where it stands, with calls under way', async ({ kernel }) => {
  let after = false;
  const { code } = await run(kernel, async (libc) => {
    const [reader] = libc.pipe();
    for (let i = 0; i < 12; i++) void libc.read(reader, new Uint8Array(1));
    await libc.usleep(1000);
    libc.exit(9);
    after = true;
  });
  assert.is(code, 9);
  assert.not(after);
});

test('several calls at once are made by threads, which are used again', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const results: unknown[] = [];
    const buffer = new Uint8Array(8);
    for (let round = 0; round < 3; round++) {
      const pipes = Array.from({ length: 5 }, () => libc.pipe());
      const reads = pipes.map(([reader]) => libc.read(reader, buffer));
      results.push(libc.stat('/proc/self/task').st_nlink);
      for (const [, writer] of [...pipes].reverse()) await libc.write(writer, 'x');
      results.push(await Promise.all(reads));
      for (const fd of pipes.flat()) libc.close(fd);
    }
    return results;
  });
  assert.equal(seen, [seen[0], [1, 1, 1, 1, 1], seen[0], [1, 1, 1, 1, 1], seen[0], [1, 1, 1, 1, 1]]);
});

test('a parent in C waits for it; it waits for children of both kinds', async ({ kernel }) => {
  kernel.installProgram('/bin/seven', () => 7);
  kernel.installProgram('/bin/suicide', (libc) => libc.kill(libc.getpid(), c.SIGUSR1));
  assert.is((await sh(kernel, 'seven; echo $?; suicide; echo $?')).stdout, '7\n138\n');
  const found = await inside(kernel, async (libc) => {
    const statuses: number[] = [];
    for (const argv of [['sh', '-c', 'exit 4'], ['seven'], ['suicide'], ['sh', '-c', 'kill -9 $$']]) {
      const pid = await libc.posix_spawnp(argv[0], argv);
      const { status, pid: waited } = await libc.waitpid(pid);
      assert.is(waited, pid);
      assert.is(WIFEXITED(status), !WIFSIGNALED(status));
      statuses.push(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    }
    return statuses;
  });
  assert.equal(found, [4, 7, -c.SIGUSR1, -c.SIGKILL]);
});

test('fork: descriptors and directory are copies, the offset is shared', async ({ kernel }) => {
  const { stdout, code } = await run(kernel, async (libc) => {
    const fd = await libc.open('/etc/passwd', c.O_RDONLY);
    libc.chdir('/tmp');
    const pid = await libc.fork(async (child) => {
      await child.read(fd, new Uint8Array(4));
      child.close(fd);
      await child.write(1, `${child.getcwd()} ${child.getppid() === libc.getpid()}\n`);
      child.chdir('/');
      return 3;
    });
    const { status } = await libc.waitpid(pid);
    await libc.write(1, `${WEXITSTATUS(status)} ${libc.getcwd()} ${libc.lseek(fd, 0, c.SEEK_CUR)}\n`);
  });
  assert.equal([stdout, code], ['/tmp true\n3 /tmp 4\n', 0]);
});

test('execve from TypeScript to machine code and back', async ({ kernel }) => {
  kernel.installProgram('/bin/second', async (libc, argv) => {
    await libc.write(1, `${argv} ${libc.getpid()} ${libc.environ['A']}\n`);
  });
  const { stdout, code } = await run(kernel, async (libc) => {
    await libc.write(1, `${libc.getpid()}\n`);
    await libc.execve('/bin/sh', ['sh', '-c', 'echo $$; exec second from sh'], { A: 'b', PATH: '/bin' });
    return 99;
  });
  const [first, shell, second] = stdout.split('\n');
  assert.is(first, shell);
  assert.is(second, `second,from,sh ${first} b`);
  assert.is(code, 0);
});

test('a script may name it as its interpreter; setuid is honoured', async ({ kernel }) => {
  kernel.installProgram('/bin/interpreter', async (libc, argv) => {
    await libc.write(1, `${argv.join(' ')} ${libc.getuid()} ${libc.geteuid()}\n`);
  });
  const script =
    'printf "#!/bin/interpreter -x\\n" >/tmp/s; chmod 755 /tmp/s; /tmp/s a; chmod u+s /bin/interpreter; setuidgid nobody interpreter';
  const { stdout } = await sh(kernel, script);
  assert.is(stdout, '/bin/interpreter -x /tmp/s a 0 0\ninterpreter 65534 0\n');
});

test('its file is a file: mode, links, removal; a copy or a changed file is not the program', async ({ kernel }) => {
  kernel.installProgram('/bin/p', (libc) => libc.write(1, 'it runs\n').then(() => 0));
  const script =
    'cd /tmp; ln /bin/p hard; ln -s /bin/p soft; ./hard; ./soft; mv /bin/p q; ./q; cp q copy; ./copy; echo $?; ' +
    'chmod 644 q; ./q; echo $?; chmod 755 q; echo "echo shell" >q; ./hard; rm hard q';
  const { stdout, stderr } = await sh(kernel, script);
  assert.is(stdout, 'it runs\nit runs\nit runs\n127\n126\nshell\n');
  assert.match(stderr, /copy: not found\n.*Permission denied/s);
  assert.is((await failure(() => kernel.installProgram('/bin/busybox', () => 0))).code, 'EEXIST');
  assert.is((await failure(() => kernel.installProgram('/nowhere/x', () => 0))).code, 'ENOENT');
  assert.is((await failure(() => kernel.installProgram('/proc/x', () => 0))).code, 'ENOENT');
});

test('two forks at once get their own functions', async ({ kernel }) => {
  const statuses = await inside(kernel, async (libc) => {
    const children = await Promise.all([11, 12, 13].map((status) => libc.fork(() => status)));
    return Promise.all(children.map(async (pid) => WEXITSTATUS((await libc.waitpid(pid)).status)));
  });
  assert.equal(statuses, [11, 12, 13]);
});

test('a loop of calls that never wait lets the event loop and other programs go on', async ({ kernel }) => {
  let stop = false;
  let calls = 0;
  const child = start(kernel, async (libc) => {
    const fd = await libc.open('/dev/null', c.O_WRONLY);
    for (; !stop; calls++) await libc.write(fd, 'x');
  });
  await settle();
  assert.is((await sh(kernel, 'echo on')).stdout, 'on\n');
  stop = true;
  assert.is((await child.exit).code, 0);
  assert.ok(calls > 100);
});

test('shutdown ends programs that never await anything again', async ({ kernel }) => {
  start(kernel, forever);
  start(kernel, (libc) => libc.pause());
  await settle();
  await kernel.shutdown();
  assert.equal(kernel.dump().processes.length, 1);
});

test('system calls of the embedder itself', async ({ kernel }) => {
  const { libc } = kernel;
  assert.is(libc.getpid(), 1);
  const [reader, writer] = libc.pipe();
  const buffer = new Uint8Array(3);
  const read = libc.read(reader, buffer);
  const second = libc.read(reader, new Uint8Array(3));
  await libc.write(writer, 'abc');
  assert.is(await read, 3);
  assert.is(text(buffer), 'abc');
  const ended = failure(() => second);
  await kernel.shutdown();
  assert.is((await ended).code, 'ESRCH');
});

test.run();
