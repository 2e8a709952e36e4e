/**
 * Random calls on a driver's file system, by a program inside, and on the host's tmpfs: the same results, but for what file
 * systems may differ in. FS_RUNS sets the number of scripts, FS_SEED makes others.
 */
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { O_TMPFILE } from '../../abi/fcntl.js';
import { S_IFDIR, S_IFMT } from '../../abi/stat.js';
import { collect } from '../support/guest.js';
import { scriptArbitrary } from '../vfs/native/arbitrary.js';
import { type Call, NativeKernel } from '../vfs/native/native.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

const native = hasCompiler ? NativeKernel.start() : 'no compiler';
const RUNS = Number(process.env['FS_RUNS'] ?? 40);
const SEED = Number(process.env['FS_SEED'] ?? 1);
const TMPFILE_BIT = O_TMPFILE & 0x400000;
const PATH_MAX = 4096;
/** More than the disk's largest file. */
const FAR = 2 ** 40;

/** Is the result of a call the business of the kernel or of any file system? Holes and room are kept by each in its own way, and roots are not what is tried here. */
const isCommon = (call: Call): boolean => {
  if (['fallocate', 'path', 'chroot'].includes(String(call[0])) || call.includes(FAR)) return false;
  // Which of two faults is found first is the system call's business.
  const isTwofold = call[0] === 'link' || call[0] === 'rename';
  const isLong = call.some((value) => String(value).length > PATH_MAX);
  if (isTwofold && (call[3] !== -1 || call[4] === '' || isLong)) return false;
  if (call[0] === 'lseek') return Number(call[3]) < 3;
  return call[0] !== 'open' || (Number(call[4]) & TMPFILE_BIT) === 0;
};

/** A line of stat without the figures that are each file system's own: blocks, and the size of a directory. */
function comparable(call: Call, line: string): string {
  if (!['stat', 'lstat', 'fstat'].includes(String(call[0])) || line.startsWith('-')) return line;
  const [mode, links, owner, size, , device] = line.split(' ');
  const isDirectory = (Number.parseInt(mode!, 8) & S_IFMT) === S_IFDIR;
  return [mode, links, owner, isDirectory ? '' : size, device].join(' ');
}

if (typeof native === 'string') console.log(`SKIP random calls on a driver's file system: ${native}`);
else {
  test("random calls on a RAM disk's file system end as on tmpfs", async () => {
    const flags = ['-DFS_SOURCE="/dev/ramdisk0"', '-DFS_TYPE="ramdiskfs"', '-DFS_OPTIONS="format"', '-DFS_CHROOT'];
    compileProgram('script', readFileSync('test/vfs/native/script.c', 'utf8'), flags);
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const source = readFileSync('drivers/examples/ramdisk.c', 'utf8');
    const driver = loadDriver(kernel.inner, compileDriver(source, ['-Idrivers/examples']), 'ramdisk');
    assert.is(initDriver(kernel.inner, driver), 0);
    assert.is((await collect(kernel.spawn(['mkdir', '-p', '/mnt']))).code, 0);
    for (const script of fc.sample(scriptArbitrary, { numRuns: RUNS, seed: SEED })) {
      const calls = script.filter(isCommon);
      const there = native.run(calls);
      const input = Buffer.from(calls.map((call) => `${call.join('\t')}\n`).join(''), 'latin1');
      const { stdout, stderr, code } = await collect(kernel.spawn(['/programs/script', '/mnt']), input);
      assert.is(code, 0, stderr);
      const here = stdout.split('\n').slice(0, -1);
      for (const [i, call] of calls.entries()) {
        const one = comparable(call, here[i] ?? '');
        const other = comparable(call, there[i]!);
        if (one === other) continue;
        const shown = calls.slice(0, i + 1).map((each, at) => `${each.join(' ').slice(0, 100)} = ${there[at]}`);
        assert.is(one, other, `after\n  ${shown.join('\n  ')}\nhere: ${one}`);
      }
      assert.is((await collect(kernel.spawn(['umount', '/mnt']))).code, 0);
      assert.is(driver.owner.holds, 0, 'the file system is unmounted');
    }
    assert.is(driver.owner.hasCrashed, false);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
  test.after(() => native.end());
}

test.run();
