/** Signals of TypeScript programs: handlers, masks, interrupted calls. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c } from '../../libc/index.js';
import { bootTestKernel, type Context, failure, inside, leave, run, sh, text } from './support.js';

const test = suite<Context>('libc: signals');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

test('a handler interrupts a call: EINTR, or again with SA_RESTART', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const order: string[] = [];
    for (const flags of [0, c.SA_RESTART]) {
      libc.sigaction(c.SIGUSR1, {
        handler: (signal, info) => order.push(`${signal} from ${info.pid === libc.getpid()}`),
        flags,
      });
      const [reader, writer] = libc.pipe();
      const buffer = new Uint8Array(1);
      const read = libc.read(reader, buffer).then(
        (count) => order.push(`read ${count}`),
        (error) => order.push(error.code),
      );
      await libc.kill(libc.getpid(), c.SIGUSR1);
      await libc.usleep(1000);
      await libc.write(writer, 'x');
      await read;
    }
    return order;
  });
  assert.equal(seen, ['10 from true', 'EINTR', '10 from true', 'read 1']);
});

test('an asynchronous handler: the interrupted call goes on when it has ended', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const order: string[] = [];
    libc.sigaction(c.SIGALRM, {
      handler: async () => {
        order.push('handler begins');
        await libc.usleep(5000);
        order.push('handler ends');
      },
    });
    libc.setitimer(c.ITIMER_REAL, { value: 0.001, interval: 0 });
    await libc.pause();
    order.push('pause returns');
    return order;
  });
  assert.equal(seen, ['handler begins', 'handler ends', 'pause returns']);
});

test('masks: blocked, pending, let in; a handler blocks its own signal', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const order: unknown[] = [];
    let handled = 0;
    libc.sigaction(c.SIGUSR1, {
      handler: async () => {
        order.push('handler', libc.sigprocmask(c.SIG_BLOCK, null));
        if (handled++ === 0) await libc.raise(c.SIGUSR1);
        order.push(libc.sigpending());
      },
      mask: [c.SIGUSR2],
    });
    const before = libc.sigprocmask(c.SIG_BLOCK, [c.SIGUSR1]);
    await libc.raise(c.SIGUSR1);
    order.push(before, libc.sigpending());
    libc.sigprocmask(c.SIG_UNBLOCK, [c.SIGUSR1]);
    // The signal comes now: the call that is made first is the one that it interrupts.
    order.push((await failure(() => libc.usleep(1000))).code);
    order.push(libc.sigprocmask(c.SIG_BLOCK, null));
    return order;
  });
  const mask = [c.SIGUSR1, c.SIGUSR2];
  assert.equal(seen, [[], [c.SIGUSR1], 'handler', mask, [c.SIGUSR1], 'handler', mask, [], 'EINTR', []]);
});

test('raise: the handler has run when it returns', async ({ kernel }) => {
  const order = await inside(kernel, async (libc) => {
    const order: string[] = [];
    libc.signal(c.SIGUSR1, () => order.push('handler'));
    await libc.raise(c.SIGUSR1);
    order.push('raise returned');
    await libc.kill(libc.getpid(), c.SIGUSR1);
    order.push('kill returned');
    return order;
  });
  assert.equal(order, ['handler', 'raise returned', 'handler', 'kill returned']);
});

test('sigsuspend lets a signal in for as long as it waits', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const order: unknown[] = [];
    libc.signal(c.SIGCHLD, () => order.push(libc.sigprocmask(c.SIG_BLOCK, null)));
    libc.sigprocmask(c.SIG_BLOCK, [c.SIGCHLD]);
    const pid = await libc.fork(() => 0);
    await libc.usleep(1000);
    order.push('before');
    await libc.sigsuspend([]);
    order.push('after', libc.sigprocmask(c.SIG_BLOCK, null));
    await libc.waitpid(pid);
    return order;
  });
  assert.equal(seen, ['before', [c.SIGCHLD], 'after', [c.SIGCHLD]]);
});

test('sigtimedwait takes what is blocked, or runs out of time', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    libc.sigprocmask(c.SIG_BLOCK, [c.SIGUSR1, c.SIGTERM]);
    await libc.raise(c.SIGTERM);
    const { si_signo, si_pid } = await libc.sigwaitinfo([c.SIGUSR1, c.SIGTERM]);
    const late = await failure(() => libc.sigtimedwait([c.SIGUSR1], { tv_sec: 0, tv_nsec: 1000 }));
    return [si_signo, si_pid === libc.getpid(), late.code];
  });
  assert.equal(seen, [c.SIGTERM, true, 'EAGAIN']);
});

test('what sigaction reports; SIG_IGN, SIG_DFL; SIGKILL has no handler', async ({ kernel }) => {
  const handler = (): void => {};
  const seen = await inside(kernel, async (libc) => {
    const first = libc.sigaction(c.SIGTERM, { handler, flags: c.SA_RESTART, mask: [c.SIGHUP, 64] });
    const second = libc.sigaction(c.SIGTERM, { handler: c.SIG_IGN });
    await libc.raise(c.SIGTERM);
    const third = libc.sigaction(c.SIGTERM);
    return [first.handler, second, third.handler, (await failure(() => libc.signal(c.SIGKILL, handler))).code];
  });
  assert.is((seen[1] as { handler: unknown }).handler, handler);
  assert.equal(seen, [c.SIG_DFL, { handler, flags: c.SA_RESTART, mask: [c.SIGHUP, 64] }, c.SIG_IGN, 'EINVAL']);
});

test('a new handler for each signal, hundreds of them: only those in use are kept', async ({ kernel }) => {
  const handled = await inside(kernel, async (libc) => {
    let handled = 0;
    libc.signal(c.SIGUSR2, () => (handled += 1000));
    for (let i = 0; i < 300; i++) {
      libc.signal(c.SIGUSR1, () => handled++);
      await libc.raise(c.SIGUSR1);
    }
    await libc.raise(c.SIGUSR2);
    return handled;
  });
  assert.is(handled, 1300);
});

test('SA_RESETHAND, SA_NODEFER', async ({ kernel }) => {
  const { signal } = await run(kernel, async (libc) => {
    libc.sigaction(c.SIGUSR1, { handler: () => libc.write(1, 'once'), flags: c.SA_RESETHAND });
    await libc.raise(c.SIGUSR1);
    await libc.raise(c.SIGUSR1);
  });
  assert.is(signal, 'SIGUSR1');
});

test('a handler that throws ends the program', async ({ kernel }) => {
  const { code, stderr } = await run(kernel, async (libc) => {
    libc.signal(c.SIGUSR1, () => {
      throw new Error('in the handler');
    });
    await libc.raise(c.SIGUSR1);
    await libc.write(1, 'not reached');
  });
  assert.is(code, 1);
  assert.match(stderr, /Error: in the handler/);
});

test('writing to a pipe without reader: SIGPIPE, or EPIPE', async ({ kernel }) => {
  assert.is(
    (
      await run(kernel, (libc) => {
        const [reader, writer] = libc.pipe();
        libc.close(reader);
        return libc.write(writer, 'x');
      })
    ).signal,
    'SIGPIPE',
  );
  const { code } = await inside(kernel, (libc) => {
    libc.signal(c.SIGPIPE, c.SIG_IGN);
    const [reader, writer] = libc.pipe();
    libc.close(reader);
    return failure(() => libc.write(writer, 'x'));
  });
  assert.is(code, 'EPIPE');
});

test('alarm ends a program that does nothing about it; the timer goes with the process', async ({ kernel }) => {
  const { signal } = await run(kernel, async (libc) => {
    assert.is(libc.alarm(60), 0);
    assert.is(libc.alarm(1), 60);
    await new Promise(() => {});
  });
  assert.is(signal, 'SIGALRM');
});

test("a shell traps and kills; the program hears of its terminal's size", async ({ kernel }) => {
  kernel.installProgram('/bin/echo-signals', async (libc) => {
    let goOn = true;
    for (const signal of [c.SIGUSR1, c.SIGHUP]) libc.signal(signal, (number) => libc.write(1, `${number}\n`));
    libc.signal(c.SIGTERM, () => (goOn = false));
    while (goOn) await libc.pause();
    await libc.write(1, 'end\n');
  });
  const script = 'echo-signals & p=$!; for s in USR1 HUP USR1 TERM; do sleep 0.01; kill -$s $p; done; wait $p; echo $?';
  assert.is((await sh(kernel, script)).stdout, '10\n1\n10\nend\n0\n');
});

test('signals during vfork and exec', async ({ kernel }) => {
  const { stdout } = await run(kernel, async (libc) => {
    let children = 0;
    libc.signal(c.SIGCHLD, () => children++);
    libc.signal(c.SIGUSR1, c.SIG_IGN);
    const [reader, writer] = libc.pipe();
    const argv = ['sh', '-c', 'kill -USR1 $$; echo alive'];
    const pid = await libc.posix_spawnp('sh', argv, { actions: [{ type: 'dup2', from: writer, to: 1 }] });
    libc.close(writer);
    const buffer = new Uint8Array(20);
    await libc.write(1, text(buffer, await libc.read(reader, buffer)));
    await libc.waitpid(pid);
    await libc.write(1, `${children}\n`);
  });
  assert.is(stdout, 'alive\n1\n');
});

test.run();
