/** C probes of the file calls, each on a tmpfs of its own (support/probes.ts). */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import { testProbes } from '../support/probes.js';

testProbes(join(import.meta.dirname, 'probes'), { area: 'file calls', within: tmpdir() });

test.run();
