/** C probes of core files (support/probes.ts). */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import { testProbes } from '../support/probes.js';

testProbes(join(import.meta.dirname, 'probes'), { area: 'core files', within: tmpdir() });

test.run();
