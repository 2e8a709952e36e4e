/** What becomes of drivers when the kernel is shut down. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hasCompiler } from '../drivers/support.js';
import { collect } from '../support/guest.js';
import { driver, type Machine, withMachine } from './support.js';

/** Loads modules, shuts down. @returns what was logged from then on */
async function shutDown({ kernel, say, news }: Machine, script: string): Promise<string[]> {
  assert.is(await say(script), '');
  news();
  await kernel.shutdown();
  return news();
}

if (!hasCompiler) console.log('SKIP drivers at shutdown: they need gcc on x86-64');
else {
  test('uninit of every module is called, of those that need others first, and may sleep', () =>
    withMachine(
      {
        'base.o': driver('base', 'int get(void) { return 5; } BANOS_EXPORT(get);', {
          uninit: 'banos_msleep(5); banos_printk("base ends"); return 0;',
        }),
        'user.o': driver(
          'user',
          'extern int get(void); __attribute__((destructor)) static void last(void) { banos_printk("destructor"); }',
          {
            uninit: 'banos_msleep(5); banos_printk("user ends, base says %d", get()); return 0;',
          },
        ),
        'refuses.o': driver('refuses', '', { uninit: 'banos_printk("refuses"); return -16;' }),
        'none.o': driver('none').replace('init, uninit)', 'init, 0)'),
        'crashes.o': driver('crashes', '', { uninit: '*(volatile int *)16 = 1; return 0;' }),
      },
      async (machine) => {
        const load = ['base', 'user', 'refuses', 'none', 'crashes']
          .map((name) => `insmod /drivers/${name}.o`)
          .join(';');
        const lines = await shutDown(machine, load);
        assert.match(lines[0]!, /^BUG: kernel NULL pointer dereference/);
        assert.equal(lines.slice(-4), ['refuses', 'user ends, base says 5', 'destructor', 'base ends']);
        assert.is(machine.kernel.inner.modules.list().length, 0);
      },
    ));

  test('what drivers have mounted is unmounted before, and devices are closed', () =>
    withMachine(
      {
        'fs.o': driver(
          'fs',
          `
            static int released;
            static long mount(struct banos_fs *fs) { fs->root = 1; return 0; }
            static long getattr(struct banos_inode *inode, struct banos_attributes *out) {
              out->ino = inode->ino; out->mode = 0040755; out->links = 2; return 0;
            }
            static long lookup(struct banos_inode *directory, const char *name, struct banos_attributes *out) { return -BANOS_ENOENT; }
            static void unmount(struct banos_fs *fs) { banos_msleep(5); banos_printk("unmounted"); }
            static const struct banos_fs_ops fs_ops = { .size = sizeof(fs_ops), .mount = mount, .getattr = getattr, .lookup = lookup, .unmount = unmount };
            static void release(struct banos_file *file) { banos_msleep(5); banos_printk("released"); }
            static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .release = release };
            static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "dev", .ops = &ops };
          `,
          {
            init: 'return banos_chrdev_register(&device) < 0 ? -1 : banos_register_filesystem("my", &fs_ops);',
            uninit: 'banos_printk("uninit"); return 0;',
          },
        ),
      },
      async (machine) => {
        const script =
          'insmod /drivers/fs.o; mkdir -p /mnt; mount -t my none /mnt; mount -t tmpfs none /mnt; sleep 100 < /dev/dev > /dev/null 2>&1 &';
        const lines = await shutDown(machine, script);
        assert.equal(lines.slice(0, 2).sort(), ['released', 'unmounted']);
        assert.equal(lines.slice(2), ['uninit']);
      },
    ));

  test('drivers that never end do not keep the kernel from it', () =>
    withMachine(
      {
        'loops.o': driver('loops', 'static volatile int n;', { uninit: 'for (;;) n++;' }),
        'sleeps.o': driver('sleeps', 'static struct banos_wait_queue queue;', {
          uninit: 'banos_wait_event(&queue, 0); return 0;',
        }),
      },
      async (machine) => {
        const lines = await shutDown(machine, 'insmod /drivers/loops.o; insmod /drivers/sleeps.o');
        assert.equal(lines, [
          'sleeps: does not end at shutdown: it goes as it is',
          'loops: does not end at shutdown: it goes as it is',
        ]);
      },
    ));

  test('a program that sleeps in a driver, and no signal ends it, is woken with an error', () =>
    withMachine(
      {
        'device.o': driver(
          'device',
          `
            static struct banos_wait_queue queue;
            static long read(struct banos_file *file, struct banos_iter *to, banos_u64 position) { banos_wait_event(&queue, 0); return 0; }
            static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .read = read };
            static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "dev", .ops = &ops };
          `,
          { init: 'return banos_chrdev_register(&device) < 0 ? -1 : 0;', uninit: 'banos_printk("uninit"); return 0;' },
        ),
      },
      async (machine) => {
        const { kernel, say } = machine;
        await say('insmod /drivers/device.o');
        const reader = collect(kernel.spawn(['cat', '/dev/dev']));
        await say('while ! grep -q wait_for /proc/[0-9]*/wchan; do sleep 0.01; done');
        const lines = await shutDown(machine, '');
        assert.match(lines[0]!, /^device: cat:\d+ is to end and sleeps in it: it is woken$/);
        assert.equal(lines.slice(1), ['uninit']);
        assert.is((await reader).signal, 'SIGKILL');
      },
      { seed: 1 },
    ));
}

test.run();
