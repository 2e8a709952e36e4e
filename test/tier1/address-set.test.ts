/** Sets of addresses (cpu/tier1/address-set.ts) against JavaScript's own. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { AddressSet } from '../../cpu/tier1/address-set.js';

/** Signed 48-bit numbers, some close together, as code is. */
const address = fc.oneof(
  fc.integer({ min: 0, max: 60 }).map((n) => 0x7f1234567000 + n),
  fc.integer({ min: -(2 ** 47), max: 2 ** 47 - 1 }),
);

test('it has what was added, in that order, each once', () => {
  fc.assert(
    fc.property(fc.array(address, { maxLength: 200 }), fc.array(address, { maxLength: 20 }), (added, asked) => {
      const set = new AddressSet();
      const model = new Set<number>();
      for (const one of added) {
        set.add(one);
        model.add(one);
        assert.is(set.size, model.size);
      }
      const list = [...model];
      for (const same of [set, set.copy()]) {
        assert.equal([...same], list);
        for (const one of [...added, ...asked]) assert.is(same.indexOf(one), list.indexOf(one));
      }
      const copy = set.copy();
      set.clear();
      assert.is(set.size, 0);
      assert.not(added.some((one) => set.has(one)));
      assert.is(copy.size, list.length, 'a copy is its own');
    }),
  );
});

test.run();
