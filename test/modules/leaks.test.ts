/** Every example driver is loaded, used and unloaded many times: nothing is left, inside or in Node. */
import { createHook } from 'node:async_hooks';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { compileDriver, compileProgram, hasCompiler, type OpenKernel, programs } from '../drivers/support.js';
import { resources, withMachine } from './support.js';

/** `BANOS_LEAK_ROUNDS=200` for the long run. */
const ROUNDS = Number(process.env.BANOS_LEAK_ROUNDS ?? 40);
/** Rounds after which everything that is kept for the next time is there. */
const FIRST_ROUNDS = 3;

const load = (...names: readonly string[]): string => names.map((name) => `insmod /drivers/${name}.o`).join('; ');

/** What a shell does with each. Its output is thrown away; what it exits with is not. */
const ROUND: Readonly<Record<string, string>> = {
  hello: `${load('hello')}; rmmod hello`,
  message: `${load('message')}; echo text > /dev/message1 && head -n 1 /dev/message1; rmmod message`,
  ramdisk: `${load('ramdisk')}; mount -t ramdiskfs -o format /dev/ramdisk0 /mnt && mkdir /mnt/d && echo text > /mnt/d/f &&
    cp /mnt/d/f /mnt/g && cat /mnt/g && rm -r /mnt/d && umount /mnt; rmmod ramdisk`,
  sensor: `${load('sensor')}; echo 1 > /sys/class/sensor/sensor/interval; head -n 1 /dev/sensor; cat /sys/class/sensor/sensor/value; rmmod sensor`,
  uart: `${load('uart')}; (stty raw -echo; cat > /dev/null & echo text > /dev/ttyB0; kill $!) < /dev/ttyB1; wait; rmmod uart`,
  echo_packet: `${load('echo_packet')}; /tmp/socket; rmmod echo_packet`,
  count_calls: `${load('count_calls')}; head -n 1 /dev/count_calls; rmmod count_calls`,
  round_robin: `${load('round_robin')}; echo round_robin > /proc/banos/scheduler; echo text | cat; echo fifo > /proc/banos/scheduler; rmmod round_robin`,
  counter: `${load('counter_lib', 'counter_user')}; echo text > /dev/tally; cat /proc/driver/counters; rmmod counter_user; rmmod counter_lib`,
};

/** What must be the same again. */
function state({ inner }: OpenKernel): Record<string, unknown> {
  const { drivers } = inner;
  return {
    devices: drivers.devices.size,
    fileSystems: drivers.fsTypes.size,
    inodes: drivers.fsInodes.size,
    lines: drivers.lines.size,
    timers: drivers.timers.size,
    threads: drivers.threads.size,
    detached: drivers.detached,
    owned: drivers.owner.size,
    tasks: [...inner.processes.tasks()].length,
    charDevices: inner.vfsEnv.devices.charDevices().length,
  };
}

if (!hasCompiler) console.log('SKIP leaks of modules: they need gcc on x86-64');
else {
  const names = ['hello', 'message', 'ramdisk', 'sensor', 'uart', 'echo_packet', 'count_calls', 'round_robin'];
  const image = (name: string): Uint8Array =>
    compileDriver(readFileSync(`drivers/examples/${name}.c`, 'utf8'), ['-Idrivers/examples']);

  test(`${ROUNDS} rounds of loading, using and unloading every example leave nothing behind`, async () => {
    compileProgram(
      'socket',
      `#include <sys/socket.h>
      #include <unistd.h>
      int main(void) { int fd = socket(19, SOCK_DGRAM, 0); struct sockaddr a = { 19 }; return fd < 0 || bind(fd, &a, sizeof a) == 5; }`,
    );
    // Promises that nobody has settled. Those that garbage collection finds count no more.
    const promises = new Set<number>();
    const hook = createHook({
      init: (id, type) => {
        if (type === 'PROMISE') promises.add(id);
      },
      promiseResolve: (id) => promises.delete(id),
      destroy: (id) => promises.delete(id),
    });
    await withMachine(
      {
        socket: readFileSync(join(programs, 'socket')),
        ...Object.fromEntries([...names, 'counter_lib', 'counter_user'].map((name) => [`${name}.o`, image(name)])),
      },
      async ({ kernel, run }) => {
        const { inner } = kernel;
        /** Everything that can be counted, when nothing runs. */
        const look = async (): Promise<Record<string, unknown>> => {
          const files = (
            await run('ls -R /dev /sys /proc/driver /proc/banos | sort; cat /proc/filesystems /proc/devices')
          ).stdout;
          kernel.dropCaches();
          await new Promise((resolve) => setImmediate(resolve));
          kernel.assertIdle();
          return {
            ...resources(kernel),
            ...state(kernel),
            files,
            frames: inner.memory.usedFrames,
            handles: process.getActiveResourcesInfo().length,
          };
        };
        /** Where the first module of a script lies. */
        const addressOf = async (script: string): Promise<string> =>
          (await run(`${script.split(';')[0]}; cut -d" " -f6 /proc/modules; rmmod $(cut -d" " -f1 /proc/modules)`))
            .stdout;
        await run('mkdir /mnt; cp /drivers/socket /tmp; chmod +x /tmp/socket');
        hook.enable();
        const rounds = async (name: string, count: number): Promise<void> => {
          const { stderr, code } = await run(
            `i=0; while [ $i -lt ${count} ]; do i=$((i + 1)); { ${ROUND[name]}; } > /dev/null || exit 1; done`,
          );
          assert.is(`${stderr.replace(/.*Terminated.*\n/g, '')}${code}`, '0', name);
        };
        for (const name of Object.keys(ROUND)) await rounds(name, FIRST_ROUNDS);
        for (const script of Object.values(ROUND)) await addressOf(script);
        await look();
        for (const [name, script] of Object.entries(ROUND)) {
          const before = await look();
          const addresses = await addressOf(script);
          const pending = promises.size;
          await rounds(name, ROUNDS);
          assert.equal(await look(), before, name);
          assert.ok(promises.size <= pending + 10, `${name}: ${promises.size - pending} promises are left`);
          assert.is(await addressOf(script), addresses, `${name}: the same addresses are free`);
        }
        hook.disable();
        assert.is(inner.drivers.oopses, 0);
      },
      // Translated code takes memory of its own, when it likes.
      { translator: false },
    );
  });
}

test.run();
