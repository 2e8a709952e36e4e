/** Line disciplines of drivers that come and go: on top of the ordinary one, held, hung up, of modules that are in use. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withMachine } from '../modules/support.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram } from './programs.js';
import { callNow, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';
import { TERMINAL_PROGRAM } from './terminal-program.js';

if (!hasCompiler) console.log("SKIP lives of drivers' line disciplines: they need gcc on x86-64");
else {
  const nmea = compileDriver(readFileSync('drivers/examples/nmea.c', 'utf8'));

  /**
   * Upper case for what comes in, the rest as in the ordinary discipline. ioctls: 101 keeps the terminal, 102 sends through the
   * one that is kept, 103 gives it back, 104 unregisters, 105 refuses to be opened from now on, 106 tells the room for output.
   */
  const SHOUTING = `
    #include <banos/banos.h>
    static struct banos_ldisc_tty *kept;
    static int refuses;
    static char upper(char c) { return c >= 'a' && c <= 'z' ? c - 32 : c; }
    static long s_open(struct banos_ldisc_tty *tty) {
      banos_printk("open %s %u\\n", tty->name, tty->device >> 20);
      return refuses ? -BANOS_EACCES : 0;
    }
    static void s_close(struct banos_ldisc_tty *tty) { banos_printk("close %s\\n", tty->name); }
    static long s_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count) {
      char shouted[100];
      size_t i;
      if (count > sizeof shouted) count = sizeof shouted;
      for (i = 0; i < count; i++) shouted[i] = upper(bytes[i]);
      long taken = banos_ldisc_deliver(tty, shouted, count);
      if (taken == (long)count) banos_ldisc_input_wanted(tty);
      return taken;
    }
    static long s_ioctl(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument) {
      switch (request) {
      case 101: banos_ldisc_hold(tty); kept = tty; return 0;
      case 102: return kept ? banos_ldisc_send(kept, "kept", 4) : -BANOS_ENXIO;
      case 103: banos_ldisc_put(kept); kept = 0; return 0;
      case 104: return banos_unregister_ldisc(29);
      case 105: refuses = argument; return 0;
      case 106: return banos_ldisc_room(kept);
      }
      return -BANOS_ENOTTY;
    }
    static const struct banos_ldisc_ops ops = {
      .size = sizeof ops, .flags = BANOS_LDISC_INHERIT, .open = s_open, .close = s_close, .receive = s_receive, .ioctl = s_ioctl,
    };
    static const struct banos_ldisc ldisc = { sizeof ldisc, 29, "shouting", &ops };
    static int init(Banos_Driver *driver) { return banos_register_ldisc(&ldisc); }
    BANOS_DRIVER("shouting", "MIT", 1, init, 0);
  `;

  test('a discipline on top of the ordinary one; references; one that refuses', async () => {
    const program = guestProgram(
      'shout',
      `${TERMINAL_PROGRAM}
      int main(void) {
        struct pollfd one;
        struct termios t;
        long n;
        int i, value;
        open_pair();
        say("set", set(slave, 29));
        tcgetattr(slave, &t);
        printf("line %d\\n", t.c_line);
        write(master, "ab\\x7fhello\\n", 9);
        n = read(slave, bytes, 100);
        printf("%ld %.*s", n, (int)n, bytes);
        n = read(master, bytes, 100);
        printf("echo %ld\\n", n);
        /* More than it takes at once, and than N_TTY has room for. */
        cfmakeraw(&t);
        tcsetattr(slave, TCSANOW, &t);
        memset(bytes, 'x', sizeof bytes);
        if (fork() == 0) { n = write(master, bytes, sizeof bytes); _exit(n == sizeof bytes ? 0 : 1); }
        for (i = 0; i < sizeof bytes; i += n) {
          n = read(slave, bytes + i, sizeof bytes - i);
          if (n <= 0) break;
        }
        wait(&value);
        printf("much %d %d %c%c\\n", i, WEXITSTATUS(value), bytes[0], bytes[9999]);
        ioctl(slave, FIONREAD, &value);
        printf("left %d\\n", value);
        say("unregister", ioctl(slave, 104, 0));
        say("hold", ioctl(slave, 101, 0));
        say("send", ioctl(slave, 102, 0));
        n = read(master, bytes, 100);
        printf("%ld %.4s\\n", n, bytes);
        printf("room %d\\n", ioctl(slave, 106, 0) >= 4096);
        int first = slave;
        set(slave, 0);
        open_pair();
        set(slave, 29);
        say("send to one that has lost it", ioctl(slave, 102, 0));
        say("put", ioctl(slave, 103, 0));
        ioctl(slave, 105, 1);
        say("refused", set(first, 29));
        say("it has", get(first));
        set(first, 27);
        say("refused", set(first, 29));
        say("it has", get(first));
        say("none such", set(slave, 5));
        say("it has", get(slave));
        return 0;
      }`,
    );
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(SHOUTING), 'shouting');
    assert.is(initDriver(inner, driver), 0);
    const from = inner.log.next;
    const { stdout } = await collect(kernel.spawn([program]));
    assert.equal(stdout.split('\n'), [
      'set: 0 ',
      'line 29',
      '7 AHELLO',
      'echo 12',
      'much 10000 0 XX',
      'left 0',
      'unregister: -1 EBUSY',
      'hold: 0 ',
      'send: 4 ',
      '4 kept',
      'room 1',
      'send to one that has lost it: -1 EIO',
      'put: 0 ',
      'refused: -1 EACCES',
      'it has: 0 ',
      'refused: -1 EACCES',
      'it has: 27 ',
      'none such: -1 EINVAL',
      'it has: 29 ',
      '',
    ]);
    assert.equal(
      kernel.log(from).filter((line) => /open|close/.test(line)),
      ['open pts/0 136', 'close pts/0', 'open pts/1 136', 'open pts/0 136', 'open pts/0 136', 'close pts/1'],
    );
    assert.is(inner.drivers.disciplines.users.size, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a terminal that is held when the discipline is unregistered goes with the module', async () => {
    const holding = compileDriver(`
      #include <banos/banos.h>
      static long h_open(struct banos_ldisc_tty *tty) { banos_ldisc_hold(tty); return 0; }
      static const struct banos_ldisc_ops ops = { .size = sizeof ops, .open = h_open };
      static const struct banos_ldisc ldisc = { sizeof ldisc, 29, "holding", &ops };
      long take(void) { return banos_unregister_ldisc(29); }
      static int init(Banos_Driver *driver) { return banos_register_ldisc(&ldisc); }
      BANOS_DRIVER("holding", "MIT", 1, init, 0);
    `);
    const program = guestProgram(
      'held',
      `${TERMINAL_PROGRAM}
      int main(void) { open_pair(); say("set", set(slave, 29)); say("set", set(slave, 0)); return 0; }`,
    );
    const kernel = await bootWithPrograms();
    const { drivers } = kernel.inner;
    const driver = loadDriver(kernel.inner, holding, 'holding');
    assert.is(initDriver(kernel.inner, driver), 0);
    assert.is((await collect(kernel.spawn([program]))).stdout, 'set: 0 \nset: 0 \n');
    assert.is(drivers.disciplines.users.size, 1);
    assert.is(callNow(kernel.inner, driver, 'take'), 0);
    driver.owner.release();
    assert.equal([drivers.disciplines.users.size, drivers.heap.blocks], [0, 0]);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  /** Answers every byte with two, at both ends of a pair. */
  const PING_PONG = `
    #include <banos/banos.h>
    static unsigned long seen;
    static long p_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count) {
      char twice[4096];
      size_t i;
      seen += count;
      for (i = 0; i < 2 * count && i < sizeof twice; i++) twice[i] = 'x';
      banos_ldisc_send(tty, twice, i);
      return count;
    }
    static long p_write(struct banos_ldisc_tty *tty, struct banos_iter *from) {
      return banos_ldisc_send(tty, "x", 1) == 1 ? 1 : -BANOS_EAGAIN;
    }
    static long p_ioctl(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument) { return seen > 0x7fffffff ? 0x7fffffff : seen; }
    static const struct banos_ldisc_ops ops = { .size = sizeof ops, .write = p_write, .ioctl = p_ioctl, .receive = p_receive };
    static const struct banos_ldisc ldisc = { sizeof ldisc, 29, "pingpong", &ops };
    static int init(Banos_Driver *driver) { return banos_register_ldisc(&ldisc); }
    BANOS_DRIVER("pingpong", "MIT", 1, init, 0);
  `;

  test('two ends that answer each other more and more leave room for everybody else', async () => {
    const program = guestProgram(
      'pingpong',
      `${TERMINAL_PROGRAM}
      int main(void) {
        int i;
        open_pair();
        set(slave, 29);
        set(master, 29);
        write(slave, "x", 1);
        while (ioctl(slave, 1000, 0) < 100000) for (i = 0; i < 100; i++) getppid();
        printf("stopped: %ld %ld\\n", set(master, 27), set(slave, 0));
        return 0;
      }`,
    );
    const kernel = await bootWithPrograms();
    const driver = loadDriver(kernel.inner, compileDriver(PING_PONG), 'pingpong');
    assert.is(initDriver(kernel.inner, driver), 0);
    assert.is((await collect(kernel.spawn([program]))).stdout, 'stopped: 0 0\n');
    assert.is(driver.owner.crashes, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  /** A line whose discipline, of the same driver, finds in the middle of an operation that the carrier is lost. */
  const LOST = `
    #include <banos/banos.h>
    static struct banos_tty *line;
    static long l_open(struct banos_tty *tty) { line = tty; return 0; }
    static long l_write(struct banos_tty *tty, const char *bytes, size_t count) { banos_tty_hangup(tty); return count; }
    static long l_room(struct banos_tty *tty) { return 100; }
    static const struct banos_tty_ops lines = { .size = sizeof lines, .open = l_open, .write = l_write, .write_room = l_room };
    static const struct banos_tty_driver driver = { .size = sizeof driver, .lines = 1, .name = "ttyL", .ops = &lines };
    static long d_open(struct banos_ldisc_tty *tty) { tty->data = banos_kzalloc(4); return 0; }
    static void d_close(struct banos_ldisc_tty *tty) { banos_printk("close %d\\n", *(int *)tty->data); banos_kfree(tty->data); }
    static void d_hangup(struct banos_ldisc_tty *tty) { banos_printk("hangup\\n"); }
    static long d_write(struct banos_ldisc_tty *tty, struct banos_iter *from) {
      long sent = banos_ldisc_send(tty, "abc", 3), again = banos_ldisc_send(tty, "d", 1);
      *(int *)tty->data = 42;
      banos_printk("sent %ld %ld\\n", sent, again);
      return banos_iter_count(from);
    }
    static const struct banos_ldisc_ops ops = { .size = sizeof ops, .open = d_open, .close = d_close, .hangup = d_hangup, .write = d_write };
    static const struct banos_ldisc ldisc = { sizeof ldisc, 29, "lost", &ops };
    static int init(Banos_Driver *self) { long n = banos_tty_register(&driver); return n < 0 ? n : banos_register_ldisc(&ldisc); }
    BANOS_DRIVER("lost", "MIT", 1, init, 0);
  `;

  test('a hang-up in the middle of an operation: what the discipline has stays until that is over', async () => {
    const program = guestProgram(
      'lost',
      `${TERMINAL_PROGRAM}
      int main(void) {
        setvbuf(stdout, 0, _IONBF, 0);
        slave = open("/dev/ttyL0", O_RDWR | O_NOCTTY);
        say("set", set(slave, 29));
        say("write", write(slave, "x", 1));
        say("has", get(slave));
        say("read", read(slave, bytes, 1));
        slave = open("/dev/ttyL0", O_RDWR | O_NOCTTY);
        say("has", get(slave));
        return 0;
      }`,
    );
    const kernel = await bootWithPrograms();
    const driver = loadDriver(kernel.inner, compileDriver(LOST), 'lost');
    assert.is(initDriver(kernel.inner, driver), 0);
    const from = kernel.inner.log.next;
    const { stdout } = await collect(kernel.spawn([program]));
    assert.is(stdout, 'set: 0 \nwrite: 1 \nhas: -1 EIO\nread: 0 \nhas: 0 \n');
    assert.equal(kernel.log(from), ['sent 3 -5', 'close 42']);
    assert.is(driver.owner.crashes, 0);
    assert.is(kernel.inner.drivers.disciplines.users.size, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  /** A line whose discipline, of the same driver, hangs it up when it hears of its own end. */
  const PARTING = `
    #include <banos/banos.h>
    static struct banos_tty *line;
    static long l_open(struct banos_tty *tty) { line = tty; return 0; }
    static long l_write(struct banos_tty *tty, const char *bytes, size_t count) { return count; }
    static long l_room(struct banos_tty *tty) { return 100; }
    static const struct banos_tty_ops lines = { .size = sizeof lines, .open = l_open, .write = l_write, .write_room = l_room };
    static const struct banos_tty_driver driver = { .size = sizeof driver, .lines = 1, .name = "ttyP", .ops = &lines };
    static long d_open(struct banos_ldisc_tty *tty) { tty->data = banos_kzalloc(4); return 0; }
    static void d_close(struct banos_ldisc_tty *tty) {
      banos_printk("close\\n");
      banos_kfree(tty->data);
      banos_tty_hangup(line);
    }
    static const struct banos_ldisc_ops ops = { .size = sizeof ops, .open = d_open, .close = d_close };
    static const struct banos_ldisc ldisc = { sizeof ldisc, 29, "parting", &ops };
    static int init(Banos_Driver *self) { long n = banos_tty_register(&driver); return n < 0 ? n : banos_register_ldisc(&ldisc); }
    BANOS_DRIVER("parting", "MIT", 1, init, 0);
  `;

  test('a discipline hears of its end once, also when it hangs the terminal up as it goes', async () => {
    const program = guestProgram(
      'parting',
      `${TERMINAL_PROGRAM}
      int main(void) {
        setvbuf(stdout, 0, _IONBF, 0);
        slave = open("/dev/ttyP0", O_RDWR | O_NOCTTY);
        say("set", set(slave, 29));
        say("set", set(slave, 0));
        say("write", write(slave, "x", 1));
        slave = open("/dev/ttyP0", O_RDWR | O_NOCTTY);
        say("set", set(slave, 29));
        say("hangup", ioctl(slave, TIOCVHANGUP, 0));
        slave = open("/dev/ttyP0", O_RDWR | O_NOCTTY);
        say("has", get(slave));
        return 0;
      }`,
    );
    const kernel = await bootWithPrograms();
    const driver = loadDriver(kernel.inner, compileDriver(PARTING), 'parting');
    assert.is(initDriver(kernel.inner, driver), 0);
    const from = kernel.inner.log.next;
    const { stdout } = await collect(kernel.spawn([program]));
    assert.is(stdout, 'set: 0 \nset: 0 \nwrite: -1 EIO\nset: 0 \nhangup: 0 \nhas: 0 \n');
    assert.equal(kernel.log(from), ['close', 'close']);
    assert.equal([driver.owner.crashes, driver.owner.holds, kernel.inner.drivers.disciplines.users.size], [0, 0, 0]);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a module whose discipline a terminal has cannot be unloaded but by force', async () => {
    const holder = `${TERMINAL_PROGRAM}
      int main(void) {
        open_pair();
        if (fork() == 0) {
          setuid(1000);
          say("user sets", set(slave, 29));
          _exit(0);
        }
        wait(0);
        system("rmmod nmea; cut -d' ' -f1,3 /proc/modules; cat /proc/banos/ldiscs");
        pid_t reader = fork();
        if (reader == 0) {
          struct pollfd one = {slave, POLLIN};
          long n = read(slave, bytes, 10);
          say("reader", n);
          n = read(slave, bytes, 10);
          printf("then %.*s", (int)n, bytes);
          _exit(0);
        }
        do {
          char state = 0, name[40];
          sprintf(name, "/proc/%d/stat", reader);
          FILE *f = fopen(name, "r");
          fscanf(f, "%*d %*s %c", &state);
          fclose(f);
          if (state == 'S') break;
        } while (poll(0, 0, 1) == 0);
        write(master, "$GP", 3);
        system("rmmod -f nmea");
        write(master, "bytes\\n", 6);
        wait(0);
        say("has", get(slave));
        system("cat /proc/modules /proc/tty/ldiscs");
        say("again", set(slave, 29));
        system("insmod /drivers/nmea.o");
        say("again", set(slave, 29));
        say("back", set(slave, 0));
        system("rmmod nmea");
        say("again", set(slave, 29));
        return 0;
      }`;
    compileProgram('holder', holder);
    await withMachine({ 'nmea.o': nmea, holder: readFileSync(`${programs}/holder`) }, async ({ say }) => {
      const printed = await say(
        'insmod /drivers/nmea.o; cat /proc/tty/ldiscs; cp /drivers/holder /tmp; chmod +x /tmp/holder; /tmp/holder',
      );
      assert.equal(
        printed.split('\n').filter((line) => !/rmmod/.test(line)),
        [
          'n_tty       0',
          'n_null     27',
          'nmea       29',
          'user sets: 0 ',
          'nmea 1',
          '29 nmea nmea 1',
          'reader: -1 EAGAIN',
          'then bytes',
          'has: 0 ',
          'n_tty       0',
          'n_null     27',
          'again: -1 EINVAL',
          'again: 0 ',
          'back: 0 ',
          'again: -1 EINVAL',
          '',
        ],
      );
      assert.match(printed, /rmmod: can't unload module 'nmea': Resource temporarily unavailable/);
    });
  });
}

test.run();
