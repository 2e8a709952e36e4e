/** Descriptors that stand for events, through the libc. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { constants as c } from '../../libc/index.js';
import { bootTestKernel, type Context, failure, inside, leave } from './support.js';

const test = suite<Context>('libc: events');

test.before.each(async (context) => {
  context.kernel = await bootTestKernel();
});
test.after.each(({ kernel }) => leave(kernel));

test('an epoll set: added, changed, removed, waited for', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const set = libc.epoll_create1(c.EPOLL_CLOEXEC);
    const [reader, writer] = libc.pipe();
    libc.epoll_ctl(set, c.EPOLL_CTL_ADD, reader, { events: c.EPOLLIN, data: 2 ** 40 + 1 });
    libc.epoll_ctl(set, c.EPOLL_CTL_ADD, writer, { events: c.EPOLLOUT | c.EPOLLONESHOT, data: 7 });
    const results: unknown[] = [await libc.epoll_wait(set, 10, -1), await libc.epoll_wait(set, 10, 1)];
    const waiting = libc.epoll_wait(set, 10, -1);
    await libc.write(writer, 'x');
    results.push(await waiting);
    libc.epoll_ctl(set, c.EPOLL_CTL_MOD, writer, { events: c.EPOLLOUT | c.EPOLLET, data: 8 });
    results.push((await libc.epoll_wait(set, 1, 0)).length, (await libc.epoll_wait(set, 10, 0)).length);
    libc.epoll_ctl(set, c.EPOLL_CTL_DEL, reader);
    results.push((await failure(() => libc.epoll_ctl(set, c.EPOLL_CTL_DEL, reader))).code);
    results.push((await failure(() => libc.epoll_wait(set, 0, 0))).code);
    return results;
  });
  const readable = { events: c.EPOLLIN, data: 2 ** 40 + 1 };
  assert.equal(seen.slice(0, 3), [[{ events: c.EPOLLOUT, data: 7 }], [], [readable]]);
  assert.equal(seen.slice(3), [1, 2, 'ENOENT', 'EINVAL']);
});

test('eventfd as counter and as semaphore', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const [counter, semaphore] = [libc.eventfd(3), libc.eventfd(2, c.EFD_SEMAPHORE)];
    await libc.eventfd_write(counter, 2n ** 40n);
    const results: unknown[] = [await libc.eventfd_read(counter)];
    results.push(await libc.eventfd_read(semaphore), await libc.eventfd_read(semaphore));
    const waiting = libc.eventfd_read(semaphore);
    await libc.eventfd_write(semaphore, 1);
    results.push(await waiting, (await failure(() => libc.eventfd_write(counter, 2n ** 64n - 1n))).code);
    return results;
  });
  assert.equal(seen, [2n ** 40n + 3n, 1n, 1n, 1n, 'EINVAL']);
});

test('timerfd on the virtual clock', async ({ kernel }) => {
  const seen = await inside(kernel, async (libc) => {
    const fd = libc.timerfd_create(c.CLOCK_MONOTONIC, c.TFD_CLOEXEC);
    const spec = { it_value: { tv_sec: 3, tv_nsec: 0 }, it_interval: { tv_sec: 2, tv_nsec: 0 } };
    libc.timerfd_settime(fd, 0, spec);
    const { it_value, it_interval } = libc.timerfd_gettime(fd);
    const results: unknown[] = [it_value.tv_sec, it_interval.tv_sec, await libc.eventfd_read(fd)];
    await libc.sleep(5);
    results.push(await libc.eventfd_read(fd));
    return results;
  });
  assert.equal(seen, [2, 2, 1n, 2n]);
});

test('signalfd gives what is blocked', async ({ kernel }) => {
  const signal = await inside(kernel, async (libc) => {
    libc.sigprocmask(c.SIG_BLOCK, [c.SIGUSR1]);
    const fd = libc.signalfd(-1, [c.SIGUSR1]);
    const info = new Uint32Array(32);
    const reading = libc.read(fd, info);
    await libc.kill(libc.getpid(), c.SIGUSR1);
    return [await reading, info[0], info[3] === libc.getpid()];
  });
  assert.equal(signal, [128, c.SIGUSR1, true]);
});

test('a pidfd tells the end of a child', async ({ kernel }) => {
  const events = await inside(kernel, async (libc) => {
    const child = await libc.fork((other) => other.usleep(1000));
    const fd = libc.pidfd_open(child);
    const fds = [{ fd, events: c.POLLIN, revents: 0 }];
    const before = await libc.poll(fds, 0);
    await libc.poll(fds, -1);
    await libc.waitpid(child);
    return [before, fds[0].revents];
  });
  assert.equal(events, [0, c.POLLIN]);
});

test.run();
