/** Operations of drivers besides read, write and ioctl that sleep until another task does something. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGER } from '../cpu/guest.js';
import { collect } from '../support/guest.js';
import {
  bootOpen,
  compileDriver,
  compileProgram,
  hasCompiler,
  initDriver,
  type LoadedDriver,
  loadDriver,
  type OpenKernel,
  programs,
} from './support.js';

/** Each operation waits for one byte that somebody writes to the device. */
const SLEEPY = `
  #include <banos/banos.h>
  static struct banos_wait_queue queue;
  static int turns, asyncs, stored;
  static char *page;
  static long await(void) {
    long r = banos_wait_event_interruptible(&queue, turns > 0);
    if (r == 0) turns--;
    return r;
  }
  static long write(struct banos_file *file, struct banos_iter *from, banos_u64 position) {
    turns += banos_iter_count(from);
    banos_wake_up(&queue);
    return banos_iter_count(from);
  }
  static long ioctl(struct banos_file *file, banos_u32 request, unsigned long argument) {
    return request == 101 ? asyncs : request == 102 ? stored : request == 103 ? turns : -BANOS_ENOTTY;
  }
  static int fsync(struct banos_file *file) { return await(); }
  static banos_s64 llseek(struct banos_file *file, banos_s64 offset, int whence) {
    long r = await();
    return r ? r : offset + (whence == 2 ? 1000 : 0);
  }
  static int fasync(struct banos_file *file, int on) {
    if (on && asyncs == 100) return -BANOS_EBUSY;
    long r = on ? await() : 0;
    if (r == 0) asyncs += on ? 1 : -1;
    return r;
  }
  static int mmap(struct banos_file *file, struct banos_mapping *mapping) {
    long r = await();
    return r ? r : banos_map_pages(mapping, mapping->offset, page, 1);
  }
  static long show(void *data, char *buffer, size_t size) {
    long r = await();
    return r ? r : banos_snprintf(buffer, size, "shown %s %d\\n", (const char *)data, banos_current_pid() > 0);
  }
  static long store(void *data, const char *text, size_t length) {
    long r = await();
    if (r == 0) stored += length;
    return r;
  }
  static int store_int(void *data, const char *text, size_t length) { return store(data, text, length); }
  static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .write = write, .ioctl = ioctl, .fsync = fsync, .llseek = llseek,
    .fasync = fasync, .mmap = mmap };
  static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "sleepy", .mode = 0666, .ops = &ops };
  static const struct banos_proc_file proc = { .size = sizeof(proc), .mode = 0666, .name = "sleepy", .show = show, .store = store_int, .data = "proc" };
  static const struct banos_attribute attribute = { .size = sizeof(attribute), .mode = 0666, .name = "text", .show = show, .store = store, .data = "sys" };
  static int init(Banos_Driver *driver) {
    long number = banos_chrdev_register(&device), r;
    if (number < 0) return number;
    page = banos_alloc_pages(1);
    memcpy(page, "mapped", 7);
    r = banos_proc_create(&proc);
    return r ? r : banos_attribute_add(number, &attribute);
  }
  BANOS_DRIVER("sleepy", "MIT", 1, init, 0);
`;

const HEAD = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  #include <sys/ioctl.h>
  #include <sys/mman.h>
  #include <sys/uio.h>
  #include <sys/wait.h>
  static int d, proc, sys;
  static char buffer[100], *map;
  static void report(const char *what, long result) {
    printf("%s: %ld%s%s\\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
  }
  static long text(int fd) { long n = pread(fd, buffer, 99, 0); buffer[n > 0 ? n : 0] = 0; return n; }
  static long operation(int which) {
    static struct iovec v = { "", 1 };
    switch (which) {
    case 0: return fsync(d);
    case 1: return lseek(d, 5, SEEK_SET);
    case 2: return lseek(d, -10, SEEK_END);
    case 3: return lseek(d, 7, SEEK_CUR);
    case 4: return fdatasync(d);
    case 5: map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, d, 0); return map == MAP_FAILED ? -1 : 0;
    case 6: return msync(map, 4096, MS_SYNC);
    case 7: return text(proc);
    case 8: return pwrite(proc, "abc", 3, 0);
    case 9: return text(sys);
    case 10: return pwrite(sys, "defgh", 5, 0);
    case 11: return fcntl(d, F_SETFL, O_RDWR | O_ASYNC);
    case 12: { int on = 1; return ioctl(d, FIOASYNC, &on); }
    default: return -2;
    }
  }
  static void open_all(void) {
    setvbuf(stdout, 0, _IONBF, 0);
    d = open("/dev/sleepy", O_RDWR); proc = open("/proc/driver/sleepy", O_RDWR); sys = open("/sys/class/sleepy/sleepy/text", O_RDWR);
  }
  static void later(void) { if (fork() == 0) { usleep(1500); write(d, "x", 1); _exit(0); } }
`;

const WOKEN = `${HEAD}
  int main(void) {
    int i;
    open_all();
    for (i = 0; i < 13; i++) {
      later();
      printf("%d ", i);
      report("woken", operation(i));
      wait(0);
      if (i == 5) puts(map);
      if (i == 7 || i == 9) printf("%s", buffer);
      if (i == 11) { report("asynchronous", (fcntl(d, F_GETFL) & O_ASYNC) != 0); report("told", ioctl(d, 101)); fcntl(d, F_SETFL, O_RDWR); report("not any more", ioctl(d, 101)); }
    }
    report("stored", ioctl(d, 102));
    report("asynchronous", (fcntl(d, F_GETFL) & O_ASYNC) != 0);
    // A write that is to be on its way makes a turn itself, and fsync takes it.
    struct iovec v = { "x", 1 };
    report("written through", pwritev2(d, &v, 1, 0, RWF_SYNC));
    report("turns", ioctl(d, 103));
    // Two mappings of the file in one range: the second one's fsync sleeps, too.
    later();
    char *place = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mmap(place, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, d, 0) != place) puts("no first");
    wait(0); later();
    if (mmap(place + 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, d, 0) != place + 4096) puts("no second");
    wait(0); later(); usleep(2500); later();
    report("both", msync(place, 8192, MS_SYNC));
    wait(0); wait(0);
    report("turns", ioctl(d, 103));
    close(d);
    return 0;
  }
