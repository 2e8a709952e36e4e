/** The sensor: pollers that a driver's timer wakes, parameters, attributes in /sys, and the same walk for the same seed. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, constants as c, type Kernel, type Libc } from '../../libc/index.js';
import { collect } from '../support/guest.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

/** Waits for five values in an epoll set. */
const WATCH = `
  #include <fcntl.h>
  #include <stdio.h>
  #include <string.h>
  #include <errno.h>
  #include <unistd.h>
  #include <sys/epoll.h>
  int main(void) {
    char line[32];
    int fd = open("/dev/sensor", O_RDONLY | O_NONBLOCK), set = epoll_create1(0), i, n;
    struct epoll_event event = { EPOLLIN, { .u32 = 9 } };
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
    for (i = 0; i < 5; i++) {
      n = epoll_wait(set, &event, 1, 10000);
      printf("%d %x %u ", n, event.events, event.data.u32);
      n = read(fd, line, sizeof line);
      printf("%.*s", n, line);
      if (i == 0) { n = read(fd, line, sizeof line); printf("again: %d %s\\n", n, strerror(errno)); }
    }
    return 0;
  }
`;

async function shell(kernel: Kernel, script: string): Promise<string> {
  const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
  return stdout + stderr;
}

if (!hasCompiler) console.log('SKIP the sensor: it needs gcc on x86-64');
else {
  const directory = mkdtempSync(join(tmpdir(), 'banos-sensor-'));
  test.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'drivers'));
  const source = readFileSync('drivers/examples/sensor.c', 'utf8');
  writeFileSync(join(directory, 'drivers/sensor.o'), compileDriver(source));
  compileProgram('watch', WATCH);

  /** Loads it with a seed, watches it from C and from TypeScript, and looks at its attributes. */
  async function session(seed: number): Promise<string> {
    const kernel = await boot({
      memory: 128,
      seed: 11,
      mounts: [
        { host: join(directory, 'drivers'), guest: '/drivers', readOnly: true },
        { host: programs, guest: '/programs', readOnly: true },
      ],
    });
    assert.match(await shell(kernel, 'insmod /drivers/sensor.o interval=0'), /Invalid argument/);
    let seen = await shell(
      kernel,
      `insmod /drivers/sensor.o interval=20 seed=${seed}; cat /sys/module/sensor/parameters/seed
      cd /sys/class/sensor/sensor; ls; cat interval; /programs/watch; head -n 2 /dev/sensor
      echo 5 > interval; cat interval; echo 0 > interval; echo 5x > interval; echo 99999999 > interval; cat count
      echo 1 > value; rmmod sensor 3< /dev/sensor; cat value > /dev/null && echo there`,
    );
    const values: string[] = [];
    kernel.installProgram('/bin/listen', async (libc: Libc) => {
      const fd = await libc.open('/dev/sensor', c.O_RDONLY | c.O_NONBLOCK);
      const set = libc.epoll_create1(0);
      libc.epoll_ctl(set, c.EPOLL_CTL_ADD, fd, { events: c.EPOLLIN, data: fd });
      while (values.length < 5) {
        const [event] = await libc.epoll_wait(set, 1, -1);
        const bytes = new Uint8Array(32);
        const count = await libc.read(event!.data as number, bytes);
        values.push(Buffer.from(bytes.subarray(0, count)).toString().trim());
      }
    });
    assert.is((await collect(kernel.spawn(['/bin/listen']))).code, 0);
    seen += `${values.join(' ')}\n`;
    seen += await shell(kernel, 'rmmod sensor; ls /dev/sensor /sys/class/sensor/sensor /sys/module/sensor');
    kernel.assertIdle();
    await kernel.shutdown();
    return seen;
  }

  test('values come by epoll to C and TypeScript programs, attributes show and take them', async () => {
    const lines = (await session(7)).split('\n');
    const value = '-?\\d+';
    const patterns = [
      '7',
      ...['count', 'dev', 'interval', 'subsystem', 'uevent', 'value'],
      '20',
      `1 1 9 ${value}`,
      'again: -1 Resource temporarily unavailable',
      ...Array.from({ length: 4 }, () => `1 1 9 ${value}`),
      value,
      value,
      '5',
      '\\d+',
      'there',
      'sh: write error: Invalid argument',
      'sh: write error: Invalid argument',
      'sh: write error: Result not representable',
      "sh: can't create value: Permission denied",
      "rmmod: can't unload module 'sensor': Resource temporarily unavailable",
      `(${value} ){4}${value}`,
      ...['/dev/sensor', '/sys/class/sensor/sensor', '/sys/module/sensor'].map(
        (path) => `ls: ${path}: No such file or directory`,
      ),
      '',
    ];
    assert.is(lines.length, patterns.length, lines.join('\n'));
    for (const [i, pattern] of patterns.entries())
      assert.match(lines[i]!, new RegExp(`^${pattern}$`), lines.join('\n'));
  });

  test('the same seed gives the same values, another one others', async () => {
    const [one, again, other] = [await session(7), await session(7), await session(8)];
    assert.is(one, again);
    assert.is.not(one, other);
  });

  test('nothing is left of the sensor when it goes by force', async () => {
    const kernel = await bootOpen({ memory: 128 });
    const driver = loadDriver(kernel.inner, compileDriver(source), 'sensor');
    assert.is(initDriver(kernel.inner, driver), 0);
    const reader = collect(
      kernel.spawn([
        'sh',
        '-c',
        'cd /sys/class/sensor/sensor; exec 3< value; head -n 1 /dev/sensor > /dev/null; echo one; cat /dev/sensor > /dev/null; cat <&3; ls',
      ]),
    );
    const isWaiting = (): boolean =>
      [...kernel.inner.processes.tasks()].some(({ comm, driverCall }) => comm === 'cat' && driverCall !== null);
    while (!isWaiting()) await new Promise((resolve) => setImmediate(resolve));
    driver.owner.release();
    assert.is(driver.owner.size, 0);
    const { stdout, stderr } = await reader;
    assert.is(stdout, 'one\n');
    assert.is(stderr, 'cat: read error: No such device\ncat: read error: No such device\n');
    assert.is(kernel.inner.drivers.timers.size, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
