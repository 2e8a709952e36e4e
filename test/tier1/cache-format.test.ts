/** cpu/tier1/cache-format.ts: what is written is read again, and damage never shows as anything but absence. */
import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeFile, encodeFile, relocate, type StoredModule } from '../../cpu/tier1/cache-format.js';

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const VERSION = sha256(Buffer.from('this one'));

function sample(root: number): StoredModule {
  return {
    regions: [
      {
        index: 1,
        root,
        doorOf: root - 16,
        doors: [root + 10],
        size: 3,
        longest: 2,
        defaultSse: true,
        pages: [Math.floor(root / 4096)],
        destinations: [root + 64, -4096],
        addresses: [root, root + 3, root + 10],
        sites: [
          [root, null, root + 3],
          [root + 3, 2 ** 46 + 8],
        ],
        version: 2,
      },
    ],
    pages: [[Math.floor(root / 4096), 'ab'.repeat(32)]],
    imports: [root + 64],
    slots: [[3, 0x7ffff]],
    places: [
      { offset: 2, symbol: { kind: 'record', address: root, distance: 32 } },
      {
        offset: 9,
        symbol: {
          kind: 'flags',
          source: {
            kind: 'sub',
            size: 64,
            a: { register: 3, byte: 0 },
            b: { constant: -(2n ** 62n) },
            res: undefined,
          },
        },
      },
      { offset: 16, symbol: { kind: 'window', slot: 3, field: 8 } },
      { offset: 20, symbol: { kind: 'miss', slot: 3, flags: 1 << 16 } },
    ],
    bytes: Uint8Array.from({ length: 32 }, (_, i) => i),
  };
}

const modules = [sample(0x401000), sample(0x402abc)];
const file = encodeFile(VERSION, modules, sha256);

/** Every module that was read is one that was written. */
function assertGenuine(read: readonly StoredModule[], what: string): void {
  for (const module of read) {
    const original = modules.find(({ regions }) => regions[0]!.root === module.regions[0]!.root);
    assert.equal(module, original, what);
  }
}

test('modules come back as they were', () => {
  assert.equal(decodeFile(VERSION, file, sha256), modules);
});

test('with any one byte changed, the modules that are damaged are not there', () => {
  for (let at = 0; at < file.length; at++) {
    for (const change of [0x01, 0x80, 0xff]) {
      const damaged = file.slice();
      damaged[at]! ^= change;
      const read = decodeFile(VERSION, damaged, sha256);
      assert.ok(read.length < modules.length, `byte ${at}`);
      assertGenuine(read, `byte ${at}`);
    }
  }
});

test('cut off anywhere, what is whole is there', () => {
  for (let length = 0; length < file.length; length++) {
    const read = decodeFile(VERSION, file.slice(0, length), sha256);
    assert.ok(read.length < modules.length, `${length} bytes`);
    assertGenuine(read, `${length} bytes`);
  }
});

test('a file of another version is as good as none', () => {
  assert.equal(decodeFile(sha256(Buffer.from('another')), file, sha256), []);
});

test('a description that this version does not write is no module', () => {
  const wrong = { ...sample(0x403000), places: [] };
  const bytes = encodeFile(VERSION, [wrong], sha256);
  const text = Buffer.from(bytes).toString('latin1').replace('"regions"', '"religion');
  const payload = Buffer.from(text, 'latin1').subarray(40 + 36);
  const forged = Buffer.concat([bytes.subarray(0, 40 + 4), sha256(payload), payload]);
  assert.equal(decodeFile(VERSION, forged, sha256), []);
});

test('places get the numbers of this run, in as many bytes', () => {
  const [module] = modules as [StoredModule];
  const out = relocate(module, { record: () => 0x1234500, flagSource: () => 77, slots: new Map([[3, 5]]) })!;
  const fixed = (offset: number, width: number): number => {
    let value = 0;
    for (let i = 0; i < width; i++) value |= (out[offset + i]! & 0x7f) << (7 * i);
    return value;
  };
  assert.is(fixed(2, 5), 0x1234500 + 32);
  assert.is(fixed(9, 5), 77);
  assert.is(fixed(16, 2), 0x800 + 5 * 32 + 8);
  assert.is(fixed(20, 3), 2 | (5 << 8) | (1 << 16));
  const touched = new Set([2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 20, 21, 22]);
  for (let i = 0; i < out.length; i++) if (!touched.has(i)) assert.is(out[i], i);
  assert.is(relocate(module, { record: () => 0, flagSource: () => 1, slots: new Map([[3, 5]]) }), undefined);
  assert.is(relocate(module, { record: () => 64, flagSource: () => 1, slots: new Map() }), undefined);
});

test.run();
