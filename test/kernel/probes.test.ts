/** C probes of processes, signals, memory and time (support/probes.ts). */
import { join } from 'node:path';
import { test } from 'uvu';
import { boot } from '../../kernel-core/index.js';
import { testProbes } from '../support/probes.js';

testProbes(join(import.meta.dirname, 'probes'), { area: 'the kernel' });

test('a mount without programs leaves the kernel idle', async () => {
  const kernel = await boot();
  kernel.assertIdle();
  await kernel.shutdown();
});

test.run();
