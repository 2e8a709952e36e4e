/** What drivers get from the kernel besides devices: threads, timers, locks, mapped pages, signals; and what is left when they go. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EAGER } from '../cpu/guest.js';
import { collect } from '../support/guest.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

const driverSource = `
  #include <banos/banos.h>
  static struct banos_mutex mutex;
  static struct banos_completion completion;
  static struct banos_wait_queue queue;
  static struct banos_timer timer;
  static int ticks, thread, released;
  static long number;
  static char *page;

  static void tick(void *argument) {
    ticks++;
    banos_wake_up(argument);
    banos_notify(number, BANOS_POLLIN);
    if (ticks % 5) banos_timer_start(&timer, 1000000);
  }
  static int worker(void *argument) {
    long rounds = 0;
    while (!banos_thread_should_stop()) {
      banos_sleep_interruptible(500000);
      rounds++;
      banos_complete(&completion);
    }
    return rounds > 0 ? 42 : -1;
  }
  static int forever(void *argument) { for (;;) banos_msleep(1000000); }
  static int crashing(void *argument) {
    banos_mutex_lock(&mutex);
    banos_msleep(3);
    return *(volatile int *)argument;
  }
  static int count_up(void *argument) { volatile long *n = argument; for (long i = 0; i < 2000000; i++) ++*n; return 0; }
  static long counter;
  static int open(struct banos_file *file) { banos_msleep(1); file->private_data = &ticks; return 0; }
  static void release(struct banos_file *file) { banos_msleep(2); released++; }
  static banos_u32 poll(struct banos_file *file) {
    banos_u32 mask;
    if (file->private_data != &ticks) return BANOS_POLLERR;
    banos_mutex_lock(&mutex);
    mask = ticks ? BANOS_POLLIN : 0;
    banos_mutex_unlock(&mutex);
    return mask;
  }
  static int mmap(struct banos_file *file, struct banos_mapping *mapping) {
    if (mapping->length > 8192) return -BANOS_EINVAL;
    return banos_map_pages(mapping, mapping->offset, page, mapping->length / 4096);
  }
  static int async;
  static int fasync(struct banos_file *file, int on) { async = on; return 0; }
  static banos_s64 llseek(struct banos_file *file, banos_s64 offset, int whence) { return whence == 2 ? 1000 + offset : offset; }
  static long read(struct banos_file *file, struct banos_iter *to, banos_u64 position) {
    return banos_copy_to_iter(&position, 8, to);
  }
  static long ioctl(struct banos_file *file, banos_u32 request, unsigned long argument) {
    long result;
    switch (request) {
    case 101:
      banos_timer_setup(&timer, tick, &queue);
      banos_timer_start(&timer, 1000000);
      result = banos_wait_event_timeout(&queue, ticks == 5, 5000000000ull);
      return result ? result : ticks;
    case 102: return banos_wait_event_timeout(&queue, 0, 2000000);
    case 103:
      thread = banos_thread_run(worker, 0, "test_worker");
      if (thread < 0) return thread;
      for (int i = 0; i < 3; i++) {
        result = banos_wait_for_completion(&completion, BANOS_INTERRUPTIBLE, 0);
        if (result) return result;
      }
      return banos_thread_stop(thread);
    case 104:
      thread = banos_thread_run(crashing, 0, "test_crash");
      banos_msleep(1);
      return banos_mutex_lock(&mutex);
    case 105:
      banos_mutex_lock(&mutex);
      banos_msleep(5);
      banos_mutex_unlock(&mutex);
      return 5;
    case 106: return released;
    case 107: for (;;) __asm__ volatile("");
    case 108: return page[argument];
    case 109: return async;
    case 110: return banos_thread_run(forever, 0, "forever");
    case 111: banos_msleep(1000000); return 0;
    case 112:
      result = banos_thread_run(count_up, &counter, "counter");
      for (int i = 0; i < 100; i++) { for (volatile int j = 0; j < 100000; j++); if (counter == 2000000) return i > 0; banos_msleep(0); }
      return -1;
    case 113: ticks = 0; banos_timer_start(&timer, 2000000); return 0;
    }
    return -BANOS_ENOTTY;
  }
  static const struct banos_chrdev_ops ops = {
    .size = sizeof(ops), .open = open, .release = release, .ioctl = ioctl, .poll = poll, .mmap = mmap, .fasync = fasync,
    .llseek = llseek, .read = read,
  };
  static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "test", .mode = 0666, .ops = &ops };
  static int init(Banos_Driver *driver) {
    page = banos_alloc_pages(2);
    page[5] = 55;
    return (number = banos_chrdev_register(&device)) < 0 ? number : 0;
  }
  BANOS_DRIVER("test", "MIT", 1, init, 0);
`;

const head = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <poll.h>
  #include <pthread.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/ioctl.h>
  #include <sys/mman.h>
  #include <sys/wait.h>
  #include <unistd.h>
`;

if (!hasCompiler) console.log('SKIP services for drivers: they need gcc on x86-64');
else {
  compileProgram(
    'services',
    `${head}
    static volatile int got;
    static void on_io(int s) { got++; }
    static void *holder(void *fd) { return (void *)(long)ioctl((long)fd, 105, 0); }
    int main(void) {
      setvbuf(stdout, 0, _IONBF, 0);
      int fd = open("/dev/test", O_RDWR), n;
      printf("timer %d\\n", ioctl(fd, 101, 0));
      n = ioctl(fd, 102, 0); printf("time-out %d %s\\n", n, strerror(errno));
      printf("thread %d\\n", ioctl(fd, 103, 0));
      pthread_t t;
      pthread_create(&t, 0, holder, (void *)(long)fd);
      usleep(1000);
      struct pollfd p = { fd, POLLIN, 0 };
      n = poll(&p, 1, 5000);
      printf("poll %d %#x\\n", n, p.revents);
      void *result; pthread_join(t, &result);
      printf("holder %ld\\n", (long)result);
      char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      printf("mapped %d\\n", m[5]);
      m[4100] = 99;
      printf("seen by the driver %d\\n", ioctl(fd, 108, 4100));
      printf("too large %d\\n", mmap(0, 16384, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
      if (fork() == 0) { m[4101] = 98; return 0; }
      wait(0);
      printf("shared with a child %d\\n", ioctl(fd, 108, 4101));
      printf("seek %ld\\n", (long)lseek(fd, 123, SEEK_SET)); printf("seek %ld\\n", (long)lseek(fd, -1, SEEK_END));
      long position = 0;
      read(fd, &position, 8);
      printf("position %ld\\n", position);
      signal(SIGIO, on_io);
      fcntl(fd, F_SETOWN, getpid());
      fcntl(fd, F_SETFL, O_ASYNC);
      printf("async %d\\n", ioctl(fd, 109, 0));
      ioctl(fd, 113, 0);
      while (!got) pause();
      printf("told\\n");
      fcntl(fd, F_SETFL, 0);
      printf("async %d\\n", ioctl(fd, 109, 0));
      int second = open("/dev/test", O_RDWR);
      close(second);
      usleep(20000);
      printf("released %d\\n", ioctl(fd, 106, 0));
      printf("a busy thread gets its turns %d\\n", ioctl(fd, 112, 0));
      n = ioctl(fd, 104, 0); printf("lock of a crashed thread %d %s\\n", n, strerror(errno));
      return 0;
    }`,
  );
  const expected = [
    'timer 5',
    'time-out -1 Connection timed out',
    'thread 42',
    'poll 1 0x1',
    'holder 5',
    'mapped 55',
    'seen by the driver 99',
    'too large 1',
    'shared with a child 98',
    'seek 123',
    'seek 999',
    'position 999',
    'async 1',
    'told',
    'async 0',
    'released 1',
    'a busy thread gets its turns 1',
    'lock of a crashed thread -1 Input/output error',
  ];
  for (const [kind, options] of [
    ['interpreted', { translator: false }],
    ['translated at once', { translator: EAGER }],
    ['on the virtual clock', { seed: 7 }],
  ] as const) {
    test(`threads, timers, locks, mapping, signals, ${kind}`, async () => {
      const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], ...options });
      const { inner } = kernel;
      const driver = loadDriver(inner, compileDriver(driverSource), 'test');
      assert.is(initDriver(inner, driver), 0);
      const { stdout } = await collect(kernel.spawn(['/programs/services']));
      assert.equal(stdout.trimEnd().split('\n'), expected);
      assert.is(inner.drivers.oopses, 1);
      while (driver.owner.holds > 0) await new Promise((resolve) => setImmediate(resolve));
      driver.owner.release();
      assert.is(inner.drivers.heap.blocks, 0);
      kernel.assertIdle();
      await kernel.shutdown();
    });
  }

  test('a driver that goes by force leaves nobody waiting, and nothing behind', async () => {
    compileProgram(
      'sleeper',
      `${head}
      int main(int argc, char **argv) {
        int fd = open("/dev/test", O_RDWR), n;
        char *m = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
        ioctl(fd, 110, 0);
        ioctl(fd, 101, 0);
        printf("ready\\n"); fflush(stdout);
        n = ioctl(fd, 111, 0);
        printf("%d %s\\n", n, strerror(errno));
        n = read(fd, &n, 4);
        printf("%d %s, %d\\n", n, strerror(errno), m[5]);
        struct pollfd p = { fd, POLLIN, 0 };
        poll(&p, 1, -1);
        printf("%#x\\n", p.revents);
        n = open("/dev/test", O_RDWR);
        printf("%d %s\\n", n, strerror(errno));
        return 0;
      }`,
    );
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(driverSource), 'test');
    assert.is(initDriver(inner, driver), 0);
    const child = kernel.spawn(['/programs/sleeper']);
    const outcome = collect(child);
    await new Promise((resolve) => child.stdout!.once('data', resolve));
    const isAsleep = (): boolean => kernel.dump().processes.some(({ waitsFor }) => waitsFor === 'wait_for_driver');
    while (!isAsleep()) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(kernel.dump().kernelThreads.some(({ command }) => command === 'forever'));
    driver.owner.release();
    assert.is(
      (await outcome).stdout,
      'ready\n-1 No such device\n-1 No such device, 55\n0x18\n-1 No such file or directory\n',
    );
    assert.is(inner.drivers.heap.blocks, 0);
    assert.is(driver.owner.size, 0);
    assert.equal(
      kernel.dump().kernelThreads.map(({ command }) => command),
      ['kthreadd', 'linker'],
    );
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a loop without a lock leaves the others their turns, and a deadline ends it', async () => {
    compileProgram(
      'looper',
      `${head} int main(void) { printf("%d\\n", ioctl(open("/dev/test", O_RDWR), 107, 0)); return 0; }`,
    );
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], driverDeadline: 30_000_000 });
    const driver = loadDriver(kernel.inner, compileDriver(driverSource), 'test');
    assert.is(initDriver(kernel.inner, driver), 0);
    const looper = collect(kernel.spawn(['/programs/looper']));
    assert.is((await collect(kernel.spawn(['echo', 'still here']))).stdout, 'still here\n');
    assert.is(kernel.inner.drivers.oopses, 0);
    assert.is((await looper).stdout, '-1\n');
    assert.is(kernel.inner.drivers.oopses, 1);
    await kernel.shutdown();
  });

  test('instructions are counted the same with and without translation', async () => {
    const counts: number[] = [];
    for (const translator of [false, EAGER] as const) {
      const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], seed: 3, translator });
      const driver = loadDriver(kernel.inner, compileDriver(driverSource), 'test');
      assert.is(initDriver(kernel.inner, driver), 0);
      await collect(kernel.spawn(['/programs/services']));
      counts.push(kernel.inner.cpu.totalRetired, kernel.inner.dispatch.count, kernel.inner.host.monotonic());
      await kernel.shutdown();
    }
    assert.equal(counts.slice(0, 3), counts.slice(3));
  });

  test('a program that calls its driver all the time is translated, and stays in its region', async () => {
    compileProgram(
      'caller',
      `${head}
      int main(void) {
        int fd = open("/dev/test", O_RDWR), failed = 0;
        for (int i = 0; i < 100000; i++) failed += ioctl(fd, 9999, i) < 0;
        printf("%d\\n", failed);
      }`,
    );
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], seed: 3 });
    const driver = loadDriver(kernel.inner, compileDriver(driverSource), 'test');
    assert.is(initDriver(kernel.inner, driver), 0);
    const { stdout } = await collect(kernel.spawn(['/programs/caller']));
    assert.is(stdout, '100000\n');
    const { translated, translator } = kernel.inner.cpu.stats();
    assert.ok(translated > 1_000_000, `${translated} instructions in regions`);
    assert.ok(translator!.returns.interpreted < 10_000, `${translator!.returns.interpreted} times out of a region`);
    await kernel.shutdown();
  });
}

test.run();
