/** Line disciplines of drivers: the sentences of the examples' nmea.c on pseudo-terminals and on serial lines. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { O_NOCTTY, O_RDWR } from '../../abi/fcntl.js';
import { TIOCGPTN, TIOCSPTLCK } from '../../abi/ioctl.js';
import { bootAs } from '../../kernel-core/boot.js';
import type { Kernel as Inner } from '../../kernel-core/kernel.js';
import { Kernel } from '../../libc/kernel.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram, until } from './programs.js';
import { compileDriver, hasCompiler, initDriver, loadDriver, programs } from './support.js';

class OpenLibcKernel extends Kernel {
  readonly inner: Inner;

  constructor(kernel: Inner, dispose: () => void) {
    super(kernel, dispose);
    this.inner = kernel;
  }
}

const HEAD = `
  #include <errno.h>
  #include <fcntl.h>
  #include <poll.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/epoll.h>
  #include <sys/ioctl.h>
  #include <termios.h>
  #include <unistd.h>
  struct counts { unsigned long sentences, bad, malformed, overrun, sent; };
  #define NMEA_GET_COUNTS _IOR('N', 1, struct counts)
  #define NMEA_SET_STRICT _IO('N', 2)
  static char line[4096];
  static void say(const char *what, long result) {
    printf("%s: %ld %s\\n", what, result, result < 0 ? strerrorname_np(errno) : "");
    fflush(stdout);
  }
  static long set(int fd, int number) { return ioctl(fd, TIOCSETD, &number); }
  static int get(int fd) { int number = -1; ioctl(fd, TIOCGETD, &number); return number; }
  static int ready(int fd) { struct pollfd one = {fd, POLLIN | POLLOUT}; poll(&one, 1, 0); return one.revents; }
  static void get_counts(int fd) {
    struct counts c;
    long result = ioctl(fd, NMEA_GET_COUNTS, &c);
    printf("counts %ld: %lu good, %lu bad, %lu malformed, %lu lost, %lu sent\\n", result, c.sentences, c.bad, c.malformed, c.overrun, c.sent);
  }
`;

/** Made by hand: everything between $ and * exclusive-ored. */
const checksum = (text: string): string =>
  [...text]
    .reduce((sum, c) => sum ^ c.charCodeAt(0), 0)
    .toString(16)
    .toUpperCase()
    .padStart(2, '0');
const sentence = (text: string): string => `$${text}*${checksum(text)}\r\n`;

