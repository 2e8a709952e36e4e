/**
 * The promise of the driver interface: what a version had stays as it was. Lists of its functions, structures and constants are
 * kept (released/VERSION/interface.txt), and drivers that were built then: their objects are loaded and used, by a program
 * that was built then, too, so that no compiler is needed. `npm run drivers:keep` keeps what is new.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BANOS_VERSION } from '../../abi/modules.js';
import { layOut } from '../../elf/link/layout.js';
import { link } from '../../elf/link/link.js';
import { versionText } from '../../elf/link/metadata.js';
import { parseObject } from '../../elf/link/parse.js';
import { Refusal } from '../../elf/link/refusal.js';
import { KernelSpace } from '../../kernel-core/drivers/space.js';
import { KernelText } from '../../kernel-core/drivers/text.js';
import { collect } from '../support/guest.js';
import {
  compileKept,
  functionLines,
  holds,
  keptPath,
  keptSources,
  layoutLines,
  promised,
  RELEASED,
  versions,
} from './released/interface.js';
import { bootOpen, compileDriver, hasCompiler } from './support.js';

const LINES_OF_GREETER = ['greeter comes', 'hello, linked', 'hello, looked up', 'caller', 'greeter has greeted twice'];

/** Shell commands that use the drivers of a version, and what they say, errors at the end. */
const USES: Readonly<Record<string, readonly (readonly [script: string, output: string])[]>> = {
  '0.0.1': [
    [
      `insmod /kept/greeter.o; insmod /kept/caller.o; cut -d" " -f1,3,4 /proc/modules
      rmmod caller; rmmod greeter; dmesg | tail -n 5`,
      `caller 0 -\ngreeter 1 caller,\n${LINES_OF_GREETER.map((line) => `[] ${line}\n`).join('')}`,
    ],
  ],
  '0.1.0': [
    [
      `insmod /kept/core.o limit=8 name=given numbers=9,8; /kept/program core; cat /proc/driver/kept
      cd /sys/class/kept/kept0; cat level; echo 7 > level; cat level; echo x > level; ls; stat -c %a /dev/kept1
      echo 0 > /proc/driver/kept; cat /proc/driver/kept; cat /sys/module/kept_core/parameters/limit; ls /proc/driver
      rmmod kept_core; ls /dev/kept* /proc/driver; dmesg | grep -c '] kept: .*print'`,
      `ok
opened 2 released 2 name given numbers 9,8 given 2
5
7
dev
level
subsystem
uevent
640
opened 0 released 0 name given numbers 9,8 given 2
4
kept
/proc/driver:
3
sh: write error: Invalid argument
ls: /dev/kept*: No such file or directory
`,
    ],
    [
      `insmod /kept/files.o; mount -t keptfs none /mnt; stat -c '%n %s %a %h' /mnt /mnt/text; cat /mnt/text
      echo more >> /mnt/text; cat /mnt/text; echo short > /mnt/text; mv /mnt/text /mnt/other; ls /mnt; cat /mnt/other
      chmod 600 /mnt/other; touch -d '2001-02-03 04:05:06' /mnt/other; stat -c %Y /mnt/other
      df /mnt | tail -n 1 | tr -s ' '; rmmod kept_files; umount /mnt; rmmod kept_files; dmesg | tail -n 1; cat /proc/modules`,
      `/mnt 0 755 2
/mnt/text 16 644 1
from the driver
from the driver
more
other
short
981173106
none 5 1 5 10% /mnt
[] keptfs: unmounted
chmod: /mnt/other: Operation not permitted
rmmod: can't unload module 'kept_files': Resource temporarily unavailable
`,
    ],
    [
      `insmod /kept/others.o; /kept/program others; echo kept > /proc/banos/scheduler; seq 3 | cat | tac
      cat /proc/banos/scheduler; echo fifo > /proc/banos/scheduler; cat /proc/driver/kept_others
      rmmod kept_others; cat /proc/modules /proc/banos/scheduler`,
      'ok\n3\n2\n1\nfifo [kept]\nseen 2 left 2 clocks 1 bad 0 scheduled 1\n[fifo]\n',
    ],
    [
      `insmod /kept/disciplines.o; /kept/program lines; cat /proc/tty/ldiscs; rmmod kept_disciplines; cat /proc/tty/ldiscs
      dmesg | grep pieces:`,
      `ok
n_tty       0
n_null     27
kept_pieces 28
kept_dashes 30
n_tty       0
n_null     27
[] pieces: hung up
[] pieces: closed, 2 set, 2 flushed, woken 1
`,
    ],
  ],
};

/** Loads and uses the drivers of a directory. */
async function use(version: string, directory: string): Promise<void> {
  const kernel = await bootOpen({ memory: 128, mounts: [{ host: directory, guest: '/kept', readOnly: true }] });
  for (const [script, output] of USES[version]!) {
    const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
    assert.is((stdout + stderr).replace(/^\[ *[\d.]+\]/gm, '[]'), output);
  }
  const { drivers, modules } = kernel.inner;
  assert.is(drivers.oopses, 0);
  assert.is(modules.list().length + drivers.heap.blocks, 0);
  kernel.assertIdle();
  await kernel.shutdown();
}

