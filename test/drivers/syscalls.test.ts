/** System calls that drivers answer: new ones, wrappers, their life while calls are under way. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../abi/errno.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram, until } from './programs.js';
import { callNow, compileDriver, hasCompiler, loadDriver } from './support.js';

const driver = `
  #include <banos/banos.h>
  static unsigned long mixed;
  static long mix(long a, long b, long c, long d, long e, long f) {
    mixed = a * 3 ^ b * 5 ^ c * 7 ^ d * 11 ^ e * 13 ^ f * 17;
    return mixed & 0xffffffffffff;
  }
  static long greet(long name, long size, long c, long d, long e, long f) {
    char text[32];
    long length = banos_strncpy_from_user(text, (const char *)name, sizeof text);
    if (length < 0) return length;
    return banos_printk(BANOS_INFO "hello %s from %ld", text, size);
  }
  int calls, depth, most;
  long last;
  long through(long a, long b, long c, long d, long e, long f) {
    banos_u64 arguments[6] = {a, b, c, d, e, f};
    calls++;
    if (++depth > most) most = depth;
    last = banos_syscall_original(arguments);
    depth--;
    return last;
  }
  static long plus(long a, long b, long c, long d, long e, long f) {
    banos_u64 arguments[6] = {a, b, c, d, e, f};
    long result = banos_syscall_original(arguments);
    return result < 0 ? result : result + 1;
  }
  static long twice(long a, long b, long c, long d, long e, long f) {
    banos_u64 arguments[6] = {a, b, c, d, e, f};
    return banos_syscall_original(arguments) + banos_syscall_original(arguments);
  }
  static long refuse(long a, long b, long c, long d, long e, long f) { return -BANOS_EACCES; }
  static long crash(long a, long b, long c, long d, long e, long f) { return *(volatile long *)a; }
  static long nap(long a, long b, long c, long d, long e, long f) {
    long result = banos_sleep_interruptible(a * 1000000);
    return result < 0 ? result : a;
  }
  static long slowly(long a, long b, long c, long d, long e, long f) {
    banos_u64 arguments[6] = {a, b, c, d, e, f};
    depth++;
    banos_msleep(2);
    long result = banos_syscall_original(arguments);
    banos_msleep(2);
    depth--;
    return result;
  }
  static long (*const functions[])(long, long, long, long, long, long) = {mix, greet, through, plus, twice, refuse, crash, nap, slowly};
  long reg(int number, unsigned flags, int which, int count) {
    struct banos_syscall description = {
      .size = sizeof description, .number = number, .name = which == 1 ? "greet" : "mix", .flags = flags,
      .argument_count = count, .arguments = {BANOS_ARG_INT, BANOS_ARG_UINT, BANOS_ARG_HEX},
      .result = which == 0 ? BANOS_RESULT_HEX : 0, .call = functions[which]};
    if (which == 1) description.arguments[0] = BANOS_ARG_STRING;
    return banos_register_syscall(&description);
  }
  long unreg(int number) { return banos_unregister_syscall(number); }
  long damaged(int how) {
    struct banos_syscall description = {.size = sizeof description, .number = -1, .name = "fine", .call = mix};
    if (how == 0) description.size = 8;
    if (how == 1) description.name = "not fine";
    if (how == 2) description.argument_count = 7;
    if (how == 3) { description.argument_count = 1; description.arguments[0] = 200; }
    if (how == 4) description.number = 100000;
    if (how == 5) description.number = -2;
    if (how == 6) description.result = 9;
    if (how == 7) description.name = "";
    return banos_register_syscall(&description);
  }
  static int init(Banos_Driver *driver) { return 0; }
  BANOS_DRIVER("calls", "MIT", 1, init, init);
`;

const MIX = 0;
const GREET = 1;
const THROUGH = 2;
const PLUS = 3;
const TWICE = 4;
const REFUSE = 5;
const CRASH = 6;
const NAP = 7;
const SLOWLY = 8;
const WRAP = 1;

if (!hasCompiler) console.log('SKIP system calls of drivers: they need gcc on x86-64');
else {
  const image = compileDriver(driver);
  const head = `
    #include <errno.h>
    #include <fcntl.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/syscall.h>
    #include <sys/wait.h>
    #include <time.h>
    #include <unistd.h>
  `;
  const caller = guestProgram(
    'caller',
    `${head}
    int main(int argc, char **argv) {
      long a[7] = {0};
      for (int i = 1; i < argc; i++) a[i - 1] = argv[i][0] == '"' ? (long)(argv[i] + 1) : (long)strtoull(argv[i], 0, 0);
      long result = syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
      printf("%lx %s\\n", result, result < 0 ? strerrorname_np(errno) : "");
      return 0;
    }`,
  );
  /** What comes in goes out, by read and write. */
  const copy = guestProgram(
    'copy',
    `${head}
    int main(void) {
      char buffer[100];
      long count;
      while ((count = read(0, buffer, sizeof buffer)) > 0) write(1, buffer, count);
      return count != 0;
    }`,
  );
  /** Calls that need the program's registers, or that wait. */
  const various = guestProgram(
    'various',
    `${head}
    static volatile int alarms;
    static void on_alarm(int signal) { alarms++; }
    int main(int argc, char **argv) {
      if (argc > 1) { printf("executed %s\\n", argv[1]); return 7; }
      int pipes[2], status;
      char buffer[10] = {0};
      pipe(pipes);
      pid_t child = fork();
      if (child == 0) {
        usleep(20000);
        write(pipes[1], "news", 4);
        execl(argv[0], argv[0], "again", (char *)0);
        _exit(9);
      }
      printf("%ld %s\\n", read(pipes[0], buffer, 10), buffer);
      printf("%d ", waitpid(child, &status, 0) == child);
      printf("%d\\n", WEXITSTATUS(status));
      struct sigaction action = {.sa_handler = on_alarm};
      sigaction(SIGALRM, &action, 0);
      /* Again and again: the first one may come before the call. */
      ualarm(20000, 20000);
      long result = read(pipes[0], buffer, 10);
      int error = errno;
      ualarm(0, 0);
      printf("%ld %s %d\\n", result, strerrorname_np(error), alarms > 0);
      alarms = 0;
      action.sa_flags = SA_RESTART;
      sigaction(SIGALRM, &action, 0);
      child = fork();
      if (child == 0) { usleep(60000); write(pipes[1], "more", 4); _exit(0); }
      ualarm(20000, 0);
      result = read(pipes[0], buffer, 10);
      printf("%ld %s %d\\n", result, buffer, alarms > 0);
      wait(0);
      struct timespec brief = {0, 1000000};
      printf("%d\\n", nanosleep(&brief, 0));
      if (vfork() == 0) _exit(3);
      wait(&status);
      printf("%d\\n", WEXITSTATUS(status));
      fflush(stdout);
      return 5;
    }`,
  );

  test('a new call gets six whole words, is shown by name, and is gone with its driver', async () => {
    let traced = '';
    const kernel = await bootWithPrograms({
      trace: (line) => {
        traced += line;
      },
    });
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    const run = async (...args: string[]) => (await collect(kernel.spawn([caller, ...args]))).stdout;
    assert.is(await run('512', '1'), 'ffffffffffffffff ENOSYS\n');
    assert.is(callNow(inner, loaded, 'reg', -1, 0, MIX, 6), 512);
    assert.is(callNow(inner, loaded, 'reg', -1, 0, GREET, 2), 513);
    const words = ['0x123456789abcdef1', '-2', '0x8000000000000001', '4', '0x7fffffffffffffff', '6'].map((word) =>
      BigInt.asUintN(64, word === '-2' ? -2n : BigInt(word)),
    );
    const [a, b, c, d, e, f] = words as [bigint, bigint, bigint, bigint, bigint, bigint];
    const expected = BigInt.asUintN(48, (a * 3n) ^ (b * 5n) ^ (c * 7n) ^ (d * 11n) ^ (e * 13n) ^ (f * 17n));
    assert.is(await run('512', ...words.map((word) => `0x${word.toString(16)}`)), `${expected.toString(16)} \n`);
    await run('512', '-1', '0xffffffffffffffff', '16', '4', '5', '6');
    assert.is(await run('513', '"world', '9'), '12 \n');
    assert.is(kernel.log().at(-1), 'hello world from 9');
    assert.is(await run('513', '1', '9'), 'ffffffffffffffff EFAULT\n');
    assert.match(traced, /greet\("world", 9\) += 18\n/);
    assert.match(traced, /greet\(0x1, 9\) += -1 EFAULT/);
    assert.match(traced, /mix\(-1, 4294967295, 0x10, 4, 5, 6\) += 0x/);
    const list = await collect(kernel.spawn(['grep', '-w', 'calls', '/proc/banos/syscalls']));
    assert.is(list.stdout, '512 mix calls 0\n513 greet calls 0\n');
    loaded.owner.release();
    assert.is(await run('513', '"world', '9'), 'ffffffffffffffff ENOSYS\n');
    assert.is((await collect(kernel.spawn(['grep', '-cw', 'calls', '/proc/banos/syscalls']))).stdout, '0\n');
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a wrapper passes on calls that wait, fork, execute, end and are interrupted', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const plain = await collect(kernel.spawn([various]));
    assert.is(plain.code, 5);
    assert.match(plain.stdout, /^executed again\n4 news\n1 7\n-1 EINTR 1\n4 more 1\n0\n3\n$/);
    const loaded = loadDriver(inner, image, 'calls');
    const wrapped = [0, 1, 13, 15, 35, 56, 57, 58, 59, 60, 61, 158, 218, 230, 231];
    for (const number of wrapped) assert.is(callNow(inner, loaded, 'reg', number, WRAP, THROUGH, 0), number);
    assert.equal(await collect(kernel.spawn([various])), plain);
    const calls = inner.drivers.space.readU32(loaded.at('calls'));
    assert.ok(calls > 20, `${calls} calls`);
    assert.is(loaded.owner.holds, 0);
    assert.is(loaded.owner.hasCrashed, false);
    loaded.owner.release();
    assert.equal(await collect(kernel.spawn([various])), plain);
    assert.is(inner.drivers.heap.blocks, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('wrappers lie on top of each other and go in any order', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const [first, second, third] = ['first', 'second', 'third'].map((name) => loadDriver(inner, image, name));
    const getuid = async () => (await collect(kernel.spawn([caller, '102'], { user: { uid: 5, gid: 5 } }))).stdout;
    assert.is(await getuid(), '5 \n');
    assert.is(callNow(inner, first!, 'reg', 102, WRAP, PLUS, 0), 102);
    assert.is(await getuid(), '6 \n');
    assert.is(callNow(inner, second!, 'reg', 102, WRAP, TWICE, 0), 102);
    assert.is(await getuid(), 'c \n');
    assert.is(callNow(inner, third!, 'reg', 102, WRAP, PLUS, 0), 102);
    assert.is(await getuid(), 'd \n');
    const list = await collect(kernel.spawn(['grep', '^102 ', '/proc/banos/syscalls']));
    assert.is(list.stdout, '102 getuid third 0\n102 getuid second 0\n102 getuid first 0\n102 getuid kernel -\n');
    second!.owner.release();
    assert.is(await getuid(), '7 \n');
    assert.is(callNow(inner, first!, 'unreg', 102), 0);
    assert.is(await getuid(), '6 \n');
    third!.owner.release();
    assert.is(await getuid(), '5 \n');
    first!.owner.release();
    await kernel.shutdown();
  });

  test('what cannot be registered is refused', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    assert.is(callNow(inner, loaded, 'reg', 39, 0, MIX, 0), -EEXIST);
    assert.is(callNow(inner, loaded, 'reg', 600, WRAP, THROUGH, 0), -ENOENT);
    for (let how = 0; how < 8; how++) assert.is(callNow(inner, loaded, 'damaged', how), -EINVAL, String(how));
    assert.is(callNow(inner, loaded, 'unreg', 39), -ENOENT);
    // Outside of a call there is no original.
    assert.is(callNow(inner, loaded, 'through', 1), -EINVAL);
    assert.is(loaded.owner.hasCrashed, false);
    // Every number that is free can be had, and no more.
    let count = 0;
    while (callNow(inner, loaded, 'reg', -1, 0, MIX, 0) > 0) count++;
    // One of these numbers is banos_install's.
    assert.is(count, 4096 - 512 - 1);
    loaded.owner.release();
    await kernel.shutdown();
  });

  test('a driver that crashes or refuses does so to one call only', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    assert.is(callNow(inner, loaded, 'reg', 700, 0, CRASH, 1), 700);
    assert.is(callNow(inner, loaded, 'reg', 102, WRAP, REFUSE, 0), 102);
    const run = async (...args: string[]) => (await collect(kernel.spawn([caller, ...args]))).stdout;
    assert.is(await run('700', '16'), 'ffffffffffffffff EIO\n');
    assert.is(loaded.owner.hasCrashed, true);
    assert.is(await run('102'), 'ffffffffffffffff EACCES\n');
    assert.is(await run('104'), '0 \n');
    assert.is(loaded.owner.holds, 0);
    loaded.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a call under way holds the driver; by force it is taken from under it', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    assert.is(callNow(inner, loaded, 'reg', 0, WRAP, THROUGH, 0), 0);
    for (const byForce of [false, true]) {
      const child = kernel.spawn([copy]);
      await until(() => loaded.owner.holds === 1);
      assert.is(callNow(inner, loaded, 'unreg', 0), -EBUSY);
      if (byForce) loaded.owner.release();
      const result = await collect(child, 'text');
      assert.is(result.stdout, 'text');
      assert.is(result.code, 0);
      assert.is(loaded.owner.holds, 0);
    }
    assert.is((await collect(kernel.spawn([copy]), 'more')).stdout, 'more');
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('whoever is killed in a wrapped call leaves nothing behind', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    const threads = guestProgram(
      'threads',
      `${head}
      static void *reads(void *fd) { char c; read(*(int *)fd, &c, 1); return 0; }
      int main(int argc, char **argv) {
        if (argc > 1) { printf("executed\\n"); return 4; }
        int pipes[2];
        pipe(pipes);
        pthread_t thread;
        pthread_create(&thread, 0, reads, pipes);
        usleep(20000);
        execl(argv[0], argv[0], "again", (char *)0);
        return 1;
      }`,
    );
    assert.is(callNow(inner, loaded, 'reg', 0, WRAP, THROUGH, 0), 0);
    const child = kernel.spawn([copy]);
    await until(() => loaded.owner.holds === 1);
    child.kill('SIGKILL');
    assert.is((await child.exit).signal, 'SIGKILL');
    assert.is(loaded.owner.holds, 0);
    assert.is(inner.drivers.space.readU32(loaded.at('depth')), 0);
    const executed = await collect(kernel.spawn([threads]));
    assert.equal([executed.stdout, executed.code], ['executed\n', 4]);
    await until(() => loaded.owner.holds === 0);
    assert.is(inner.drivers.space.readU32(loaded.at('depth')), 0);
    assert.is(loaded.owner.hasCrashed, false);
    loaded.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('drivers sleep before, in and behind the calls that they answer', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    const above = loadDriver(inner, image, 'above');
    const depth = (): number => inner.drivers.space.readU32(above.at('depth'));
    const run = async (...args: string[]) => (await collect(kernel.spawn([caller, ...args]))).stdout;
    assert.is(callNow(inner, loaded, 'reg', 800, 0, NAP, 1), 800);
    assert.is(await run('800', '3'), '3 \n');
    assert.is(callNow(inner, above, 'reg', 800, WRAP, SLOWLY, 0), 800);
    assert.is(await run('800', '3'), '3 \n');
    assert.is(callNow(inner, above, 'reg', 0, WRAP, SLOWLY, 0), 0);
    assert.is((await collect(kernel.spawn([copy]), 'slow')).stdout, 'slow');
    // Killed while the lower one sleeps.
    const child = kernel.spawn([caller, '800', '100000']);
    await until(() => loaded.owner.holds === 1);
    child.kill('SIGKILL');
    assert.is((await child.exit).signal, 'SIGKILL');
    await until(() => above.owner.holds === 0);
    assert.equal([depth(), loaded.owner.holds], [0, 0]);
    // The lower one is taken away from under the upper one.
    const other = kernel.spawn([caller, '800', '100000']);
    await until(() => loaded.owner.holds === 1);
    loaded.owner.release();
    assert.is((await collect(other)).stdout, 'ffffffffffffffff ENODEV\n');
    assert.equal([depth(), above.owner.holds, loaded.owner.holds], [0, 0, 0]);
    above.owner.release();
    assert.is(await run('800', '3'), 'ffffffffffffffff ENOSYS\n');
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a TypeScript program makes the calls of a driver', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const loaded = loadDriver(inner, image, 'calls');
    assert.is(callNow(inner, loaded, 'reg', 520, 0, MIX, 6), 520);
    assert.is(callNow(inner, loaded, 'reg', 0, WRAP, THROUGH, 0), 0);
    const seen: number[] = [];
    kernel.installSystemProgram('/bin/program', async (system) => {
      seen.push(await system.call(520, 1, -2, 3, 4, 5, 6));
      const block = system.memory.take(16);
      if (typeof block === 'number') return 1;
      // Read waits, in a wrapper.
      seen.push(await system.call(0, 0, block.address, 16));
      return 0;
    });
    const child = kernel.spawn(['program']);
    await until(() => loaded.owner.holds === 1);
    assert.is((await collect(child, 'abc')).code, 0);
    const mixed = 3n ^ BigInt.asUintN(64, -10n) ^ 21n ^ 44n ^ 65n ^ 102n;
    assert.equal(seen, [Number(BigInt.asUintN(48, mixed)), 3]);
    assert.is(loaded.owner.holds, 0);
    loaded.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
