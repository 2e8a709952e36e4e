/** Line disciplines of drivers that crash, or ask for what there is not. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EEXIST, EINVAL, ENOENT } from '../../abi/errno.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram } from './programs.js';
import { callNow, compileDriver, hasCompiler, initDriver, loadDriver } from './support.js';
import { TERMINAL_PROGRAM } from './terminal-program.js';

/** Fails in whichever operation it is told to, by its ioctl. */
const FAILING = `
  #include <banos/banos.h>
  static int where;
  static volatile int *nowhere;
  static void maybe(int here) { if (where == here) *nowhere = 1; }
  static long f_open(struct banos_ldisc_tty *tty) { maybe(1); return 0; }
  static void f_close(struct banos_ldisc_tty *tty) { maybe(2); }
  static void f_flush(struct banos_ldisc_tty *tty) { maybe(3); }
  static long f_read(struct banos_ldisc_tty *tty, struct banos_iter *to) { maybe(4); return banos_copy_to_iter("read", 4, to); }
  static long f_write(struct banos_ldisc_tty *tty, struct banos_iter *from) { maybe(5); return banos_iter_count(from); }
  static long f_ioctl(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument) {
    if (request == 1000) { where = argument; return 0; }
    maybe(6);
    return -BANOS_ENOTTY;
  }
  static long f_poll(struct banos_ldisc_tty *tty) { maybe(7); return BANOS_POLLIN; }
  static long f_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count) { maybe(8); return count; }
  static void f_wakeup(struct banos_ldisc_tty *tty) { maybe(9); }
  static void f_hangup(struct banos_ldisc_tty *tty) { maybe(10); }
  static void f_set(struct banos_ldisc_tty *tty, const struct banos_termios *now, const struct banos_termios *old) { maybe(11); }
  static const struct banos_ldisc_ops ops = {
    sizeof ops, 0, f_open, f_close, f_flush, f_read, f_write, f_ioctl, f_poll, f_receive, f_wakeup, f_hangup, f_set,
  };
  static const struct banos_ldisc ldisc = { sizeof ldisc, 30, "failing", &ops };
  static int init(Banos_Driver *driver) { return banos_register_ldisc(&ldisc); }
  BANOS_DRIVER("failing", "MIT", 1, init, 0);
`;

const FAILURES = `${TERMINAL_PROGRAM}
  int main(int argc, char **argv) {
    struct pollfd one;
    struct termios t;
    int where = atoi(argv[1]), other;
    open_pair();
    one = (struct pollfd){slave, POLLIN};
    set(slave, 30);
    /* Others that have it keep it. */
    int second = master;
    open_pair();
    other = slave;
    set(other, 30);
    slave = one.fd;
    ioctl(slave, 1000, where);
    switch (where) {
      case 1: set(slave, 0); say("open", set(slave, 30)); break;
      case 2: say("close", set(slave, 27)); set(slave, 0); break;
      case 3: say("flush", tcflush(slave, TCIFLUSH)); break;
      case 4: say("read", read(slave, bytes, 10)); break;
      case 5: say("write", write(slave, bytes, 10)); break;
      case 6: say("ioctl", ioctl(slave, 1001, 0)); break;
      case 7: say("poll", poll(&one, 1, 0)); printf("%#x\\n", one.revents); break;
      case 8: say("receive", write(second, "lost\\n", 5)); break;
      case 9: write(master, "x", 1); tcflow(slave, TCOOFF); say("wakeup", tcflow(slave, TCOON)); break;
      case 10: say("hangup", ioctl(slave, TIOCVHANGUP, 0)); slave = open(ptsname(second), O_RDWR | O_NOCTTY); break;
      case 11: tcgetattr(slave, &t); t.c_lflag &= ~ECHO; say("settings", tcsetattr(slave, TCSANOW, &t)); break;
    }
    while (get(slave) == 30) poll(0, 0, 1);
    printf("has %ld, ", get(slave));
    ioctl(other, 1000, 0);
    printf("the other %ld\\n", get(other));
    master = second;
    talk();
    return 0;
  }
`;