if (!hasCompiler) console.log("SKIP drivers' line disciplines: they need gcc on x86-64");
else {
  const nmea = compileDriver(readFileSync('drivers/examples/nmea.c', 'utf8'), ['-Wextra', '-Werror']);

  test('the checksums of the test are those of a receiver', () => {
    assert.is(
      sentence('GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,'),
      '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n',
    );
  });

  test('a program without rights gets sentences by epoll from a TypeScript program at the other end', async () => {
    const receiver = guestProgram(
      'receiver',
      `${HEAD}
      int main(int argc, char **argv) {
        int fd = open(argv[1], O_RDWR | O_NOCTTY), wait = epoll_create1(0), over = 0;
        struct epoll_event event = {.events = EPOLLIN | EPOLLET}, got;
        struct termios settings;
        setuid(1000);
        printf("user %d\\n", getuid());
        say("set", set(fd, 29));
        say("has", get(fd));
        say("isatty", isatty(fd));
        say("strict", ioctl(fd, NMEA_SET_STRICT, 1));
        say("strict?", ioctl(fd, NMEA_SET_STRICT, 2));
        say("unknown", ioctl(fd, 0x5678, 0));
        say("bad pointer", ioctl(fd, NMEA_GET_COUNTS, 8));
        say("bad pointer", read(fd, (char *)8, 0));
        fcntl(fd, F_SETFL, O_NONBLOCK);
        say("nothing yet", read(fd, line, sizeof line));
        epoll_ctl(wait, EPOLL_CTL_ADD, fd, &event);
        while (!over) {
          long n;
          if (epoll_wait(wait, &got, 1, -1) != 1) break;
          while ((n = read(fd, line, sizeof line - 1)) > 0) {
            line[n] = 0;
            printf("> %s", line);
            fflush(stdout);
            if (strncmp(line, "$GPZDA", 6) == 0) over = 1;
            say("answer", write(fd, "PACK,1\\n", 7));
          }
          if (n < 0 && errno != EAGAIN) say("read", n);
        }
        get_counts(fd);
        close(fd);
        return 0;
      }`,
    );
    const kernel = await bootAs(OpenLibcKernel, { mounts: [{ host: programs, guest: '/c', readOnly: true }] });
    const { inner } = kernel;
    const driver = loadDriver(inner, nmea, 'nmea');
    assert.is(initDriver(inner, driver), 0);
    let index = -1;
    const said: string[] = [];
    kernel.installProgram('/bin/satellite', async (libc) => {
      const fd = await libc.open('/dev/ptmx', O_RDWR | O_NOCTTY);
      const number = new Int32Array(1);
      await libc.ioctl(fd, TIOCSPTLCK, new Uint8Array(4));
      await libc.ioctl(fd, TIOCGPTN, new Uint8Array(number.buffer));
      index = number[0]!;
      await until(() => inner.devpts.slave(index)!.tty.ldisc?.number === 29);
      await until(() => [...inner.processes.tasks()].some((t) => t.comm === 'receiver' && t.state === 'sleeping'));
      const answer = async (): Promise<void> => {
        const bytes = new Uint8Array(100);
        said.push(Buffer.from(bytes.subarray(0, await libc.read(fd, bytes))).toString());
      };
      const write = (text: string): Promise<number> => libc.write(fd, Buffer.from(text, 'latin1'));
      const position = sentence('GPRMC,081836,A,3751.65,S,14507.36,E');
      // In the middle of one, and cut in two.
      await write(`51.65,S*00\r\n\0\xff${position.slice(0, 11)}`);
      await write(position.slice(11));
      await answer();
      await write(
        `$GPRMC,no checksum\r\n$GPRMC,wrong*00\r\n$GPRMC,cut${sentence('GPGSV,3,1').toLowerCase().replace('gpgsv', 'GPGSV')}`,
      );
      await answer();
      // What is no digit is none, though 1 and a digit of -1 would be right.
      assert.is(checksum('GPTXT,l'), '0F');
      await write('$GPTXT,l*1G\r\n');
      await write(`$${'x'.repeat(200)}\r\n${sentence('GPZDA,end')}`);
      await answer();
      await libc.close(fd);
    });
    const satellite = kernel.spawn(['/bin/satellite']);
    await until(() => index >= 0);
    await collect(kernel.spawn(['chmod', '666', `/dev/pts/${index}`]));
    const { stdout } = await collect(kernel.spawn([receiver, `/dev/pts/${index}`]));
    await satellite.exit;
    assert.equal(stdout.split('\n'), [
      'user 1000',
      'set: 0 ',
      'has: 29 ',
      'isatty: 1 ',
      'strict: 0 ',
      'strict?: -1 EINVAL',
      'unknown: -1 ENOTTY',
      'bad pointer: -1 EFAULT',
      'bad pointer: 0 ',
      'nothing yet: -1 EAGAIN',
      `> ${sentence('GPRMC,081836,A,3751.65,S,14507.36,E').replace('\r', '')}`.trimEnd(),
      'answer: 7 ',
      `> $GPGSV,3,1*${checksum('GPGSV,3,1').toLowerCase()}`,
      'answer: 7 ',
      `> ${sentence('GPZDA,end')}`.trimEnd(),
      'answer: 7 ',
      'counts 0: 3 good, 2 bad, 3 malformed, 0 lost, 3 sent',
      '',
    ]);
    assert.equal(said, new Array(3).fill(sentence('PACK,1')));
    assert.is(driver.owner.holds, 0);
    driver.owner.release();
    assert.is(driver.owner.size, 0);
    assert.is(inner.drivers.heap.blocks, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('both ends of a serial line; waiting, order, room, flushing, what is refused', async () => {
    const both = guestProgram(
      'both',
      `${HEAD}
      #include <sys/wait.h>
      static void raw(int fd) {
        struct termios t;
        tcgetattr(fd, &t);
        cfmakeraw(&t);
        cfsetspeed(&t, B4000000);
        t.c_cflag |= CLOCAL;
        tcsetattr(fd, TCSANOW, &t);
      }
      int main(void) {
        int a = open("/dev/ttyB0", O_RDWR | O_NOCTTY), b = open("/dev/ttyB1", O_RDWR | O_NOCTTY), i, value;
        long n, done[3];
        setvbuf(stdout, 0, _IONBF, 0);
        raw(a);
        raw(b);
        say("set", set(a, 29));
        say("set", set(b, 29));
        printf("ready %#x\\n", ready(b));
        if (fork() == 0) {
          for (i = 0; i < 3; i++) {
            n = read(b, line, sizeof line);
            printf("%.*s", (int)n, line);
            fflush(stdout);
          }
          _exit(0);
        }
        done[0] = write(a, "$HEHDT,274.07,T\\r\\n", 17);
        done[1] = write(a, "!AIVDM,1", 8);
        done[2] = write(a, "X", 1);
        wait(0);
        printf("wrote %ld %ld %ld\\n", done[0], done[1], done[2]);
        say("too long", write(a, line, 121));
        say("a second one in it", write(a, "A,1\\nB,2", 7));
        say("a checksum", write(a, "A*00", 4));
        say("nothing", write(a, "", 0));
        say("only its begin", write(a, "$", 1));
        say("bad pointer", write(a, (char *)8, 5));
        /* Part by part. */
        write(a, "PARTS", 5);
        struct pollfd one = {b, POLLIN};
        poll(&one, 1, -1);
        say("unread", ioctl(b, FIONREAD, &value) < 0 ? -1 : value);
        n = read(b, line, 4);
        printf("%ld %.*s, ready %#x\\n", n, (int)n, line, ready(b));
        n = read(b, line, sizeof line);
        printf("%ld %.*s", n, (int)n, line);
        printf("ready %#x\\n", ready(b));
        /* More than anybody reads: writers wait for the line, readers find the youngest. */
        for (i = 0; i < 300; i++) {
          char text[100];
          n = write(a, text, sprintf(text, "N,%d,%s", i, "a sentence that has something of a length and fills the line"));
          if (n < 0) { say("write", n); break; }
        }
        tcdrain(a);
        fcntl(b, F_SETFL, O_NONBLOCK);
        struct counts c;
        do {
          poll(0, 0, 5);
          ioctl(b, NMEA_GET_COUNTS, &c);
        } while (c.sentences < 304);
        for (i = 0; (n = read(b, line, sizeof line)) > 0; i++) {
          if (i == 0) printf("oldest %.6s\\n", line);
        }
        printf("%d were there, last %.6s\\n", i, line);
        get_counts(b);
        write(a, "F,1", 3);
        poll(&one, 1, -1);
        say("flush", tcflush(b, TCIFLUSH));
        printf("ready %#x\\n", ready(b));
        /* As it was before: bytes. */
        say("set", set(b, 0));
        write(a, "R", 1);
        poll(&one, 1, -1);
        n = read(b, line, sizeof line);
        printf("%ld %.1s\\n", n, line);
        /* With the last file it goes. */
        set(b, 29);
        close(b);
        b = open("/dev/ttyB1", O_RDWR | O_NOCTTY);
        say("opened again", get(b));
        return 0;
      }`,
    );
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const uart = loadDriver(inner, compileDriver(readFileSync('drivers/examples/uart.c', 'utf8')), 'uart');
    assert.is(initDriver(inner, uart), 0);
    const driver = loadDriver(inner, nmea, 'nmea');
    assert.is(initDriver(inner, driver), 0);
    const { stdout, stderr } = await collect(kernel.spawn([both]));
    assert.equal(stdout.split('\n'), [
      'set: 0 ',
      'set: 0 ',
      'ready 0x4',
      '$HEHDT,274.07,T*19',
      '!AIVDM,1*4A',
      '$X*58',
      'wrote 17 8 1',
      'too long: -1 EMSGSIZE',
      'a second one in it: -1 EINVAL',
      'a checksum: -1 EINVAL',
      'nothing: -1 EINVAL',
      'only its begin: -1 EINVAL',
      'bad pointer: -1 EFAULT',
      'unread: 10 ',
      '4 $PAR, ready 0x5',
      '6 TS*44',
      'ready 0x4',
      'oldest $N,268',
      '32 were there, last $N,299',
      'counts 0: 304 good, 0 bad, 0 malformed, 268 lost, 0 sent',
      'flush: 0 ',
      'ready 0x4',
      'set: 0 ',
      '7 $',
      'opened again: 0 ',
      '',
    ]);
    assert.is(stderr, '');
    driver.owner.release();
    uart.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
