/** Terminal lines of drivers: the UART's pairs, seen from programs on both ends. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

/** Both ends of a line, and one that leads back to itself. */
const LINES = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <poll.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <termios.h>
  #include <unistd.h>
  #include <sys/ioctl.h>
  #include <sys/wait.h>
  static char bytes[20000], other[20000];
  static void raw(int fd, speed_t speed, int cflag) {
    struct termios t;
    tcgetattr(fd, &t);
    cfmakeraw(&t);
    t.c_cflag |= cflag;
    cfsetspeed(&t, speed);
    printf("raw %d\\n", tcsetattr(fd, TCSANOW, &t));
  }
  static void bits(const char *who, int fd) {
    int b = 0;
    ioctl(fd, TIOCMGET, &b);
    printf("%s:%s%s%s%s%s%s\\n", who, b & TIOCM_DTR ? " dtr" : "", b & TIOCM_RTS ? " rts" : "", b & TIOCM_CTS ? " cts" : "",
           b & TIOCM_CAR ? " car" : "", b & TIOCM_DSR ? " dsr" : "", b & 0x8000 ? " loop" : "");
  }
  static int all(int fd, char *to, int count) {
    int done = 0, n;
    while (done < count && (n = read(fd, to + done, count - done)) > 0) done += n;
    return done;
  }
  static volatile int hups;
  static void on_hup(int s) { hups++; }
  int main(void) {
    int a, b, n, i, value;
    setvbuf(stdout, 0, _IONBF, 0);
    a = open("/dev/ttyB0", O_RDWR | O_NOCTTY);
    bits("alone", a);
    b = open("/dev/ttyB1", O_RDWR | O_NOCTTY);
    printf("tty %d %s\\n", isatty(a), ttyname(b));
    bits("joined", a);
    raw(a, B4000000, CLOCAL);
    raw(b, B4000000, 0);
    n = write(a, "over the line", 13);
    printf("wrote %d, ", n);
    n = all(b, other, 13);
    printf("read %d: %.*s\\n", n, n, other);
    for (i = 0; i < sizeof bytes; i++) bytes[i] = i * 13 + i / 251;
    if (fork() == 0) { n = write(a, bytes, sizeof bytes); _exit(n == sizeof bytes ? 0 : 1); }
    n = all(b, other, sizeof other);
    wait(&value);
    printf("much: %d %d %d\\n", n, memcmp(bytes, other, sizeof bytes), WEXITSTATUS(value));
    n = tcdrain(a);
    ioctl(a, TIOCOUTQ, &value);
    printf("drained %d, out %d\\n", n, value);
    struct { unsigned long sent, received; } counts;
    n = ioctl(b, _IOR('U', 1, counts), &counts);
    printf("counts %d %lu\\n", n, counts.received);
    n = ioctl(b, 0x5599, 0); printf("unknown: %d %s\\n", n, strerror(errno));
    n = ioctl(b, _IOR('U', 1, counts), 8); printf("bad pointer: %d %s\\n", n, strerror(errno));
    struct pollfd p = { b, POLLIN | POLLOUT };
    n = poll(&p, 1, 0); printf("poll %d %#x\\n", n, p.revents);
    write(a, "x", 1);
    p.events = POLLIN;
    n = poll(&p, 1, 10000); printf("poll %d %#x\\n", n, p.revents);
    n = tcsendbreak(a, 0);
    all(b, other, 2);
    printf("break %d: %c%d\\n", n, other[0], other[1]);
    value = TIOCM_RTS; ioctl(b, TIOCMBIC, &value);
    bits("no rts over there", a);
    value = TIOCM_RTS; ioctl(b, TIOCMBIS, &value);
    n = tcflow(a, TCOOFF);
    fcntl(a, F_SETFL, O_NONBLOCK);
    i = write(a, "held", 4);
    printf("off %d, write %d, poll %d\\n", n, i, poll(&p, 1, 20));
    fcntl(a, F_SETFL, 0);
    n = tcflow(a, TCOON);
    i = write(a, "on", 2);
    printf("on %d, %d bytes\\n", n, all(b, other, 2));
    value = 0x8000; ioctl(a, TIOCMBIS, &value);
    bits("looped", a);
    write(a, "myself", 6);
    n = all(a, other, 6);
    printf("loop %.*s\\n", n, other);
    value = 0x8000; ioctl(a, TIOCMBIC, &value);
    close(b);
    /* A session on the line, that loses its carrier. */
    if ((n = fork()) == 0) {
      setsid();
      signal(SIGHUP, on_hup);
      close(a);
      b = open("/dev/ttyB1", O_RDWR);
      write(b, "ready", 5);
      n = read(b, other, 1);
      i = read(b, other, 1);
      printf("read %d, hups %d, again %d\\n", n, hups, i);
      n = write(b, "x", 1); printf("write %d %s\\n", n, strerror(errno));
      n = tcgetpgrp(b); printf("group %d %s\\n", n, strerror(errno));
      _exit(0);
    }
    all(a, other, 5);
    close(a);
    waitpid(n, &value, 0);
    printf("end %d\\n", value);
    return 0;
  }