`;

const SIGNALS = `${HEAD}
  static int count;
  static void on_alarm(int s) { count++; }
  int main(void) {
    int i, status;
    struct sigaction action = { .sa_handler = on_alarm };
    open_all();
    write(d, "x", 1); operation(5);
    for (i = 0; i < 13; i++) {
      if (i == 5) continue;
      action.sa_flags = 0;
      sigaction(SIGALRM, &action, 0);
      // Again and again: the first one may come before the operation.
      ualarm(1500, 1500);
      printf("%d ", i);
      report("interrupted", operation(i));
      ualarm(0, 0);
      action.sa_flags = SA_RESTART;
      sigaction(SIGALRM, &action, 0);
      if (fork() == 0) { usleep(4000); write(d, "x", 1); _exit(0); }
      count = 0;
      ualarm(1500, 1500);
      report("restarted", operation(i));
      ualarm(0, 0);
      wait(0);
      if (count == 0) puts("no signal");
      if (i >= 11) fcntl(d, F_SETFL, O_RDWR);
      int pid = fork();
      if (pid == 0) { operation(i); puts("not reached"); _exit(0); }
      usleep(1500);
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      if (WTERMSIG(status) != SIGKILL) puts("not killed");
    }
    action.sa_flags = 0;
    sigaction(SIGALRM, &action, 0);
    ualarm(1500, 1500);
    report("mmap interrupted", operation(5));
    ualarm(0, 0);
    return 0;
  }
`;

async function sleeperIn({ inner }: OpenKernel): Promise<void> {
  for (;;) {
    for (const { driverCall } of inner.processes.tasks()) if (driverCall?.state === 'suspended') return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function load(kernel: OpenKernel): LoadedDriver {
  const driver = loadDriver(kernel.inner, compileDriver(SLEEPY), 'sleepy');
  assert.is(initDriver(kernel.inner, driver), 0);
  return driver;
}

async function end(kernel: OpenKernel, { owner }: LoadedDriver): Promise<void> {
  assert.is(owner.holds, 0);
  owner.release();
  assert.is(owner.size, 0);
  assert.is(kernel.inner.drivers.heap.blocks, 0);
  assert.is(kernel.inner.drivers.oopses, 0);
  kernel.assertIdle();
  await kernel.shutdown();
}

if (!hasCompiler) console.log('SKIP operations of drivers that sleep: they need gcc on x86-64');
else {
  for (const [kind, translator] of [
    ['interpreted', false],
    ['translated at once', EAGER],
  ] as const) {
    test(`fsync, lseek, mmap, msync, F_SETFL, files in /proc and /sys sleep until another task writes, ${kind}`, async () => {
      compileProgram('woken', WOKEN);
      const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], translator });
      const driver = load(kernel);
      const { stdout, stderr } = await collect(kernel.spawn(['/programs/woken']));
      assert.equal((stdout + stderr).trimEnd().split('\n'), [
        '0 woken: 0',
        '1 woken: 5',
        '2 woken: 990',
        '3 woken: 997',
        '4 woken: 0',
        '5 woken: 0',
        'mapped',
        '6 woken: 0',
        '7 woken: 13',
        'shown proc 1',
        '8 woken: 3',
        '9 woken: 12',
        'shown sys 1',
        '10 woken: 5',
        '11 woken: 0',
        'asynchronous: 1',
        'told: 1',
        'not any more: 0',
        '12 woken: 0',
        'stored: 8',
        'asynchronous: 1',
        'written through: 1',
        'turns: 0',
        'both: 0',
        'turns: 0',
      ]);
      // Its end closed it.
      assert.is(kernel.inner.drivers.space.readU32(driver.at('asyncs')), 0);
      await end(kernel, driver);
    });
  }

  test('signals interrupt them, restart them, and kill', async () => {
    compileProgram('signals', SIGNALS);
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const driver = load(kernel);
    const { stdout, stderr } = await collect(kernel.spawn(['/programs/signals']));
    const results = ['0', '5', '990', '997', '0', '', '0', '13', '3', '12', '5', '0', '0'];
    assert.equal((stdout + stderr).trimEnd().split('\n'), [
      ...results.flatMap((result, i) =>
        i === 5 ? [] : [`${i} interrupted: -1 Interrupted system call`, `restarted: ${result}`],
      ),
      'mmap interrupted: -1 Interrupted system call',
    ]);
    await end(kernel, driver);
  });

  test('a driver that goes by force ends them', async () => {
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    for (const [command, errors] of [
      ['cat /proc/driver/sleepy', /No such device/],
      ['cat /sys/class/sleepy/sleepy/text', /No such device/],
      ['echo x > /sys/class/sleepy/sleepy/text', /No such device/],
      ['exec 3< /dev/sleepy; sync -d /dev/sleepy', /No such device/],
    ] as const) {
      const driver = load(kernel);
      const ended = collect(kernel.spawn(['sh', '-c', `${command}; cat /proc/driver/sleepy`]));
      await sleeperIn(kernel);
      driver.owner.release();
      assert.match((await ended).stderr, errors, command);
      assert.is(driver.owner.size, 0);
      assert.is(kernel.inner.drivers.heap.blocks, 0);
    }
    assert.is(kernel.inner.drivers.oopses, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
