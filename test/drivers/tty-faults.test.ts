/** Terminal lines of drivers that do in an operation what leads back to it, or cannot be registered. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EEXIST, isErr } from '../../abi/errno.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram } from './programs.js';
import { callNow, compileDriver, hasCompiler, initDriver, loadDriver } from './support.js';

if (!hasCompiler) console.log("SKIP faults of drivers' terminal lines: they need gcc on x86-64");
else {
  /**
   * Lines. ioctls: 1001 names the operation that hangs the line up from then on; 1002 tells the most that `write` was asked for
   * at once; 1003 inserts an INTR character, and connects the line with itself for two bytes.
   */
  const LINE = compileDriver(`
    #include <banos/banos.h>
    static int hangs;
    static size_t most, connected;
    static void maybe(struct banos_tty *tty, int here) { if (hangs == here) banos_tty_hangup(tty); }
    static long l_open(struct banos_tty *tty) { hangs = 0; return 0; }
    static void l_close(struct banos_tty *tty) { maybe(tty, 1); }
    static long l_write(struct banos_tty *tty, const char *bytes, size_t count) {
      maybe(tty, 2);
      if (count > most) most = count;
      if (connected >= count) { banos_tty_insert(tty, bytes, count); connected -= count; }
      return count;
    }
    static long l_room(struct banos_tty *tty) { maybe(tty, 3); return 10; }
    static long l_unsent(struct banos_tty *tty) { maybe(tty, 4); return 0; }
    static void l_flush(struct banos_tty *tty) { maybe(tty, 5); }
    static void l_settings(struct banos_tty *tty, const struct banos_termios *now, const struct banos_termios *old) { maybe(tty, 6); }
    static void l_stop(struct banos_tty *tty) { maybe(tty, 7); }
    static void l_start(struct banos_tty *tty) { maybe(tty, 8); }
    static void l_hangup(struct banos_tty *tty) { maybe(tty, 9); }
    static long l_ioctl(struct banos_tty *tty, banos_u32 request, unsigned long argument) {
      switch (request) {
      case 1001: hangs = argument; return 0;
      case 1002: return most;
      case 1003: connected = 2; return banos_tty_insert(tty, "\\3", 1);
      }
      maybe(tty, 10);
      return -BANOS_ENOTTY;
    }
    static const struct banos_tty_ops ops = {
      .size = sizeof ops, .open = l_open, .close = l_close, .write = l_write, .write_room = l_room, .chars_in_buffer = l_unsent,
      .flush_buffer = l_flush, .set_termios = l_settings, .stop = l_stop, .start = l_start, .hangup = l_hangup,
      .ioctl = l_ioctl };
    static struct banos_tty_driver lines = { .size = sizeof lines, .lines = 1, .name = "ttyL", .ops = &ops };
    long more(void) { lines.lines = 3; return banos_tty_register(&lines); }
    static int init(Banos_Driver *self) { long n = banos_tty_register(&lines); return n < 0 ? n : 0; }
    BANOS_DRIVER("line", "MIT", 1, init, 0);
  `);
  const program = guestProgram(
    'line',
    `#include <errno.h>
    #include <fcntl.h>
    #include <stdio.h>
    #include <string.h>
    #include <sys/ioctl.h>
    #include <termios.h>
    #include <unistd.h>
    static char bytes[1000];
    static void say(const char *what, long result) {
      printf("%s: %ld %s\\n", what, result, result < 0 ? strerrorname_np(errno) : "");
    }
    int main(int argc, char **argv) {
      struct termios t;
      int fd = open("/dev/ttyL0", O_RDWR | O_NOCTTY), i;
      tcgetattr(fd, &t);
      cfmakeraw(&t);
      tcsetattr(fd, TCSANOW, &t);
      say("write", write(fd, bytes, 1000));
      say("at once", ioctl(fd, 1002, 0));
      t.c_lflag |= ISIG | ECHO;
      tcsetattr(fd, TCSANOW, &t);
      say("insert", ioctl(fd, 1003, 0));
      for (i = 0; i < 2; i++) { say("read", read(fd, bytes, 1)); putchar(bytes[0]); putchar('\\n'); }
      close(fd);
      for (i = 1; i <= 10; i++) {
        fd = open("/dev/ttyL0", O_RDWR | O_NOCTTY);
        ioctl(fd, 1001, i);
        switch (i) {
          case 2: case 3: say("write", write(fd, bytes, 1)); break;
          case 4: say("settings", tcsetattr(fd, TCSAFLUSH, &t)); break;
          case 5: say("hang up", ioctl(fd, TIOCVHANGUP, 0)); break;
          case 6: say("settings", tcsetattr(fd, TCSANOW, &t)); break;
          case 7: case 8: say("off", tcflow(fd, TCOOFF)); say("on", tcflow(fd, TCOON)); break;
          case 9: say("hang up", ioctl(fd, TIOCVHANGUP, 0)); break;
          case 10: say("unknown", ioctl(fd, 1004, 0)); break;
        }
        if (i > 1) say("after it", write(fd, bytes, 1));
        close(fd);
      }
      return 0;
    }`,
  );

  test('what a line is asked for, what comes back to it, and hang-ups in the middle of every operation', async () => {
    const kernel = await bootWithPrograms();
    const driver = loadDriver(kernel.inner, LINE, 'line');
    assert.is(initDriver(kernel.inner, driver), 0);
    const { stdout } = await collect(kernel.spawn([program]));
    assert.equal(stdout.split('\n'), [
      ...['write: 1000 ', 'at once: 10 ', 'insert: 1 '],
      ...['read: 1 ', '^', 'read: 1 ', 'C'],
      ...['write: 1 ', 'after it: -1 EIO'],
      ...['write: 1 ', 'after it: -1 EIO'],
      ...['settings: 0 ', 'after it: -1 EIO'],
      ...['hang up: 0 ', 'after it: -1 EIO'],
      ...['settings: 0 ', 'after it: -1 EIO'],
      ...['off: 0 ', 'on: -1 EIO', 'after it: -1 EIO'],
      ...['off: 0 ', 'on: 0 ', 'after it: -1 EIO'],
      ...['hang up: 0 ', 'after it: -1 EIO'],
      ...['unknown: -1 ENOTTY', 'after it: -1 EIO'],
      '',
    ]);
    assert.is(driver.owner.crashes, 0);
    assert.is(driver.owner.holds, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('lines that cannot all be registered leave nothing', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, LINE, 'line');
    const other = loadDriver(inner, LINE, 'other');
    assert.not(isErr(inner.devfs.addDevice('ttyL1', 200, 0, 0o600)));
    assert.is(callNow(inner, driver, 'more'), -EEXIST);
    assert.equal([inner.drivers.heap.blocks, inner.drivers.lines.size], [0, 0]);
    inner.devfs.removeDevice('ttyL1');
    assert.ok(callNow(inner, other, 'more') > 0);
    assert.is(inner.drivers.lines.size, 3);
    for (const { owner } of [driver, other]) owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
