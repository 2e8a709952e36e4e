/** C probes of sockets, each on a tmpfs of its own (support/probes.ts); no call may take locks against their order. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkLockOrder, endLockCheck } from '../../kernel-core/lock-order.js';
import { testProbes } from '../support/probes.js';

testProbes(join(import.meta.dirname, 'probes'), {
  area: 'sockets',
  within: tmpdir(),
  watch: (name) => {
    const locks = checkLockOrder();
    return () => {
      assert.equal([locks.violations, locks.held.size], [[], 0]);
      if (name === 'order') assert.ok(locks.taken > 0, 'some call had to wait for its turn');
      endLockCheck();
    };
  },
});

test.run();
