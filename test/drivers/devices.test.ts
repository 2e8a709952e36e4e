/** Character devices of drivers, used by machine-code programs. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGER } from '../cpu/guest.js';
import { collect } from '../support/guest.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

if (!hasCompiler) console.log('SKIP devices of drivers: they need gcc on x86-64');
else {
  const message = readFileSync('drivers/examples/message.c', 'utf8');

  test('a message device carries bytes from one process to another, which sleeps until they come', async () => {
    const kernel = await bootOpen();
    const driver = loadDriver(kernel.inner, compileDriver(message), 'message');
    assert.is(initDriver(kernel.inner, driver), 0);
    const child = kernel.spawn([
      'sh',
      '-c',
      'ls -l /dev/message*; (sleep 0.05; echo hello > /dev/message1) & head -n 1 /dev/message1',
    ]);
    const { stdout, code } = await collect(child);
    assert.match(stdout, /^crw-rw-rw- .* 254, +0 .*message0\n(.*\n){3}hello\n$/);
    assert.is(code, 0);
    assert.is(driver.owner.holds, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  const pump = `
    #include <fcntl.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>
    #include <errno.h>
    #include <poll.h>
    #include <signal.h>
    #include <sys/epoll.h>
    #include <sys/ioctl.h>
    #include <sys/wait.h>
    #define GET_LENGTH _IOR('m', 1, int)
    #define SET_LIMIT _IOW('m', 3, int)
    static void on_alarm(int s) {}
    int main(void) {
      setvbuf(stdout, 0, _IONBF, 0);
      int in = open("/dev/message2", O_RDWR), i, n, value = 100;
      char buffer[5000];
      printf("limit %d\\n", ioctl(in, SET_LIMIT, &value));
      if (fork() == 0) {
        for (i = 0; i < 5000; i++) buffer[i] = i * 7;
        n = write(in, buffer, 5000);
        printf("wrote %d\\n", n);
        return 0;
      }
      int total = 0, wrong = 0;
      while (total < 5000 && (n = read(in, buffer, 77)) > 0)
        for (i = 0; i < n; i++) if (buffer[i] != (char)(total++ * 7)) wrong++;
      wait(0);
      printf("read %d, wrong %d\\n", total, wrong);
      fcntl(in, F_SETFL, O_NONBLOCK);
      n = read(in, buffer, 1);
      printf("nothing: %d %s\\n", n, strerror(errno));
      struct pollfd p = { in, POLLIN | POLLOUT, 0 };
      n = poll(&p, 1, 0);
      printf("poll %d %#x\\n", n, p.revents);
      int e = epoll_create1(0);
      struct epoll_event ev = { EPOLLIN | EPOLLET, { .u32 = 7 } };
      epoll_ctl(e, EPOLL_CTL_ADD, in, &ev);
      if (fork() == 0) { usleep(1000); write(in, "xyz", 3); return 0; }
      n = epoll_wait(e, &ev, 1, 5000);
      printf("epoll %d %u %#x\\n", n, ev.data.u32, ev.events);
      ioctl(in, GET_LENGTH, &value);
      printf("length %d\\n", value);
      n = ioctl(in, GET_LENGTH, 1); printf("bad pointer %d %s\\n", n, strerror(errno));
      n = ioctl(in, 0x1234, 1); printf("bad request %d %s\\n", n, strerror(errno));
      n = (int)read(in, (void *)8, 10); printf("bad buffer %d %s\\n", n, strerror(errno));
      fcntl(in, F_SETFL, 0);
      read(in, buffer, 3);
      struct sigaction a = { .sa_handler = on_alarm };
      sigaction(SIGALRM, &a, 0);
      wait(0);
      /* Again and again: the first one may come before the read. */
      ualarm(2000, 2000);
      n = read(in, buffer, 1);
      printf("interrupted %d %s\\n", n, strerror(errno));
      ualarm(0, 0);
      a.sa_flags = SA_RESTART;
      sigaction(SIGALRM, &a, 0);
      if (fork() == 0) { usleep(5000); write(in, "r", 1); return 0; }
      ualarm(1000, 0);
      n = read(in, buffer, 1);
      printf("restarted %d %c\\n", n, buffer[0]);
      int pid = fork();
      if (pid == 0) { read(in, buffer, 1); printf("not reached\\n"); return 0; }
      usleep(1000);
      kill(pid, SIGKILL);
      waitpid(pid, &value, 0);
      printf("killed %d\\n", WTERMSIG(value));
      return 0;
    }
  `;

  for (const [kind, translator] of [
    ['interpreted', false],
    ['translated at once', EAGER],
  ] as const) {
    test(`reads, writes, polls and signals, ${kind}`, async () => {
      compileProgram('pump', pump);
      const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], translator });
      const driver = loadDriver(kernel.inner, compileDriver(message), 'message');
      assert.is(initDriver(kernel.inner, driver), 0);
      const { stdout, stderr, code } = await collect(kernel.spawn(['/programs/pump']));
      const lines = stdout.trimEnd().split('\n');
      assert.equal(lines, [
        'limit 0',
        'wrote 5000',
        'read 5000, wrong 0',
        'nothing: -1 Resource temporarily unavailable',
        'poll 1 0x4',
        'epoll 1 7 0x1',
        'length 3',
        'bad pointer -1 Bad address',
        'bad request -1 Inappropriate ioctl for device',
        'bad buffer -1 Bad address',
        'interrupted -1 Interrupted system call',
        'restarted 1 r',
        'killed 9',
      ]);
      assert.is(stderr, '');
      assert.is(code, 0);
      assert.is(driver.owner.holds, 0);
      assert.is(kernel.inner.drivers.oopses, 0);
      driver.owner.release();
      assert.is(kernel.inner.drivers.heap.blocks, 0);
      kernel.assertIdle();
      await kernel.shutdown();
    });
  }
}

test.run();
