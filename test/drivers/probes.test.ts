/** Probes on system calls, with the example that counts, and on functions in kernel mode. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EINVAL, EIO, ENOENT } from '../../abi/errno.js';
import { Disassembler } from '../../cpu/index.js';
import { EAGER } from '../cpu/guest.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram } from './programs.js';
import { callNow, compileDriver, hasCompiler, initDriver, loadDriver } from './support.js';

if (!hasCompiler) console.log('SKIP probes of drivers: they need gcc on x86-64');
else {
  const calls = guestProgram(
    'calls',
    `#include <errno.h>
    #include <stdio.h>
    #include <string.h>
    #include <fcntl.h>
    #include <sys/ioctl.h>
    #include <sys/stat.h>
    #include <unistd.h>
    int main(void) {
      int fd = open("/dev/count_calls", O_RDONLY);
      long before = fd < 0 ? 0 : ioctl(fd, _IOW('c', 2, int), getpid());
      for (int i = 0; i < 1000; i++) getppid();
      for (int i = 0; i < 7; i++) close(-1);
      int result = mkdir("/tmp/directory", 0700);
      printf("%d %s\\n", result, result < 0 ? strerrorname_np(errno) : "");
      if (fd >= 0) {
        long made = ioctl(fd, _IOW('c', 2, int), getpid()) - before;
        printf("%d %ld %d\\n", ioctl(fd, _IOW('c', 1, int), 110), made, ioctl(fd, _IOW('c', 1, int), -1));
        for (int pid = 100000; pid < 102000; pid++) if (ioctl(fd, _IOW('c', 2, int), pid) != 0) puts("who?");
      }
      rmdir("/tmp/directory");
      return 0;
    }`,
  );

  test('the example counts calls, failures and processes; without it nothing is asked', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(
      inner,
      compileDriver(readFileSync('drivers/examples/count_calls.c', 'utf8')),
      'count_calls',
    );
    assert.is(initDriver(inner, driver), 0);
    const { stdout } = await collect(kernel.spawn([calls]));
    // 1000 of getppid, 7 of close, mkdir, getpid, ioctl, fstat of standard output, and write is still to come.
    const [made, counted] = stdout.split('\n');
    assert.is(made, '0 ');
    assert.match(counted!, /^1000 10\d\d -1$/);
    const text = (await collect(kernel.spawn(['cat', '/dev/count_calls']))).stdout;
    assert.match(text, /^call 110 getppid 1000 failed 0$/m);
    assert.match(text, /^call 3 close \d+ failed 7$/m);
    assert.match(text, /^process \d+ calls 30\d\d$/m);
    // To be asked for takes no place in the table.
    assert.not.match(text, /^process \d{6}/m);
    assert.match(
      (await collect(kernel.spawn(['cat', '/proc/banos/probes']))).stdout,
      /^syscall all count_calls \d+ 0\n$/,
    );
    assert.is((await collect(kernel.spawn(['sh', '-c', 'echo clear > /dev/count_calls']))).code, 0);
    assert.not.match((await collect(kernel.spawn(['cat', '/dev/count_calls']))).stdout, /getppid 1000/);
    driver.owner.release();
    assert.is((await collect(kernel.spawn([calls]))).stdout, '0 \n');
    assert.is((await collect(kernel.spawn(['cat', '/proc/banos/probes']))).stdout, '');
    assert.equal([driver.owner.size, inner.drivers.heap.blocks], [0, 0]);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a probe vetoes, sees what comes of a call that waits, and is shown in no trace', async () => {
    let traced = '';
    const kernel = await bootWithPrograms({
      trace: (line) => {
        traced += line;
      },
    });
    const { inner } = kernel;
    const driver = loadDriver(
      inner,
      compileDriver(`
        #include <banos/banos.h>
        static long veto(const struct banos_syscall_event *event) {
          return memcmp(event->name, "mkdir", 6) == 0 && event->arguments[1] == 0700 ? -BANOS_EACCES : 1;
        }
        long result, begun;
        static long entry(const struct banos_syscall_event *event) { begun++; return 0; }
        static long exit(const struct banos_syscall_event *event) {
          result = event->result;
          return event->data == &result ? 0 : banos_printk("bad data");
        }
        static long crash(const struct banos_syscall_event *event) { return *(volatile long *)8; }
        long reg(int number, int which) {
          struct banos_syscall_probe probe = {.size = sizeof probe, .number = number, .data = &result};
          if (which == 0) probe.entry = veto;
          if (which == 1) { probe.entry = entry; probe.exit = exit; }
          if (which == 2) probe.entry = crash;
          return banos_register_syscall_probe(&probe);
        }
        long unreg(long probe) { return banos_unregister_syscall_probe(probe); }
        static int init(Banos_Driver *driver) { return 0; }
        BANOS_DRIVER("veto", "MIT", 1, init, init);`),
      'veto',
    );
    const read = (name: string): number => inner.drivers.space.readI64(driver.at(name));
    assert.is(callNow(inner, driver, 'reg', -2, 0), -EINVAL);
    assert.is(callNow(inner, driver, 'reg', 0, 3), -EINVAL);
    const veto = callNow(inner, driver, 'reg', 83, 0);
    assert.is((await collect(kernel.spawn([calls]))).stdout, '-1 EACCES\n');
    assert.match(traced, /mkdir\("\/tmp\/directory", 0700\) += -1 EACCES/);
    assert.is(callNow(inner, driver, 'unreg', veto), 0);
    assert.is(callNow(inner, driver, 'unreg', veto), -ENOENT);
    assert.is((await collect(kernel.spawn([calls]))).stdout, '0 \n');
    const reads = callNow(inner, driver, 'reg', 0, 1);
    await collect(kernel.spawn(['head', '-n', '1']), 'twelve bytes');
    assert.is(read('begun'), 2);
    assert.is(read('result'), 0);
    // A TypeScript program's call.
    kernel.installSystemProgram('/bin/program', async (system) => {
      const block = system.memory.take(16);
      return typeof block === 'number' ? 1 : await system.call(0, 0, block.address, 16);
    });
    assert.is((await collect(kernel.spawn(['program']), 'abc')).code, 3);
    assert.equal([read('begun'), read('result')], [3, 3]);
    assert.is(callNow(inner, driver, 'unreg', reads), 0);
    // One that crashes is turned off; nobody notices but the log.
    callNow(inner, driver, 'reg', 110, 2);
    assert.is((await collect(kernel.spawn([calls]))).stdout, '0 \n');
    assert.ok(kernel.log().includes('veto: its probe on system calls is off: it has crashed'));
    assert.is(inner.drivers.oopses, 1);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  const target = compileDriver(`
    #include <banos/banos.h>
    __attribute__((noinline)) static long inside(long a, long b) { __asm__ volatile("" : "+r"(a)); return a * 3 + b; }
    __attribute__((noinline)) long work(long a, long b) {
      long sum = 0;
      for (long i = 0; i < a; i++) sum += inside(i, b) ^ i;
      return sum;
    }
    char from[64], to[64];
    long copy(long n) { for (long i = 0; i < n; i++) memcpy(to, from, 20); return banos_snprintf(to, 64, "%ld and %s", n, "text"); }
    static int init(Banos_Driver *driver) { return 0; }
    BANOS_DRIVER("target", "MIT", 1, init, init);
  `);
  const prober = compileDriver(`
    #include <banos/banos.h>
    long hits, first, second, crashes;
    static long handler(const struct banos_probe_event *event) {
      hits++;
      first += event->rdi;
      second += event->rsi;
      char text[8];
      banos_snprintf(text, 8, "x");
      return event->data == &hits ? 0 : *(volatile long *)event->data;
    }
    long reg(const char *name, long offset, void *data) {
      struct banos_probe probe = {.size = sizeof probe, .offset = offset, .symbol = name, .handler = handler, .data = &hits};
      if (data) probe.data = (void *)8;
      return banos_register_probe(&probe);
    }
    long unreg(long probe) { return banos_unregister_probe(probe); }
    static int init(Banos_Driver *driver) { return 0; }
    BANOS_DRIVER("prober", "MIT", 1, init, init);
  `);

  const RETURNS = `
    #include <banos/banos.h>
    __attribute__((noinline)) long fact(long n) {
      if (n < 2) return 1;
      long rest = fact(n - 1);
      __asm__ volatile("" : "+r"(rest));
      return n * rest;
    }
    __attribute__((noinline)) long last(long n) { __asm__ volatile("" : "+r"(n)); return n + 7; }
    __attribute__((noinline)) long jumps(long n) { __asm__ volatile("" : "+r"(n)); return last(n * 2); }
    __attribute__((noinline)) int crashes(void) { return *(volatile int *)8; }
    __attribute__((noinline)) long sleeps(void) { banos_msleep(2); return 99; }
    static struct banos_wait_queue queue;
    static long read(struct banos_file *file, struct banos_iter *to, banos_u64 position) {
      return sleeps() == 99 ? banos_copy_to_iter("slept\\n", 6, to) : -1;
    }
    static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .read = read };
    static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "victim", .ops = &ops };
    static int init(Banos_Driver *driver) { return banos_chrdev_register(&device) < 0 ? -1 : 0; }
    BANOS_DRIVER("victim", "MIT", 1, init, 0);
  `;
  const WATCHER = `
    #include <banos/banos.h>
    long entries, returns, sum, wrong, lastly;
    static long entry(const struct banos_probe_event *event) { entries++; return 0; }
    static long returned(const struct banos_probe_event *event) {
      returns++;
      sum += event->rax;
      lastly = event->rax;
      if (event->data != &sum || event->address >> 63 == 0) wrong++;
      return 0;
    }
    long reg(const char *name, int offset, int both, int size) {
      struct banos_probe probe = { .size = size, .offset = offset, .symbol = name, .data = &sum, .returned = returned };
      if (both) probe.handler = entry;
      return banos_register_probe(&probe);
    }
    long unreg(long probe) { return banos_unregister_probe(probe); }
    static int init(Banos_Driver *driver) { return 0; }
    BANOS_DRIVER("watcher", "MIT", 1, init, init);
  `;
  /** sizeof(struct banos_probe), and as it was when returns were not told. */
  const [SIZE, OLD_SIZE] = [40, 32];

  for (const translator of [false as const, EAGER]) {
    const how = translator === false ? 'interpreted' : 'translated';
    test(`returns are told, of functions that call themselves, jump to others, sleep, crash, and of exports: ${how}`, async () => {
      const kernel = await bootWithPrograms({ translator });
      const { inner } = kernel;
      const { drivers } = inner;
      const victim = loadDriver(inner, compileDriver(RETURNS), 'victim');
      const watcher = loadDriver(inner, compileDriver(WATCHER), 'watcher');
      assert.is(initDriver(inner, victim), 0);
      const read = (name: string): number => drivers.space.readI64(watcher.at(name));
      const clear = (): void => {
        for (const name of ['entries', 'returns', 'sum', 'lastly']) drivers.space.writeI64(watcher.at(name), 0);
      };
      const reg = (name: string, both = true, offset = 0, size = SIZE): number => {
        const at = drivers.heap.alloc(watcher.owner, 64, 0);
        drivers.space.write(at, Buffer.from(`${name}\0`));
        const result = callNow(inner, watcher, 'reg', at, offset, both ? 1 : 0, size);
        drivers.heap.free(at);
        return result;
      };
      const unreg = (probe: number): void => assert.is(callNow(inner, watcher, 'unreg', probe), 0);
      assert.is(reg('last', true, 1), -EINVAL);
      // Who was compiled when there was no such function has none.
      assert.is(reg('last', false, 0, OLD_SIZE), -EINVAL);
      const old = reg('last', true, 0, OLD_SIZE);
      assert.is(callNow(inner, victim, 'last', 1), 8);
      assert.equal([read('entries'), read('returns')], [1, 0]);
      unreg(old);

      clear();
      const fact = reg('fact');
      assert.is(callNow(inner, victim, 'fact', 10), 3628800);
      assert.equal([read('entries'), read('returns'), read('lastly')], [10, 10, 3628800]);
      assert.is(
        read('sum'),
        [1, 2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800].reduce((a, b) => a + b),
      );
      unreg(fact);
      assert.is(callNow(inner, victim, 'fact', 10), 3628800);
      assert.is(read('returns'), 10);

      clear();
      const [jumps, last] = [reg('jumps', false), reg('last', false)];
      assert.is(callNow(inner, victim, 'jumps', 5), 17);
      assert.equal([read('entries'), read('returns'), read('sum')], [0, 2, 34]);
      unreg(jumps);
      unreg(last);

      clear();
      const crashes = reg('crashes');
      assert.is(callNow(inner, victim, 'crashes'), -EIO);
      assert.equal([read('entries'), read('returns')], [1, 0]);
      unreg(crashes);

      // One that sleeps, and what it sleeps in; they go while it does.
      clear();
      const [sleeps, sleep] = [reg('sleeps'), reg('banos_msleep')];
      const cat = async (): Promise<string> => (await collect(kernel.spawn(['head', '-c', '6', '/dev/victim']))).stdout;
      assert.is(await cat(), 'slept\n');
      assert.equal([read('entries'), read('returns'), read('sum')], [2, 2, 99]);
      const later = cat();
      while (read('entries') < 4) await new Promise((resolve) => setImmediate(resolve));
      unreg(sleeps);
      unreg(sleep);
      assert.is(await later, 'slept\n');
      assert.is(read('returns'), 2);

      clear();
      const pid = reg('banos_snprintf', false);
      const text = drivers.heap.alloc(victim.owner, 16, 0);
      drivers.space.write(text, Buffer.from('12345\0'));
      const printer = loadDriver(inner, target, 'target');
      assert.is(callNow(inner, printer, 'copy', 3), '3 and text'.length);
      assert.equal([read('returns'), read('sum')], [1, '3 and text'.length]);
      unreg(pid);
      printer.owner.release();

      // The one that watches goes while a function that it watches is under way.
      clear();
      reg('sleeps');
      const last2 = cat();
      while (read('entries') < 1) await new Promise((resolve) => setImmediate(resolve));
      assert.is(read('wrong'), 0);
      watcher.owner.release();
      assert.is(await last2, 'slept\n');
      assert.is(drivers.oopses, 1);
      victim.owner.release();
      assert.is(drivers.heap.blocks, 0);
      kernel.assertIdle();
      await kernel.shutdown();
    });
  }

  for (const translator of [false as const, EAGER]) {
    const how = translator === false ? 'interpreted' : 'translated';
    test(`functions are probed at every instruction, and do what they do: ${how}`, async () => {
      const kernel = await bootWithPrograms({ translator });
      const { inner } = kernel;
      const { drivers } = inner;
      const victim = loadDriver(inner, target, 'target');
      const driver = loadDriver(inner, prober, 'prober');
      const read = (name: string): number => drivers.space.readI64(driver.at(name));
      const reg = (name: string, offset = 0, data = 0): number => {
        const at = drivers.heap.alloc(driver.owner, 64, 0);
        drivers.space.write(at, Buffer.from(`${name}\0`));
        const result = callNow(inner, driver, 'reg', at, offset, data);
        drivers.heap.free(at);
        return result;
      };
      const work = (n: number): number => callNow(inner, victim, 'work', n, 5);
      const results = [0, 1, 7, 3000].map(work);
      assert.is(reg('nothing'), -ENOENT);
      assert.is(reg('other:work'), -ENOENT);
      assert.is(reg('banos_printk', 1), -EINVAL);
      assert.is(reg('from'), -ENOENT);
      assert.is(reg('banos_driver_return'), -ENOENT);
      // Every byte of both functions: a probe where an instruction begins, a refusal elsewhere.
      const symbol = victim.linked.symbols.find(({ name }) => name === 'work')!;
      const bytes = new Uint8Array(symbol.size);
      drivers.space.read(symbol.address, bytes);
      const starts = new Set<number>();
      for (let at = 0; at < bytes.length; at += new Disassembler().at(bytes, at, bytes.length, 0n).length)
        starts.add(at);
      const probes: number[] = [];
      for (let at = 0; at < symbol.size; at++) {
        const probe = reg('work', at);
        if (starts.has(at)) probes.push(probe);
        else assert.is(probe, -EINVAL, `offset ${at}`);
      }
      assert.is(probes.length, starts.size);
      probes.push(reg('target:inside'));
      assert.equal([0, 1, 7].map(work), results.slice(0, 3));
      assert.ok(read('hits') > 40);
      for (const probe of probes) assert.is(callNow(inner, driver, 'unreg', probe), 0);
      const after = new Uint8Array(symbol.size);
      drivers.space.read(symbol.address, after);
      assert.equal(after, bytes);
      const hits = read('hits');
      assert.is(work(3000), results[3]);
      assert.is(read('hits'), hits);

      // Arguments at the entry; one that is hit many times.
      const inside = reg('inside');
      const [first, second] = [read('first'), read('second')];
      assert.is(work(3000), results[3]);
      assert.equal(
        [read('hits') - hits, read('first') - first, read('second') - second],
        [3000, (3000 * 2999) / 2, 15000],
      );
      assert.is(callNow(inner, driver, 'unreg', inside), 0);

      // Exported functions, and machine code of the kernel: the handler's own calls are not told.
      const before = read('hits');
      const printing = reg('banos_snprintf');
      const copying = reg('memcpy');
      const length = callNow(inner, victim, 'copy', 10);
      assert.is(length, '10 and text'.length);
      assert.is(read('hits') - before, 11);
      assert.match(drivers.probes.describe(), /^function banos_snprintf\+0x0\/0x6 prober 1 11$/m);
      assert.is(callNow(inner, driver, 'unreg', printing), 0);
      assert.is(callNow(inner, driver, 'unreg', copying), 0);

      // The one whose code it is in goes.
      reg('work');
      victim.owner.release();
      assert.is(drivers.probes.describe(), '');
      const again = loadDriver(inner, target, 'target');
      assert.is(callNow(inner, again, 'work', 7, 5), results[2]);
      // The one whose probe it is goes, by a crash.
      reg('work', 0, 1);
      assert.is(callNow(inner, again, 'work', 7, 5), results[2]);
      assert.ok(kernel.log().some((line) => line.startsWith('prober: its probe on work+0x0/')));
      reg('inside');
      driver.owner.release();
      assert.is(drivers.probes.describe(), '');
      assert.is(callNow(inner, again, 'work', 3000, 5), results[3]);
      assert.is(again.owner.hasCrashed, false);
      again.owner.release();
      assert.is(drivers.heap.blocks, 0);
      kernel.assertIdle();
      await kernel.shutdown();
    });
  }
}

test.run();
