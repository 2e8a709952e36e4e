/** Schedulers of drivers: the round robin of the examples, and hostile ones, which lose nobody. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EBUSY, EEXIST, EINVAL } from '../../abi/errno.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram, until } from './programs.js';
import { callNow, compileDriver, hasCompiler, initDriver, loadDriver, type OpenKernel } from './support.js';

if (!hasCompiler) console.log('SKIP schedulers of drivers: they need gcc on x86-64');
else {
  /** Processes that compute, yield, sleep, talk through pipes, and threads; the sum of it all. */
  const work = guestProgram(
    'work',
    `#include <pthread.h>
    #include <sched.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static long compute(long n) { volatile long sum = 0; for (long i = 0; i < n; i++) sum += i % 7; return sum; }
    static void *thread(void *argument) { compute(50000); sched_yield(); return argument; }
    int main(void) {
      int ends[2], back[2];
      pipe(ends);
      pipe(back);
      for (int child = 0; child < 6; child++) {
        if (fork() != 0) continue;
        if (child % 2) nice(child * 3);
        pthread_t one;
        pthread_create(&one, 0, thread, &one);
        for (int i = 0; i < 20; i++) {
          compute(child * 5000);
          if (i % 5 == 0) sched_yield();
          if (i % 7 == 0) usleep(100);
          char c = 'a' + child;
          write(ends[1], &c, 1);
        }
        void *result;
        pthread_join(one, &result);
        _exit(result == &one ? child : 99);
      }
      long counts[6] = {0};
      for (int i = 0; i < 120; i++) { char c; read(ends[0], &c, 1); counts[c - 'a']++; }
      for (int i = 0; i < 6; i++) printf("%ld ", counts[i]);
      int status, sum = 0;
      while (wait(&status) > 0) sum += WEXITSTATUS(status);
      printf("%d\\n", sum);
      return 0;
    }`,
  );
  const RESULT = '20 20 20 20 20 20 15\n';
  const current = async (kernel: OpenKernel): Promise<string> =>
    (await collect(kernel.spawn(['cat', '/proc/banos/scheduler']))).stdout;
  const choose = async (kernel: OpenKernel, name: string): Promise<number | null> =>
    (await collect(kernel.spawn(['sh', '-c', `echo ${name} > /proc/banos/scheduler`]))).code;

  test('the round robin is chosen, used and left at run time, and nice tasks get less', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(
      inner,
      compileDriver(readFileSync('drivers/examples/round_robin.c', 'utf8')),
      'round_robin',
    );
    assert.is(await current(kernel), '[fifo]\n');
    assert.is(await choose(kernel, 'round_robin'), 1);
    assert.is(initDriver(inner, driver), 0);
    assert.is(initDriver(inner, driver), -EEXIST);
    assert.is(await current(kernel), '[fifo] round_robin\n');
    assert.is(await choose(kernel, 'round_robin'), 0);
    assert.is(await current(kernel), 'fifo [round_robin]\n');
    assert.is(driver.owner.holds, 1);
    assert.is(callNow(inner, driver, 'uninit', 0) | 0, -EBUSY);
    const running = [0, 1, 2].map(() => collect(kernel.spawn([work])));
    for (const { stdout } of await Promise.all(running)) assert.is(stdout, RESULT);
    assert.is(await current(kernel), 'fifo [round_robin]\n');
    // Two that compute for ever: what they got is as their slices are, four to one.
    const hog = guestProgram(
      'hog',
      `#include <stdlib.h>
      #include <unistd.h>
      int main(int argc, char **argv) { nice(atoi(argv[1])); for (;;) ; }`,
    );
    const hogs = ['0', '10'].map((nice) => kernel.spawn([hog, nice]));
    const used = (nice: number): number => {
      for (const process of inner.processes.all()) {
        if (process.nice === nice && process.leader.comm === 'hog') return process.usage.utime;
      }
      return 0;
    };
    while (used(10) < 5_000_000) await new Promise((resolve) => setImmediate(resolve));
    const ratio = used(0) / used(10);
    assert.ok(ratio > 3 && ratio < 5.5, `a ratio of ${ratio}`);
    // Changed while they run; a user may look, but not choose.
    assert.is(await choose(kernel, 'fifo'), 0);
    assert.is(driver.owner.holds, 0);
    const user = { uid: 1000, gid: 1000 };
    const refused = await collect(kernel.spawn(['sh', '-c', 'echo fifo > /proc/banos/scheduler'], { user }));
    assert.is(refused.code, 1);
    for (const one of hogs) one.kill('SIGKILL');
    await Promise.all(hogs.map((one) => one.exit));
    // Its module goes while it is used.
    assert.is(await choose(kernel, 'round_robin'), 0);
    const last = collect(kernel.spawn([work]));
    driver.owner.release();
    assert.is((await last).stdout, RESULT);
    assert.is(await current(kernel), '[fifo]\n');
    assert.equal([driver.owner.holds, inner.drivers.heap.blocks], [0, 0]);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a scheduler that is left and chosen again: what it has in mind from before does no harm', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const { schedulers } = inner.drivers;
    const roundRobin = compileDriver(readFileSync('drivers/examples/round_robin.c', 'utf8'));
    const driver = loadDriver(inner, roundRobin, 'round_robin');
    assert.is(initDriver(inner, driver), 0);
    const endless = guestProgram('endless', 'int main(void) { for (;;) ; }');
    for (let i = 0; i < 3; i++) {
      assert.is(schedulers.choose('round_robin'), 0);
      const running = [0, 1, 2].map(() => kernel.spawn([endless]));
      const { runner } = inner.drivers;
      const { count } = runner;
      await until(() => runner.count > count + 50);
      assert.is(schedulers.choose('fifo'), 0);
      for (const one of running) one.kill('SIGKILL');
      await Promise.all(running.map((one) => one.exit));
      assert.is(schedulers.choose('round_robin'), 0);
      assert.is((await collect(kernel.spawn(['true']))).code, 0);
      assert.is(schedulers.describe(), 'fifo [round_robin]\n');
    }
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a scheduler sees who has slept, also when it is asked for a slice; registering again and again takes no memory', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(
      inner,
      compileDriver(`
        #include <banos/banos.h>
        static int ring[256];
        static unsigned head, count, was[64];
        long enqueued[2], sliced[2], ran[2], wrong;
        static int flag(const struct banos_sched_task *task) { return (task->flags & BANOS_SCHED_WOKEN) != 0; }
        static long enqueue(const struct banos_sched_task *task) {
          ring[count++ % 256] = task->tid;
          was[task->tid % 64] = flag(task);
          enqueued[flag(task)]++;
          return 0;
        }
        static long pick_next(void) { return ring[head++ % 256]; }
        static long after(const struct banos_sched_task *task, banos_u64 instructions, int why) { ran[flag(task)]++; return 0; }
        static long slice(const struct banos_sched_task *task) {
          sliced[flag(task)]++;
          if (flag(task) != was[task->tid % 64]) wrong++;
          return 0;
        }
        static struct banos_scheduler one = {
          .size = sizeof one, .name = "seeing", .enqueue = enqueue, .pick_next = pick_next, .ran = after, .slice = slice};
        long reg(void) { return banos_register_scheduler(&one); }
        long unreg(void) { return banos_unregister_scheduler("seeing"); }
        static int init(Banos_Driver *driver) { return 0; }
        BANOS_DRIVER("seeing", "MIT", 1, init, init);`),
      'seeing',
    );
    const { drivers } = inner;
    const { blocks } = drivers.heap;
    for (let i = 0; i < 3; i++) assert.equal([callNow(inner, driver, 'reg'), callNow(inner, driver, 'unreg')], [0, 0]);
    assert.is(drivers.heap.blocks, blocks);
    assert.is(callNow(inner, driver, 'reg'), 0);
    assert.is(drivers.schedulers.choose('seeing'), 0);
    const running = [collect(kernel.spawn([work])), collect(kernel.spawn([work]))];
    for (const { stdout } of await Promise.all(running)) assert.is(stdout, RESULT);
    assert.is(drivers.schedulers.describe(), 'fifo [seeing]\n');
    const read = (name: string, index: number): number => drivers.space.readI64(driver.at(name) + 8 * index);
    for (const name of ['enqueued', 'sliced']) for (const i of [0, 1]) assert.ok(read(name, i) > 0, `${name} ${i}`);
    assert.ok(read('ran', 0) > 0);
    assert.equal([read('ran', 1), read('wrong', 0)], [0, 0]);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('sched_yield gives way: the task went on until its slice was used', async () => {
    const kernel = await bootWithPrograms();
    const turns = guestProgram(
      'turns',
      `#include <sched.h>
      #include <stdio.h>
      #include <sys/mman.h>
      #include <sys/wait.h>
      #include <unistd.h>
      int main(void) {
        volatile int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int yields = 0, is_child = fork() == 0;
        for (int i = 0; i < 100; i++) {
          while (shared[0] % 2 != is_child) { sched_yield(); yields++; }
          shared[0]++;
        }
        if (is_child) return yields > 250;
        int status;
        wait(&status);
        printf("%d %d\\n", yields <= 250, status);
        return 0;
      }`,
    );
    assert.is((await collect(kernel.spawn([turns]))).stdout, '1 0\n');
    await kernel.shutdown();
  });

  /** Answers well for a number of picks, then in one way or another badly; remembers in a ring, as far as that goes. */
  const hostile = compileDriver(`
    #include <banos/banos.h>
    static int ring[4096];
    static unsigned head, count;
    static unsigned long state = 1;
    int good, how, spared;
    static unsigned random_number(unsigned below) {
      state = state * 6364136223846793005ul + 1442695040888963407ul;
      return (state >> 33) % below;
    }
    static long enqueue(const struct banos_sched_task *task) {
      if (how == 1 && good <= 0) return -BANOS_ENOMEM;
      if (count < 4096) ring[(head + count++) % 4096] = task->tid;
      return 0;
    }
    static long pick_next(void) {
      if (good-- > 0 || how == 8) {
        /* Any of those that wait, not the first one. */
        unsigned at = how == 8 ? 0 : random_number(count);
        if (how == 8 && count > 1 && spared == ring[head % 4096]) at = 1;
        if (how == 8 && spared == 0) spared = ring[head % 4096];
        int tid = ring[(head + at) % 4096];
        ring[(head + at) % 4096] = ring[head % 4096];
        head++;
        count--;
        return tid;
      }
      switch (how) {
      case 2: return 0;
      case 3: return -1;
      case 4: return random_number(1u << 30);
      case 5: return *(volatile long *)8;
      case 6: for (;;) ;
      case 7: banos_msleep(1); return 1;
      case 9: return 1l << 60;
      case 10: return -0x10002;
      default: return 1;
      }
    }
    static long ran(const struct banos_sched_task *task, banos_u64 instructions, int why) {
      return how == 11 && good <= 0 ? *(volatile long *)8 : 0;
    }
    static long slice(const struct banos_sched_task *task) { return (long)random_number(5000000) - 1000000; }
    static struct banos_scheduler one = {
      .size = sizeof one, .name = "hostile", .enqueue = enqueue, .pick_next = pick_next, .ran = ran, .slice = slice};
    long reg(int part) {
      struct banos_scheduler other = one;
      if (part == 1) other.size = 8;
      if (part == 2) other.name = "a/b";
      if (part == 3) other.pick_next = 0;
      if (part == 4) other.name = "fifo";
      return banos_register_scheduler(part == 0 ? &one : &other);
    }
    void set(int next_how, int next_good, long seed) { head = count = spared = 0; how = next_how; good = next_good; state = seed; }
    static int init(Banos_Driver *driver) { return 0; }
    BANOS_DRIVER("hostile", "MIT", 1, init, init);
  `);

  test('whatever a scheduler answers, no task is lost', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    inner.drivers.schedulers.patience = 20_000_000;
    let seed = Number(process.env['SEED'] ?? 7);
    for (let how = 1; how <= 11; how++) {
      for (const good of [0, 1, 40 + (seed % 60)]) {
        const driver = loadDriver(inner, hostile, 'hostile');
        for (const part of [1, 2, 3]) assert.is(callNow(inner, driver, 'reg', part), -EINVAL);
        assert.is(callNow(inner, driver, 'reg', 4), -EEXIST);
        assert.is(callNow(inner, driver, 'reg', 0), 0);
        callNow(inner, driver, 'set', how, good, ++seed);
        const from = inner.log.next;
        const running = collect(kernel.spawn([work]));
        assert.is(inner.drivers.schedulers.choose('hostile\n'), 0);
        const { stdout, code } = await running;
        const what = `how ${how}, good ${good}, SEED=${seed}`;
        assert.equal([stdout, code], [RESULT, 0], what);
        const told = kernel
          .log(from)
          .some((line) => line.startsWith('scheduler hostile ') && line.endsWith('back to fifo'));
        // The one that lets a task starve may have been given nobody to starve.
        if (how !== 8) assert.ok(told, what);
        if (how !== 8) assert.is(inner.drivers.schedulers.describe(), '[fifo] hostile\n', what);
        driver.owner.release();
        assert.equal([driver.owner.holds, inner.drivers.heap.blocks], [0, 0], what);
      }
    }
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a scheduler that lets a task starve is given up', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(
      inner,
      compileDriver(`
        #include <banos/banos.h>
        static int best[64], others[64], bests, rest;
        static long enqueue(const struct banos_sched_task *task) {
          if (task->nice == 0) best[bests++ % 64] = task->tid; else others[rest++ % 64] = task->tid;
          return 0;
        }
        static long pick_next(void) { return bests > 0 ? best[--bests] : rest > 0 ? others[--rest] : 0; }
        static struct banos_scheduler one = {.size = sizeof one, .name = "unfair", .enqueue = enqueue, .pick_next = pick_next};
        static int init(Banos_Driver *driver) { return banos_register_scheduler(&one); }
        BANOS_DRIVER("unfair", "MIT", 1, init, init);`),
      'unfair',
    );
    assert.is(initDriver(inner, driver), 0);
    inner.drivers.schedulers.patience = 3_000_000;
    const spin = guestProgram(
      'spin',
      `#include <sched.h>
      #include <stdlib.h>
      #include <unistd.h>
      int main(int argc, char **argv) {
        nice(atoi(argv[1]));
        // From here on it waits behind the other one.
        sched_yield();
        if (argc > 2) return 6;
        for (;;) ;
      }`,
    );
    const endless = kernel.spawn([spin, '0']);
    assert.is(inner.drivers.schedulers.choose('unfair'), 0);
    const starving = kernel.spawn([spin, '5', 'end']);
    assert.is((await starving.exit).code, 6);
    assert.ok(kernel.log().some((line) => /^scheduler unfair lets \d+ \(spin\) starve: back to fifo$/.test(line)));
    endless.kill('SIGKILL');
    await endless.exit;
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
