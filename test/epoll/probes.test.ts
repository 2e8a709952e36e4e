/** C probes of epoll and of the descriptors that stand for events (support/probes.ts). */
import { join } from 'node:path';
import { test } from 'uvu';
import { testProbes } from '../support/probes.js';

testProbes(join(import.meta.dirname, 'probes'), { area: 'epoll', within: '/dev/shm' });

test.run();
