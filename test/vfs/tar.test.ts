import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { pack } from 'tar-stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StreamInput, TarError, type TarMember, tarMembers } from '../../vfs/fs/tar.js';
import { data, END, extension, header, octal, record, seal } from './tar-archive.js';
import '../support/seeded.js';

const LIMIT = 1 << 24;

/** Splits bytes into chunks of `size`, as a stream would. */
async function* chunked(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Read extends TarMember {
  data: string;
}

async function read(bytes: Uint8Array, size = 1000, limit = LIMIT): Promise<Read[]> {
  const input = new StreamInput(chunked(bytes, size), limit);
  const members: Read[] = [];
  for await (const member of tarMembers(input)) {
    members.push({ ...member, data: Buffer.from(await input.read(member.size)).toString('latin1') });
  }
  return members;
}

async function fails(bytes: Uint8Array, words: RegExp, limit = LIMIT): Promise<void> {
  try {
    await read(bytes, 700, limit);
  } catch (error) {
    assert.instance(error, TarError, (error as Error).stack);
    assert.match((error as Error).message, words);
    return;
  }
  assert.unreachable(`no error like ${words}`);
}

test('members of all types, in whatever pieces the bytes come', async () => {
  const archive = Buffer.concat([
    header({ name: 'd/', type: '5', mode: '0001777\0' }),
    header({ name: 'd/f', size: octal(5) }),
    data('hello'),
    header({ name: 'l', type: '1', link: 'd/f', size: octal(0) }),
    header({ name: 's', type: '2', link: '../etc' }),
    header({ name: 'p', type: '6' }),
    header({ name: 'old/', type: '\0', magic: '' }),
    header({ name: 'tail', prefix: 'long/way', type: '7', size: octal(1) }),
    data('x'),
    END,
  ]);
  for (const size of [1, 511, 512, 513, 100_000]) {
    const members = await read(archive, size);
    assert.equal(
      members.map(({ name, type, data, linkName }) => [name, type, data, linkName]),
      [
        ['d/', 'directory', '', ''],
        ['d/f', 'file', 'hello', ''],
        ['l', 'link', '', 'd/f'],
        ['s', 'symlink', '', '../etc'],
        ['p', 'fifo', '', ''],
        ['old/', 'directory', '', ''],
        ['long/way/tail', 'file', 'x', ''],
      ],
    );
    assert.is(members[0].mode, 0o1777);
    assert.is(members[1].uid, 0o1750);
    assert.is(members[1].gid, 0o1751);
    assert.equal(members[1].mtime, { sec: 100, nsec: 0 });
    assert.is(members[1].position, 1024);
  }
});

test('devices carry their numbers', async () => {
  const block = header({ name: 'null', type: '3' });
  block.write('0000001\0', 329);
  block.write('0000003\0', 337);
  const [member] = await read(Buffer.concat([seal(block), END]));
  assert.equal([member.type, member.major, member.minor], ['character', 1, 3]);
});

test('long names: GNU, pax, and what the global header says', async () => {
  const long = `${'x'.repeat(90)}/`.repeat(3);
  const members = await read(
    Buffer.concat([
      extension('g', record('uid', '7') + record('mtime', '12.5')),
      extension('L', `${long}gnu\0`),
      extension('K', `${long}target\0`),
      header({ name: 'cut', type: '2', link: 'cut' }),
      extension('x', record('path', `${long}pax`) + record('gid', '2000000') + record('mtime', '-1.25')),
      header({}),
      header({ name: 'plain' }),
      END,
    ]),
  );
  assert.is(members[0].name, `${long}gnu`);
  assert.is(members[0].linkName, `${long}target`);
  assert.is(members[1].name, `${long}pax`);
  assert.equal([members[1].uid, members[1].gid], [7, 2_000_000]);
  assert.equal(members[1].mtime, { sec: -2, nsec: 750_000_000 });
  assert.is(members[2].name, 'plain', 'overrides are for one member');
  assert.equal(members[2].mtime, { sec: 12, nsec: 500_000_000 });
});

test('sizes beyond octal: base 256 and pax', async () => {
  const binary = Buffer.alloc(12);
  binary[0] = 0x80;
  binary.writeUInt32BE(3, 8);
  const block = header({});
  binary.copy(block, 124);
  const members = await read(
    Buffer.concat([seal(block), data('abc'), extension('x', record('size', '4')), header({}), data('four'), END]),
  );
  assert.equal(
    members.map((m) => m.data),
    ['abc', 'four'],
  );
});

test('names are bytes', async () => {
  const [member] = await read(Buffer.concat([header({ name: 'caf\xe9\xff' }), END]));
  assert.is(member.name, 'caf\xe9\xff');
});

test('an archive may lack its end, and the padding of its last member', async () => {
  assert.is((await read(header({}))).length, 1);
  assert.is((await read(Buffer.concat([header({ size: octal(3) }), Buffer.from('abc')])))[0].data, 'abc');
  assert.is((await read(Buffer.concat([header({}), END, Buffer.from('garbage')]))).length, 1);
});

test('what is no archive, or damaged, is said', async () => {
  await fails(Buffer.alloc(0), /empty/);
  await fails(Buffer.from('hello'), /^not a tar archive$/);
  await fails(Buffer.alloc(2048, 'x'), /^not a tar archive$/);
  await fails(Buffer.concat([header({}), header({}).fill('y', 0, 3)]), /bad header at byte 512/);
  await fails(Buffer.concat([header({}), header({}).subarray(0, 100)]), /truncated/);
  const cut = Buffer.concat([header({ size: octal(2000) }), Buffer.alloc(600)]);
  const input = new StreamInput(chunked(cut, 512), LIMIT);
  try {
    for await (const _ of tarMembers(input));
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, /truncated/);
  }
  await fails(header({ size: 'nonsense  \0' }), /size of 'f' is no octal number/);
  const negative = header({});
  negative.fill(0xff, 124, 136);
  await fails(seal(negative), /negative/);
  const huge = header({});
  huge.fill(0xff, 125, 136);
  huge[124] = 0x80;
  await fails(seal(huge), /out of range/);
});

