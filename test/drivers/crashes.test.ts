/** Whatever a driver does wrong, the operation fails, the log says where, and everybody else goes on. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

/** Request → what the log's lines have to match, in this order, somewhere. */
const CRASHES: readonly (readonly [name: string, code: string, expected: readonly RegExp[]])[] = [
  [
    'null pointer',
    '*(volatile int *)8 = 1;',
    [
      /^BUG: kernel NULL pointer dereference, address: 0000000000000008$/,
      /^#PF: supervisor write access in kernel mode$/,
      /^#PF: error_code\(0x0002\) - not-present page$/,
      /^RIP: 0010:innermost\+0x[0-9a-f]+\/0x[0-9a-f]+ \[crash\]$/,
      /^Code: ([0-9a-f]{2} )*<[0-9a-f]{2}>( [0-9a-f]{2})*$/,
      /^RAX: [0-9a-f]{16} RBX: [0-9a-f]{16} RCX: [0-9a-f]{16}$/,
      /^Call Trace:$/,
      /^ outer\+0x[0-9a-f]+\/0x[0-9a-f]+ \[crash\]$/,
      /^ crash_ioctl\+0x[0-9a-f]+\/0x[0-9a-f]+ \[crash\]$/,
      /^---\[ end trace 0{16} \]---$/,
    ],
  ],
  [
    'user pointer',
    'return *(volatile long *)argument;',
    [/^BUG: unable to handle page fault for user address: 00007f/],
  ],
  ['division', 'return 1000 / *(volatile int *)&zero;', [/^divide error: 0000 \[#\d+\]$/]],
  [
    'wild jump',
    '((void (*)(void))0xffffffffdead0000ul)();',
    [
      /^BUG: unable to handle page fault for address: ffffffffdead0000$/,
      /instruction fetch/,
      /^Code: Unable to access opcode bytes$/,
    ],
  ],
  ['stack overflow', 'return deep(0);', [/^BUG: stack guard page was hit at [0-9a-f]{16} \(stack is /, /deep\+0x/]],
  [
    'heap overflow',
    'char *p = banos_kmalloc(20); p[20] = 1; banos_kfree(p);',
    [/^BUG: banos_kfree of 0x[0-9a-f]{16}: red zone behind it overwritten, allocated in innermost\+0x/],
  ],
  ['heap underflow', 'char *p = banos_kmalloc(9000); p[-1] = 1; banos_kfree(p);', [/red zone before it overwritten/]],
  ['double free', 'char *p = banos_kmalloc(20); banos_kfree(p); banos_kfree(p);', [/: freed before$/]],
  ['free of anything', 'banos_kfree(&zero);', [/: not allocated$/]],
  ['constant written', '*(volatile int *)&constant = 1;', [/permissions violation/]],
  ['text written', '*(volatile char *)crash_ioctl = 1;', [/permissions violation/]],
  ['data executed', '((void (*)(void))&zero)();', [/instruction fetch/, /permissions violation/]],
  ['system call instruction', '__asm__ volatile("syscall" ::: "rcx", "r11", "memory");', [/^invalid opcode: 0000/]],
  ['undefined instruction', '__builtin_trap();', [/^invalid opcode: 0000/]],
  [
    'sleeping with a lock',
    'banos_spin_lock(&spin); banos_msleep(1);',
    [/^BUG: scheduling while atomic: crasher\/\d+\/0x00000001$/],
  ],
  ['a lock taken twice', 'banos_spin_lock(&spin); banos_spin_lock(&spin);', [/^BUG: spinlock recursion$/]],
  ['a mutex taken twice', 'banos_mutex_lock(&mutex); banos_mutex_lock(&mutex);', [/recursive locking of a mutex/]],
  ['a mutex not held', 'banos_mutex_unlock(&mutex);', [/unlock of a mutex that the caller does not hold/]],
  ['a lock not given back', 'banos_mutex_lock(&mutex);', [/returned with a mutex held/]],
  [
    'a loop with a lock',
    'banos_spin_lock(&spin); for (;;) __asm__ volatile("");',
    [/^BUG: soft lockup: \d+ instructions/],
  ],
  ['a bad pointer printed', 'banos_printk((char *)16);', [/banos_printk with a bad format/]],
  ['a bad iterator', 'return banos_iter_count((void *)stack_top());', [/a banos_iter that is not of this call/]],
];

if (!hasCompiler) console.log('SKIP crashes of drivers: they need gcc on x86-64');
else {
  const driverSource = `
    #include <banos/banos.h>
    static volatile int zero;
    static const int constant = 5;
    static struct banos_spinlock spin;
    static struct banos_mutex mutex;
    static char *stack_top(void) { return __builtin_frame_address(0); }
    static __attribute__((noinline)) long deep(long n) {
      volatile char room[500];
      room[n % 500] = n;
      return deep(n + 1) + room[0];
    }
    static long crash_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument);
    static __attribute__((noinline)) long innermost(banos_u32 request, unsigned long argument) {
      switch (request) {
      ${CRASHES.map(([, code], i) => `case ${i + 100}: { ${code} break; }`).join('\n')}
      case 1: return 77;
      }
      return 0;
    }
    __attribute__((noinline)) long outer(banos_u32 request, unsigned long argument) {
      long result = innermost(request, argument);
      __asm__ volatile("" : "+r"(result));
      return result;
    }
    static long crash_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument) {
      long result = outer(request, argument);
      __asm__ volatile("" : "+r"(result));
      return result;
    }
    static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .ioctl = crash_ioctl };
    static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "crash", .mode = 0666, .ops = &ops };
    static int init(Banos_Driver *driver) { long n = banos_chrdev_register(&device); return n < 0 ? n : 0; }
    BANOS_DRIVER("crash", "MIT", 1, init, 0);
  `;

  test('every crash fails its operation and is reported; everything else goes on', async () => {
    compileProgram(
      'crasher',
      `#include <fcntl.h>
       #include <stdio.h>
       #include <stdlib.h>
       #include <errno.h>
       #include <sys/ioctl.h>
       int main(int argc, char **argv) {
         int local = 5, fd = open("/dev/crash", O_RDWR), n = ioctl(fd, atoi(argv[1]), &local);
         printf("%d %d\\n", n, n < 0 ? errno : 0);
         n = ioctl(fd, 1, 0);
         printf("%d\\n", n);
         return 0;
       }`,
    );
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(driverSource, ['-fno-omit-frame-pointer']), 'crash');
    assert.is(initDriver(inner, driver), 0);
    for (const [i, [name, , expected]] of CRASHES.entries()) {
      driver.owner.crashes = 0;
      const from = inner.log.next;
      const { stdout } = await collect(kernel.spawn(['/programs/crasher', String(100 + i)]));
      assert.is(stdout, '-1 5\n77\n', name);
      const lines = kernel.log(from);
      let at = 0;
      for (const pattern of expected) {
        const found = lines.findIndex((line, index) => index >= at && pattern.test(line));
        assert.ok(found >= 0, `${name}: no line like ${pattern} in\n${lines.join('\n')}`);
        at = found + 1;
      }
      assert.ok(driver.owner.hasCrashed, name);
      assert.is(inner.drivers.active, null);
      assert.is(inner.drivers.mutexes.size + inner.drivers.spinLocks.size + inner.drivers.waitQueues.size, 0, name);
    }
    assert.is(inner.drivers.oopses, CRASHES.length);
    assert.is(driver.owner.holds, 0);
    driver.owner.release();
    assert.is(inner.drivers.heap.blocks, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