for (const version of versions()) {
  test(`drivers that were built for version ${version} are loaded and do what they did`, () =>
    use(version, join(RELEASED, version)));
}

test('each version has drivers, and theirs use every function that it has', () => {
  assert.ok(versions().length >= 2);
  for (const version of versions()) {
    const used = new Set<string>();
    for (const source of keptSources(version)) {
      if (source === 'program.c') continue;
      const object = parseObject(new Uint8Array(readFileSync(keptPath(version, source))));
      const layout = object instanceof Refusal ? object : layOut(object);
      if (layout instanceof Refusal) throw new Error(layout.reason);
      for (const { name } of layout.imports) used.add(name);
    }
    const unused = promised(version)
      .filter((line) => line.startsWith('function '))
      .map((line) => line.split(' ')[1]!)
      .filter((symbol) => !used.has(symbol));
    assert.equal(unused, [], version);
    assert.ok(USES[version] !== undefined, version);
  }
  assert.is(versions().at(-1), versionText(BANOS_VERSION));
});

test('no function that a version had is gone or has another prototype; what is new is in the newest list', () => {
  const now = new Set(functionLines());
  for (const version of versions()) {
    const lines = promised(version).filter((line) => line.startsWith('function '));
    const gone = lines.filter((line) => !now.has(line));
    assert.equal(gone, [], `${version}: a new meaning is a new row, NAME.vN`);
  }
  const newest = promised(versions().at(-1)!);
  const added = [...now].filter((line) => !newest.includes(line));
  assert.equal(added, [], 'new: npm run drivers:keep, and a use of it in released/');
});

/** Two meanings of one name, as rows. */
const ROWS = [1, 2].map((version) => ({
  name: 'banos_meaning',
  version,
  prototype: 'int banos_meaning(void)',
  fn: () => version,
}));

/** Which version of it a driver gets that was compiled with this header. */
function versionFor(header: string, text: KernelText): number | undefined {
  const object = parseObject(compileDriver(`${header} int (*const at)(void) = banos_meaning;`));
  const layout = object instanceof Refusal ? object : layOut(object);
  if (layout instanceof Refusal) throw new Error(layout.reason);
  const base = -0x40000000;
  const linked = link(layout, { text: base, rodata: base, data: base + 0x100000 }, (name) => text.find(name));
  if (linked instanceof Refusal) throw new Error(linked.reason);
  return text.rowOf(linked.imports[0]!.address)?.version;
}

test('a name with two versions: who was built before the second keeps the first', async () => {
  const kernel = await bootOpen();
  const space = KernelSpace.create(kernel.inner.memory) as KernelSpace;
  const text = KernelText.create(space, ROWS, []) as KernelText;
  const found = ['banos_meaning', 'banos_meaning.v2'].map((symbol) => text.rowOf(text.find(symbol)!)?.version);
  assert.equal(found, [1, 2]);
  assert.is(text.find('banos_meaning.v3'), undefined);
  if (hasCompiler) {
    assert.is(versionFor('int banos_meaning(void);', text), 1);
    assert.is(versionFor('int banos_meaning(void) __asm__("banos_meaning.v2");', text), 2);
  }
  text.unmap(space);
  space.dispose();
  await kernel.shutdown();
});

test('what does not hold is noticed: fields that move, values that change, structures that grow and cannot say so', () => {
  const now = new Set([
    'struct a 16',
    'field a.size 0 4',
    'field a.x 8 8',
    'struct b 16',
    'field b.x 0 8',
    'value c 3',
  ]);
  for (const line of ['struct a 16', 'struct a 8', 'field a.x 8 8', 'value c 3']) assert.ok(holds(line, now), line);
  const broken = ['struct a 24', 'struct b 8', 'field a.x 8 4', 'field a.y 8 8', 'value c 4', 'function f int f(void)'];
  for (const line of broken) assert.not(holds(line, now), line);
});

if (!hasCompiler) console.log('SKIP layouts of released interfaces, and their sources: they need gcc on x86-64');
else {
  test('every structure of a version has its fields where they were, every constant its value', () => {
    const now = new Set([...functionLines(), ...layoutLines()]);
    for (const version of versions()) {
      const broken = promised(version).filter((line) => !holds(line, now));
      assert.equal(broken, [], version);
    }
    const newest = promised(versions().at(-1)!);
    const added = [...now].filter((line) => !newest.includes(line));
    assert.equal(added, [], 'new: npm run drivers:keep');
  });

  for (const version of versions()) {
    test(`the sources of version ${version} are compiled by today's headers, and do the same`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'banos-released-'));
      try {
        for (const source of keptSources(version)) {
          compileKept(version, source, join(directory, keptPath(version, source).split('/').at(-1)!));
        }
        assert.ok(readdirSync(directory).length >= 2);
        await use(version, directory);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
}

test.run();
