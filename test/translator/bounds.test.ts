/** Translated code does not pile up: it has a budget, what is not used makes room, and nothing holds on to what is dropped. */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boot, type CpuStatistics } from '../../kernel-core/index.js';
import { Random } from '../cpu/native/random.js';
import { collect } from '../support/guest.js';
import { generatePrograms } from './programs/generate.js';
import { canRunNatively, EAGER, Probes, runInside, runNative } from './support.js';

const BUDGET = 1 << 18;
const MAX_REGIONS = 150;
/** What one batch may take beyond the budget: room is made before its size is known. */
const BATCH = 1 << 18;
/** Every look translates: many small modules. */
const HASTY = { ...(EAGER as object), firstRound: 5000 };
const LIMITED = { ...HASTY, budget: BUDGET, maxRegions: MAX_REGIONS };

const sources = join(import.meta.dirname, 'programs');

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Every instance of a WebAssembly module that is made from now on, without holding it. */
function watchInstances(): { refs: WeakRef<WebAssembly.Instance>[]; restore: () => void } {
  const { Instance } = WebAssembly;
  const refs: WeakRef<WebAssembly.Instance>[] = [];
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, [module, imports]: ConstructorParameters<typeof Instance>) {
      const instance = new target(module, imports);
      refs.push(new WeakRef(instance));
      return instance;
    },
  });
  return { refs, restore: () => void (WebAssembly.Instance = Instance) };
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

async function countLive(refs: readonly WeakRef<WebAssembly.Instance>[], enough: number): Promise<number> {
  let live = 0;
  // A WeakRef holds what it refers to until the end of the turn in which it was looked at or made.
  for (let i = 0; i < 20; i++) {
    await turn();
    collectGarbage();
    live = refs.filter((ref) => ref.deref() !== undefined).length;
    if (live <= enough) break;
  }
  return live;
}

const assertBounded = ({ liveBytes, liveModules }: NonNullable<CpuStatistics['translator']>): void => {
  assert.ok(liveBytes <= BUDGET + BATCH, `${liveBytes} bytes in place`);
  assert.ok(liveModules <= MAX_REGIONS, `${liveModules} modules in place`);
};

if (canRunNatively('bounds of translation')) {
  const probes = new Probes();
  test.after(() => probes.dispose());
  const functions = probes.build('functions', [join(import.meta.dirname, 'cache', 'functions.c')]);
  const mounts = [{ host: probes.directory, guest: '/probes', readOnly: true }];

  test('2000 functions made at run time: few are in place, the rest is garbage', async () => {
    const watch = watchInstances();
    const kernel = await boot({ mounts, translator: LIMITED });
    try {
      const child = kernel.spawn(['/probes/functions'], { env: {} });
      const line = await new Promise<string>((resolve) =>
        child.stdout!.once('data', (bytes) => resolve(String(bytes))),
      );
      assert.is(line, runNative(functions).stdout);
      // All of its pages are still there, so that nothing was dropped but to make room.
      const { translator } = kernel.cpuStats();
      assert.ok(translator!.modules > MAX_REGIONS, `only ${translator!.modules} modules were made`);
      assert.ok(translator!.evictedModules > 0);
      assertBounded(translator!);
      const allowed = translator!.liveModules + 3;
      const live = await countLive(watch.refs, allowed);
      assert.ok(live <= allowed, `${live} instances are alive, ${translator!.liveModules} in place`);
      child.stdin!.end();
      await child.exit;
      kernel.assertIdle();
    } finally {
      watch.restore();
      await kernel.shutdown();
    }
  });

  test('when the pages of code are gone, so are the modules', async () => {
    const watch = watchInstances();
    const kernel = await boot({ mounts, translator: HASTY });
    try {
      await collect(kernel.spawn(['/probes/functions', '900'], { env: {} }));
      const { translator } = kernel.cpuStats();
      assert.ok(translator!.modules > 20, `only ${translator!.modules} modules were made`);
      // The program's own file may keep its pages.
      assert.ok(translator!.liveModules < translator!.modules / 2, `${translator!.liveModules} modules in place`);
      const allowed = translator!.liveModules + 3;
      const live = await countLive(watch.refs, allowed);
      assert.ok(live <= allowed, `${live} instances are alive, ${translator!.liveModules} in place`);
    } finally {
      watch.restore();
      await kernel.shutdown();
    }
  });

  const source = [join(probes.directory, 'programs.s'), join(sources, 'enter.S'), join(sources, 'runner.c')];
  test('generated programs do what the processor does while their code makes room for each other', async () => {
    const { writeFileSync } = await import('node:fs');
    const count = 60;
    writeFileSync(
      source[0]!,
      generatePrograms(count, (k) => new Random(Math.imul(k, 7919) + 3)),
    );
    const program = probes.build('runner', source);
    const args = ['0', String(count), '100', '3'];
    for (const limits of [LIMITED, { ...LIMITED, budget: 1 << 15 }, { ...LIMITED, maxRegions: 5 }]) {
      const { stdout } = await runInside(program, args, limits);
      assert.is(stdout, runNative(program, args).stdout);
    }
  });
}

test.run();