test('what is not supported is said', async () => {
  await fails(header({ type: 'S' }), /sparse/);
  await fails(header({ type: 'M' }), /several volumes/);
  await fails(Buffer.concat([extension('x', record('GNU.sparse.major', '1')), header({})]), /sparse/);
  assert.equal(await read(Buffer.concat([header({ type: 'V' }), END])), [], 'a volume label is no member');
});

test('hostile extensions are bounded', async () => {
  await fails(header({ type: 'L', size: octal(1 << 30) }), /a header of 1073741824 bytes/);
  await fails(Buffer.concat([extension('x', '99999 path=x\n')]), /malformed pax/);
  await fails(Buffer.concat([extension('x', '0 path=x\n')]), /malformed pax/);
  await fails(Buffer.concat([extension('x', 'x')]), /malformed pax/);
  await fails(Buffer.concat([extension('x', record('size', '-5')), header({})]), /pax size is '-5'/);
  await fails(Buffer.concat([header({ size: octal(5000) }), Buffer.alloc(5120)]), /more than 0 MiB/, 2000);
});

test('what tar-stream packs is what comes out', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          name: fc.stringMatching(/^[a-z]{1,60}(\/[a-z]{1,60}){0,4}$/),
          content: fc.string({ maxLength: 1500, unit: 'binary-ascii' }),
          mode: fc.integer({ min: 1, max: 0o7777 }),
          uid: fc.integer({ min: 0, max: 0o777777 }),
          seconds: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
        }),
        { maxLength: 5 },
      ),
      fc.integer({ min: 1, max: 3000 }),
      async (files, size) => {
        const packed = pack();
        for (const { name, content, mode, uid, seconds } of files) {
          packed.entry({ name, mode, uid, mtime: new Date(seconds * 1000) }, content);
        }
        packed.finalize();
        const parts: Buffer[] = [];
        for await (const part of packed) parts.push(part as Buffer);
        const members = await read(Buffer.concat(parts), size);
        assert.equal(
          members.map(({ name, data, mode, uid, mtime }) => ({ name, data, mode, uid, seconds: mtime.sec })),
          files.map(({ name, content, mode, uid, seconds }) => ({ name, data: content, mode, uid, seconds })),
        );
      },
    ),
    { numRuns: 40 },
  );
});

test('no bytes whatever make it fail otherwise than by a TarError, or run on', async () => {
  const good = Buffer.concat([
    extension('x', record('path', 'a/b')),
    header({ size: octal(600) }),
    data('z'.repeat(600)),
    header({ name: 'd', type: '5' }),
    END,
  ]);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      fc.nat(good.length),
      async (changes, resealed, length) => {
        const bad = Buffer.from(good);
        for (const [at, value] of changes) bad[at] = value;
        if (resealed) for (const at of [0, 1024, 2560]) seal(bad.subarray(at, at + 512));
        try {
          await read(bad.subarray(0, length), 512, 1 << 20);
        } catch (error) {
          assert.instance(error, TarError, (error as Error).stack);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test.run();
