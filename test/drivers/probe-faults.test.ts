/** Probes whose handlers take each other away, in the middle of the event that both are told of. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootWithPrograms } from './programs.js';
import { callNow, compileDriver, hasCompiler, loadDriver } from './support.js';

if (!hasCompiler) console.log('SKIP faults of probes: they need gcc on x86-64');
else {
  /** Two probes, or more, in one place: the first that is told takes the second away. */
  const source = `
    #include <banos/banos.h>
    static long probes[2];
    long told[2], gone;
    __attribute__((noinline)) long work(long a) { __asm__ volatile("" : "+r"(a)); return a + 1; }
    static long tell(long which, long (*unregister)(long)) {
      told[which]++;
      if (which == 0) gone += unregister(probes[1]) == 0;
      return 0;
    }
    static long function(const struct banos_probe_event *event) { return tell((long)event->data, banos_unregister_probe); }
    static long call(const struct banos_syscall_event *event) { return tell((long)event->data, banos_unregister_syscall_probe); }
    static void clear(void) { told[0] = told[1] = gone = 0; }
    long on_function(const char *symbol, int at_return) {
      clear();
      for (long i = 0; i < 2; i++) {
        struct banos_probe probe = {.size = sizeof probe, .symbol = symbol, .data = (void *)i};
        if (at_return) probe.returned = function; else probe.handler = function;
        probes[i] = banos_register_probe(&probe);
        if (banos_is_error(probes[i])) return probes[i];
      }
      return 0;
    }
    long on_entry(void) { return on_function("work", 0); }
    long on_return(void) { return on_function("work", 1); }
    long on_export(void) { return on_function("banos_ktime_ns", 0); }
    long on_export_return(void) { return on_function("banos_ktime_ns", 1); }
    long on_call(int number, int at_end) {
      clear();
      for (long i = 0; i < 2; i++) {
        struct banos_syscall_probe probe = {.size = sizeof probe, .number = number, .data = (void *)i};
        if (at_end) probe.exit = call; else probe.entry = call;
        probes[i] = banos_register_syscall_probe(&probe);
        if (banos_is_error(probes[i])) return probes[i];
      }
      return 0;
    }
    long use(void) { return work(1) == 2 && banos_ktime_ns() != 0; }
    long end(void) { return banos_unregister_probe(probes[0]); }
    long end_call(void) { return banos_unregister_syscall_probe(probes[0]); }
    static int init(Banos_Driver *driver) { return 0; }
    BANOS_DRIVER("faults", "MIT", 1, init, init);
  `;
  const GETPPID = 110;

  test('a probe that another takes away in the middle of an event is not told any more, nor is its memory touched', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(source), 'faults');
    const { space, heap } = inner.drivers;
    const read = (name: string, index = 0): number => space.readI64(driver.at(name) + 8 * index);
    const check = (what: string): void => {
      assert.equal([read('told', 0) > 0, read('told', 1), read('gone')], [true, 0, 1], what);
      assert.is(heap.blocks, 1, what);
    };
    for (const what of ['on_entry', 'on_return', 'on_export', 'on_export_return']) {
      assert.is(callNow(inner, driver, what), 0, what);
      assert.is(callNow(inner, driver, 'use'), 1, what);
      check(what);
      assert.is(callNow(inner, driver, 'end'), 0, what);
    }
    const script = ['sh', '-c', 'echo $PPID'];
    for (const atEnd of [0, 1]) {
      assert.is(callNow(inner, driver, 'on_call', GETPPID, atEnd), 0);
      assert.is((await collect(kernel.spawn(script))).code, 0);
      check(`call ${atEnd}`);
      assert.is(callNow(inner, driver, 'end_call'), 0);
    }
    // What is freed is poisoned: writes show when its place is given out again.
    for (let i = 0; i < 64; i++) heap.alloc(driver.owner, 170, 0);
    assert.equal(
      kernel.log().filter((line) => line.startsWith('BUG')),
      [],
    );
    assert.is(driver.owner.crashes, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
