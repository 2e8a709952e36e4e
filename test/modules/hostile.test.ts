/**
 * Damaged drivers: whatever is done with an object, loading it ends with a result, a refusal says why in the log, and what it
 * took is given back. What can still be linked runs, and does what it does. MODULE_FUZZ in the environment: how many (2,000;
 * `npm run fuzz` has 20,000).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { RelocatableObject } from '../../elf/link/object.js';
import { parseObject } from '../../elf/link/parse.js';
import { compileDriver, hasCompiler } from '../drivers/support.js';
import { aoutSeed, damaged, edit, elfSeed } from '../elf/link/mutants.js';
import { aoutOf } from '../support/aout.js';
import '../support/seeded.js';
import { compileProgram, driver, resources, withMachine } from './support.js';

const MUTANTS = Number(process.env['MODULE_FUZZ'] ?? 2000);
/** Instructions after which a driver that loops is ended. */
const PATIENCE = 2_000_000;

const SOURCE = driver(
  'mutant',
  `static int count = 3; BANOS_PARAM(count, int, 0644);
   static char text[8] = "abc"; BANOS_PARAM_STRING(text, 0600);
   int get(void) { return count; } BANOS_EXPORT(get);
   BANOS_AUTHOR("somebody"); BANOS_DEPENDS("ok");
   __attribute__((constructor)) static void begin(void) { count++; }
   __attribute__((section("__versions"), used)) static struct { unsigned long version; char name[56]; } one = { 7, "banos_printk" };
   static long mutant_read(struct banos_file *file, struct banos_iter *to, banos_u64 position) { return 0; }
   static const struct banos_chrdev_ops ops = { .size = sizeof ops, .read = mutant_read };
   static const struct banos_chrdev device = { .size = sizeof device, .minors = 1, .name = "mutant", .mode = 0666, .ops = &ops };`,
  {
    init: `char *block = banos_kmalloc(100); banos_printk("count %d", count);
           return block ? (int)(banos_chrdev_register(&device) >> 63) : -12;`,
  },
);

/** One behind the other, each with its length before it. */
function packed(images: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(
    images.flatMap((image) => {
      const length = Buffer.alloc(8);
      length.writeUInt32LE(image.length);
      return [length, image];
    }),
  );
}

/** The program that loads them. */
function storm(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'banos-storm-'));
  try {
    compileProgram(join(import.meta.dirname, 'storm.c'), join(directory, 'storm'));
    return new Uint8Array(readFileSync(join(directory, 'storm')));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (!hasCompiler) console.log('SKIP damaged drivers: they need gcc on x86-64');
else {
  test(`${MUTANTS} damaged drivers neither stop the kernel nor leave anything behind, and each refusal says why`, () => {
    const image = compileDriver(SOURCE);
    const seeds = [elfSeed('ELF', image), aoutSeed('a.out', aoutOf(parseObject(image) as RelocatableObject))];
    const mutant = fc
      .tuple(fc.nat(seeds.length - 1), fc.array(edit, { minLength: 1, maxLength: 4 }))
      .map(([which, edits]) => damaged(seeds[which]!, edits));
    const files = {
      'ok.o': compileDriver(driver('ok')),
      storm: storm(),
      whole: packed(seeds.map((seed) => seed.image)),
      mutants: packed(fc.sample(mutant, MUTANTS)),
    };
    return withMachine(files, async ({ run, say, kernel }) => {
      await say('insmod /drivers/ok.o; cp /drivers/storm /storm; chmod +x /storm');
      const { drivers, modules } = kernel.inner;
      drivers.deadline = PATIENCE;
      assert.is((await run('/storm /drivers/whole')).stdout, '0\n0\n', 'they are well before');
      const before = resources(kernel);
      const { stdout, code } = await run('/storm /drivers/mutants');
      assert.is(code, 0);
      const results = stdout.trim().split('\n');
      assert.is(results.length, MUTANTS);
      for (const result of results) assert.match(result, /^(0|E[A-Z0-9]+)$/);
      const loaded = results.filter((result) => result === '0').length;
      assert.ok(loaded > MUTANTS / 50 && loaded < MUTANTS / 2, `${loaded} of ${MUTANTS} were loaded`);
      console.log(`${loaded} of ${MUTANTS} damaged drivers were loaded, ${drivers.oopses} crashes`);
      assert.equal(
        modules.list().map(({ name }) => name),
        ['ok'],
      );
      assert.equal(resources(kernel), before);
      assert.is(await say('rmmod ok; insmod /drivers/ok.o; cut -d" " -f1 /proc/modules'), 'ok\n');
    });
  });
}

test.run();