`;

if (!hasCompiler) console.log("SKIP drivers' terminal lines: they need gcc on x86-64");
else {
  const uart = readFileSync('drivers/examples/uart.c', 'utf8');

  test('bytes, modem lines, flow control and hang-up of serial lines', async () => {
    compileProgram('lines', LINES);
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const driver = loadDriver(kernel.inner, compileDriver(uart), 'uart');
    assert.is(initDriver(kernel.inner, driver), 0);
    const { stdout, stderr, code } = await collect(kernel.spawn(['/programs/lines']));
    assert.equal(stdout.split('\n'), [
      'alone: dtr rts',
      'tty 1 /dev/ttyB1',
      'joined: dtr rts cts car dsr',
      'raw 0',
      'raw 0',
      'wrote 13, read 13: over the line',
      'much: 20000 0 0',
      'drained 0, out 0',
      'counts 0 20013',
      'unknown: -1 Inappropriate ioctl for device',
      'bad pointer: -1 Bad address',
      'poll 1 0x4',
      'poll 1 0x1',
      'break 0: x0',
      'no rts over there: dtr rts car dsr',
      'off 0, write -1, poll 0',
      'on 0, 2 bytes',
      'looped: dtr rts cts car dsr loop',
      'loop myself',
      'read 0, hups 1, again 0',
      'write -1 Input/output error',
      'group -1 Input/output error',
      'end 0',
      '',
    ]);
    assert.is(stderr, '');
    assert.is(code, 0);
    assert.is(driver.owner.holds, 0);
    driver.owner.release();
    assert.is(driver.owner.size, 0);
    assert.is(kernel.inner.drivers.lines.size, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  /** At the near end of a line: what a person types, and what comes back until the other end is silent. */
  const TERMINAL = `
    #include <fcntl.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <termios.h>
    #include <unistd.h>
    static char seen[10000];
    static int length;
    /* Reads until a text has come. */
    static void until(int fd, const char *text) {
      while (!strstr(seen, text)) {
        int n = read(fd, seen + length, sizeof seen - 1 - length);
        if (n <= 0) break;
        length += n;
        seen[length] = 0;
      }
      printf("%s~", seen);
      length = 0;
      seen[0] = 0;
    }
    int main(int argc, char **argv) {
      struct termios t;
      int fd = open("/dev/ttyB0", O_RDWR | O_NOCTTY), i;
      tcgetattr(fd, &t);
      cfmakeraw(&t);
      t.c_cflag |= CLOCAL;
      tcsetattr(fd, TCSANOW, &t);
      if (fork() == 0) {
        close(fd);
        setsid();
        fd = open("/dev/ttyB1", O_RDWR);
        for (i = 0; i < 3; i++) dup2(fd, i);
        setenv("PS1", "ok> ", 1);
        execl("/bin/sh", "sh", "-i", (char *)0);
        _exit(1);
      }
      for (i = 1; i + 1 < argc; i += 2) {
        write(fd, argv[i], strlen(argv[i]));
        until(fd, argv[i + 1]);
      }
      return 0;
    }
  `;

  test('a shell with job control on a serial line, and a driver that goes by force under it', async () => {
    compileProgram('terminal', TERMINAL);
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const driver = loadDriver(kernel.inner, compileDriver(uart), 'uart');
    assert.is(initDriver(kernel.inner, driver), 0);
    // busybox asks the terminal where the cursor is behind every prompt.
    const prompt = 'ok> \x1b[6n';
    // What is typed before a job runs is the shell's: the job says when it does.
    const job = `sh -c "echo g''o; sleep 1000"\r`;
    const steps = ['', prompt, 'tty; echo a\x7fb\r', prompt, job, 'go\r\n', '\x1a', prompt, 'jobs\r', prompt];
    steps.push('kill -9 %1; echo $?\r', prompt, job, 'go\r\n', '\x03', prompt, 'echo $?\r', prompt);
    const { stdout } = await collect(kernel.spawn(['/programs/terminal', ...steps]));
    const text = stdout.replace(/\x1b\[\d*[A-Za-z]/g, '').replaceAll('\r\n', '\n');
    const typed = `sh -c "echo g''o; sleep 1000"\ngo\n`;
    const [first, name, started, stopped, jobs, killed, again, interrupted, status] = text.split('~');
    assert.is(first, 'ok> ');
    assert.is(name, 'tty; echo a\bb\n/dev/ttyB1\nb\nok> ');
    assert.is(started, typed);
    assert.match(stopped!, /^\^Z\[1\]\+ {2}Stopped .*\nok> $/);
    assert.match(jobs!, /^jobs\n\[1\]\+ {2}Stopped .*\nok> $/);
    assert.match(killed!, /^kill -9 %1; echo \$\?\n0\n/, killed);
    assert.is(again, typed);
    assert.match(interrupted!, /^\^C\n(\[1\]\+ {2}Killed.*\n)?ok> $/);
    assert.is(status, 'echo $?\n130\nok> ');
    // A session whose terminal goes with its driver is told.
    const reader = collect(kernel.spawn(['cat', '/dev/ttyB3']));
    const isReading = (): boolean =>
      [...kernel.inner.processes.tasks()].some(({ comm, state }) => comm === 'cat' && state === 'sleeping');
    while (!isReading()) await new Promise((resolve) => setImmediate(resolve));
    assert.is(driver.owner.holds, 1);
    driver.owner.release();
    assert.is(driver.owner.size, 0);
    assert.is((await reader).signal, 'SIGHUP');
    assert.match((await collect(kernel.spawn(['ls', '/dev/ttyB1']))).stderr, /No such file/);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