if (!hasCompiler) console.log("SKIP faults of drivers' line disciplines: they need gcc on x86-64");
else {
  test('a crash in any operation fails that operation; the terminal goes on with the ordinary discipline', async () => {
    const program = guestProgram('failures', FAILURES);
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(FAILING), 'failing');
    assert.is(initDriver(inner, driver), 0);
    const expected = [
      'open: -1 EIO',
      'close: 0 ',
      'flush: 0 ',
      'read: -1 EIO',
      'write: -1 EIO',
      'ioctl: -1 EIO',
      'poll: 1 \n0x18',
      'receive: 5 ',
      'wakeup: 0 ',
      'hangup: 0 ',
      'settings: 0 ',
    ];
    for (const [i, line] of expected.entries()) {
      const before = driver.owner.crashes;
      const { stdout } = await collect(kernel.spawn([program, String(i + 1)]));
      assert.is(stdout, `${line}\nhas 0, the other 30\ntalks: 5 line\n`);
      assert.is(driver.owner.crashes, before + 1, line);
      assert.is(driver.owner.holds, 0, line);
    }
    assert.ok(
      kernel.log().some((text) => /^line discipline failing: receive failed: pts\/\d+ is without it$/.test(text)),
    );
    driver.owner.release();
    assert.is(inner.drivers.disciplines.users.size, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('what cannot be registered, and who has it', async () => {
    const source = `
      #include <banos/banos.h>
      static struct banos_ldisc_ops ops = { .size = sizeof ops };
      static struct banos_ldisc ldisc = { .size = sizeof ldisc, .name = "none", .ops = &ops };
      long add(int number) { ldisc.number = number; return banos_register_ldisc(&ldisc); }
      long take(int number) { return banos_unregister_ldisc(number); }
      long flags(int number) { long r; ops.flags = 6; r = add(number); ops.flags = 0; return r; }
      long small(int number) { long r; ops.size = 90; r = add(number); ops.size = sizeof ops; return r; }
      long unnamed(int number) { long r; ldisc.name = "a b"; r = add(number); ldisc.name = "none"; return r; }
      long nowhere(void) { return banos_register_ldisc((void *)8); }
      long send(void) { return banos_ldisc_send((void *)&ldisc, "x", 1); }
      long put(void) { banos_ldisc_put((void *)0); return 0; }
    `;
    const program = guestProgram(
      'none',
      `${TERMINAL_PROGRAM}
      int main(void) {
        open_pair();
        say("set", set(slave, 5));
        say("read", read(slave, bytes, 1));
        say("write", write(slave, bytes, 1));
        say("isatty", isatty(slave));
        int n; say("queue", ioctl(slave, FIONREAD, &n));
        struct pollfd one = {slave, POLLIN | POLLOUT};
        poll(&one, 1, 0);
        printf("poll %#x\\n", one.revents);
        write(master, "line\\n", 5);
        set(slave, 0);
        n = read(slave, bytes, 100);
        printf("%d %.4s\\n", n, bytes);
        system("cat /proc/tty/ldiscs /proc/banos/ldiscs");
        set(slave, 5);
        return 0;
      }`,
    );
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(source), 'none');
    const call = (name: string, number = 0): number => callNow(inner, driver, name, number);
    for (const number of [-1, 31, 32, 2 ** 31 - 1]) assert.is(call('add', number), -EINVAL);
    for (const number of [0, 27]) assert.is(call('add', number), -EEXIST);
    for (const name of ['flags', 'small', 'unnamed']) assert.is(call(name, 5), -EINVAL);
    assert.is(call('take', 5), -ENOENT);
    assert.is(call('add', 5), 0);
    assert.is(call('add', 5), -EEXIST);
    assert.is(call('take', 5), 0);
    assert.is(call('add', 5), 0);
    const other = loadDriver(inner, compileDriver(source), 'other');
    assert.is(callNow(inner, other, 'take', 5), -ENOENT);
    const { stdout } = await collect(kernel.spawn([program]));
    assert.equal(stdout.split('\n'), [
      'set: 0 ',
      'read: -1 EIO',
      'write: -1 EIO',
      'isatty: 1 ',
      'queue: -1 ENOTTY',
      'poll 0x4',
      '5 line',
      'n_tty       0',
      'none        5',
      'n_null     27',
      '5 none none 0',
      '',
    ]);
    assert.is(call('take', 5), 0);
    assert.is(driver.owner.crashes, 0);
    for (const name of ['nowhere', 'send', 'put']) {
      const { crashes } = driver.owner;
      call(name);
      assert.is(driver.owner.crashes, crashes + 1, name);
    }
    driver.owner.release();
    other.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
