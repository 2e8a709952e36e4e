/** Calls of driver functions: they run inside of whatever runs, in the kernel address space, and come back. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bootOpen, callNow, compileDriver, hasCompiler, loadDriver } from './support.js';

if (!hasCompiler) console.log('SKIP calls of driver functions: they need gcc on x86-64');
else {
  const source = `
    #include <banos/banos.h>
    long add(long a, long b, long c, long d) { return a + 10 * b + 100 * c + 1000 * d; }
    static unsigned state = 1;
    unsigned count(void) { return state++; }
    long say(long a) {
      banos_dprintln("from the driver");
      return banos_printk(BANOS_INFO "%s has %ld, %#x, %5d|%-5d|%05d and %pS", "it", a, 255u, 1, 2, -3, say);
    }
    long sum(long n) {
      volatile long total = 0;
      for (long i = 0; i < n; i++) total += i;
      return total;
    }
    long *block;
    long heap(long n) {
      block = banos_kmalloc(n * sizeof(long));
      if (!block) return -1;
      for (long i = 0; i < n; i++) block[i] = i;
      long total = 0;
      for (long i = 0; i < n; i++) total += block[i];
      banos_kfree(block);
      return total;
    }
    static int init(Banos_Driver *driver) { banos_dprintln(driver->name); return 0; }
    BANOS_DRIVER("calls", "MIT", 1, init, 0);
  `;

  test('a function of a driver is called and returns', async () => {
    const kernel = await bootOpen();
    const { inner } = kernel;
    const driver = loadDriver(inner, compileDriver(source), 'calls');
    assert.is(callNow(inner, driver, 'add', 1, 2, 3, 4), 4321);
    assert.is(callNow(inner, driver, 'add', -1, 0, 0, 0), -1);
    assert.is(callNow(inner, driver, 'count'), 1);
    assert.is(callNow(inner, driver, 'count'), 2);
    const from = inner.log.next;
    assert.is(inner.drivers.callNow(driver.owner, driver.record.init, [driver.record.address]), 0);
    callNow(inner, driver, 'say', -5);
    const [name, first, second] = kernel.log(from);
    assert.is(name, 'calls');
    assert.is(first, 'from the driver');
    assert.match(second, /^it has -5, 0xff, {5}1\|2 {4}\|-0003 and say\+0x0\/0x[0-9a-f]+ \[calls\]$/);
    assert.is(callNow(inner, driver, 'sum', 300_000), (300_000 * 299_999) / 2);
    for (const n of [0, 1, 5, 100, 1000, 100_000]) assert.is(callNow(inner, driver, 'heap', n), (n * (n - 1)) / 2);
    assert.is(inner.drivers.heap.blocks, 0);
    driver.owner.release();
    await kernel.shutdown();
  });
}

test.run();
