/** C probes of terminals (support/probes.ts). */
import { test } from 'uvu';
import { testProbes } from '../support/probes.js';

testProbes('test/pty/probes', { area: 'terminals' });

test.run();
