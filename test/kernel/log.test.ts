/** The kernel log inside Banos: what cannot be compared with the host, because it would clear or fill the host's own. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type Kernel, type KernelLogRecord } from '../../kernel-core/index.js';
import { collect } from '../support/guest.js';

const run = async (kernel: Kernel, script: string): Promise<string> => {
  const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
  return stdout + stderr;
};

async function withKernel(body: (kernel: Kernel, records: KernelLogRecord[]) => Promise<void>): Promise<void> {
  const records: KernelLogRecord[] = [];
  const kernel = await boot({ memory: 64, kernelLog: (record) => records.push(record) });
  await body(kernel, records);
  kernel.assertIdle();
  await kernel.shutdown();
}

test('boot says what it has', () =>
  withKernel(async (kernel, records) => {
    assert.match(records[0].text, /^Linux version \d+\.\d+\.\d+-banos /);
    assert.is(records[0].level, 5);
    assert.match(records[0].line, /^\[ {4}\d\.\d{6}\] Linux version .*\n$/);
    assert.ok(records.every(({ sequence, facility }, i) => sequence === i && facility === 0));
    const memory = await run(kernel, 'grep MemTotal /proc/meminfo; dmesg');
    const [, total] = /MemTotal: +(\d+) kB/.exec(memory)!;
    assert.ok(memory.includes(`/${total}K available`), memory);
    assert.ok(memory.includes('proc: mounted'), memory);
  }));

test('dmesg shows, clears, strips and sets the level', () =>
  withKernel(async (kernel, records) => {
    const shown = await run(kernel, 'dmesg');
    assert.is(shown, records.map(({ line }) => line).join(''));
    assert.is(await run(kernel, 'dmesg -r | head -n 1'), `<5>${records[0].line}`);
    assert.is(await run(kernel, 'dmesg -c >/dev/null; dmesg'), '');
    await run(kernel, 'echo "<4>after" > /dev/kmsg');
    assert.match(await run(kernel, 'dmesg'), /^\[ *\d+\.\d{6}\] after\n$/);
    await run(kernel, 'dmesg -n 4; echo "<4>quiet" > /dev/kmsg; echo "<3>loud" > /dev/kmsg');
    assert.equal(
      records.slice(-2).map(({ text, toConsole, facility }) => [text, toConsole, facility]),
      [
        ['quiet', false, 1],
        ['loud', true, 1],
      ],
    );
    assert.is(await run(kernel, 'cat /proc/sys/kernel/printk'), '4\t4\t1\t7\n');
    // The log of a description that goes to what came after the clearing; the oldest records are still there.
    assert.is(await run(kernel, 'dd if=/dev/kmsg bs=2000 count=1 2>/dev/null | cut -d, -f2'), '0\n');
  }));

test('settings are the superuser’s, and bad ones are refused', () =>
  withKernel(async (kernel) => {
    const sys = '/proc/sys/kernel';
    assert.is(await run(kernel, `cat ${sys}/dmesg_restrict ${sys}/printk_devkmsg`), '1\nratelimit\n');
    assert.match(await run(kernel, `echo 2 > ${sys}/dmesg_restrict`), /Invalid argument/);
    assert.match(await run(kernel, `echo never > ${sys}/printk_devkmsg`), /Invalid argument/);
    assert.match(await run(kernel, `echo 4 x > ${sys}/printk`), /Invalid argument/);
    await run(kernel, `echo 5 6 > ${sys}/printk; echo 0 > ${sys}/dmesg_restrict; echo off > ${sys}/printk_devkmsg`);
    assert.is(await run(kernel, `cat ${sys}/printk`), '5\t6\t1\t7\n');
    await run(kernel, 'echo nobody hears > /dev/kmsg');
    const user = kernel.spawn(['sh', '-c', `dmesg; dmesg -c; dmesg -n 1; echo 1 > ${sys}/dmesg_restrict`], {
      user: { uid: 1000, gid: 1000 },
    });
    const { stdout, stderr } = await collect(user);
    assert.match(stdout, /Linux version/);
    assert.not.match(stdout, /nobody hears/);
    assert.is(stderr.match(/Operation not permitted/g)?.length, 2, stderr);
    assert.match(stderr, /Permission denied/);
  }));

test('a reader that was overrun gets EPIPE, then the oldest record', () =>
  withKernel(async (kernel) => {
    const written = await run(
      kernel,
      `echo on > /proc/sys/kernel/printk_devkmsg
       exec 3</dev/kmsg 4>/dev/kmsg
       i=0; while [ $i -lt 4200 ]; do echo $i >&4; i=$((i+1)); done
       dd bs=2000 count=1 <&3 2>&1 | head -n 1
       dd bs=2000 count=1 <&3 2>/dev/null
       dmesg | wc -l`,
    );
    const [error, record, lines] = written.trim().split('\n');
    assert.match(error, /Broken pipe/);
    const [priority, sequence, , text] = record.split(/[,;]/).filter((part) => part !== '-');
    assert.is(priority, '12');
    // As many records as fit are left.
    assert.is(Number(sequence) > 90 && Number(sequence) < 200, true, record);
    assert.ok(Number(text) < 200, record);
    // dmesg's own buffer is smaller than the log.
    assert.ok(Number(lines) > 1000, lines);
  }));

test('long texts make the ring forget by bytes', () =>
  withKernel(async (kernel) => {
    const left = await run(
      kernel,
      `echo on > /proc/sys/kernel/printk_devkmsg
       text=$(head -c 1000 /dev/zero | tr '\\0' x); exec 4>/dev/kmsg
       i=0; while [ $i -lt 200 ]; do echo "$text" >&4; i=$((i+1)); done
       dd if=/dev/kmsg bs=2000 count=1 2>/dev/null | cut -d, -f2`,
    );
    // 131 texts of 1000 bytes are in 128 KiB; some ten records came before.
    assert.ok(Number(left) > 60 && Number(left) < 90, left);
  }));

test('/proc/kmsg and syslog(2) read the log once, in pieces', () =>
  withKernel(async (kernel, records) => {
    const all = records.map(({ level, line }) => `<${level}>${line}`).join('');
    const pieces = await run(
      kernel,
      'dd if=/proc/kmsg bs=7 count=3 2>/dev/null; dd if=/proc/kmsg bs=9000 count=1 2>/dev/null',
    );
    assert.is(pieces, all);
    const waiting = kernel.spawn(['dd', 'if=/proc/kmsg', 'bs=9000', 'count=1']);
    const outcome = collect(waiting);
    await run(kernel, 'echo "<6>news" > /dev/kmsg');
    assert.match((await outcome).stdout, /^<14>\[ *\d+\.\d{6}\] news\n$/);
  }));

test.run();
