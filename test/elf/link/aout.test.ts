/** a.out objects: the same driver as in ELF, and every field that can be wrong. What they do runs in native.test.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  EX_DYNAMIC,
  EX_PIC,
  EXEC,
  EXEC_SIZE,
  MID_X86_64,
  N_EXT,
  N_INDR,
  N_STAB,
  N_TEXT,
  NLIST,
  NLIST_SIZE,
  NMAGIC,
  OMAGIC,
  R_COPY,
  ZMAGIC,
} from '../../../abi/aout.js';
import { STB_WEAK, STT_FUNC } from '../../../abi/elf.js';
import { EINVAL, ENOENT, ENOEXEC, ENOSYS, EOPNOTSUPP } from '../../../abi/errno.js';
import { viewOf } from '../../../elf/fields.js';
import { readDriver, readExports, readModuleInfo, readParameters, readVersions } from '../../../elf/link/metadata.js';
import { parseObject } from '../../../elf/link/parse.js';
import { aoutOf } from '../../support/aout.js';
import {
  combine,
  compile,
  compileText,
  KERNEL,
  linked,
  parsed,
  read,
  refused,
  symbolOf,
  tryLink,
  whyNoCompiler,
} from './support.js';

const HOST = { banos_dprintln: -0x7f000000 };
const converted = (text: string, flags = KERNEL, language = 'c'): Uint8Array =>
  aoutOf(parsed(compileText(text, flags, language)));

/** A copy with one field of the header changed. */
function patched(image: Uint8Array, field: number, value: bigint): Uint8Array {
  const copy = Uint8Array.from(image);
  viewOf(copy).setBigUint64(field, value, true);
  return copy;
}

const withMagic = (image: Uint8Array, midmag: number): Uint8Array => {
  const copy = Uint8Array.from(image);
  viewOf(copy).setUint32(EXEC.midmag, midmag);
  return copy;
};

/** File offsets of the parts behind the header. */
function offsetsOf(image: Uint8Array): { relocations: number; symbols: number; strings: number } {
  const view = viewOf(image);
  const size = (field: number): number => Number(view.getBigUint64(field, true));
  const relocations = EXEC_SIZE + size(EXEC.text) + size(EXEC.data);
  const symbols = relocations + size(EXEC.trsize) + size(EXEC.drsize);
  return { relocations, symbols, strings: symbols + size(EXEC.syms) };
}

function testAout(): void {
  const driver = aoutOf(parsed(read(compile('driver.c', KERNEL))));

  test('a driver says of itself what it says in ELF', () => {
    const object = linked(driver, HOST);
    const elf = linked(read(compile('driver.c', KERNEL)), HOST);
    const [ours, theirs] = [object, elf].map((module) => {
      const record = readDriver(module);
      const exported = readExports(module);
      const parameters = readParameters(module);
      assert.ok('init' in record && Array.isArray(exported) && Array.isArray(parameters));
      const nameAt = (address: number): string | undefined =>
        module.symbols.find((symbol) => symbol.address === address && symbol.size > 0)?.name;
      return {
        record: {
          ...record,
          address: nameAt(record.address),
          init: nameAt(record.init),
          uninit: nameAt(record.uninit),
        },
        exported: exported.map(({ name, address }) => [name, nameAt(address)]),
        parameters: parameters.map((parameter) => ({
          ...parameter,
          address: nameAt(parameter.address),
          given: nameAt(parameter.given),
        })),
      };
    });
    assert.equal(ours, theirs);
    assert.equal(ours!.record.init, 'start');
    const [texts, elfTexts] = [driver, read(compile('driver.c', KERNEL))].map((image) => [
      readModuleInfo(parsed(image)),
      readVersions(parsed(image)),
    ]);
    assert.equal(texts, elfTexts);
  });

  test('sections, and symbols with sizes and bindings', () => {
    const object = linked(
      converted('__attribute__((weak)) int f(void) { return 1; } int big[100]; static int v = 3; int *p = &v;'),
    );
    assert.equal(
      object.sections.map(({ name }) => name),
      ['.text', '.data', '.bss'],
    );
    const f = object.symbols.find(({ name }) => name === 'f')!;
    assert.equal([f.type, f.binding, f.section, f.size > 0], [STT_FUNC, STB_WEAK, '.text', true]);
    const big = object.symbols.find(({ name }) => name === 'big')!;
    assert.equal([big.size, big.section, big.address % 32], [400, 'COMMON', -0]);
  });

  test('two objects of ld -r, and a name that nobody has', () => {
    const both = combine([compile('sample.c', KERNEL), compile('second.c', KERNEL)]);
    assert.equal(refused(tryLink(aoutOf(parsed(read(both))))), {
      errno: -ENOENT,
      reason: 'unknown symbols host_line, host_number',
    });
  });

  test('an overflow is named as in ELF', () => {
    const { errno, reason } = refused(
      tryLink(converted('extern int x; long f(void) { return (long)&x; }'), { x: 2 ** 33 }),
    );
    assert.is(errno, -ENOEXEC);
    assert.match(reason, /^\.text\+0x\w+: R_X86_64_32S against symbol x: 0x200000000 does not fit 32 bits/);
  });

  test('machine, magic number, flags', () => {
    const of = (midmag: number): { errno: number; reason: string } => refused(parseObject(withMagic(driver, midmag)));
    assert.equal(of((134 << 16) | OMAGIC), {
      errno: -EOPNOTSUPP,
      reason: 'bad a.out file: machine 134 is not MID_X86_64',
    });
    for (const midmag of [
      (MID_X86_64 << 16) | ZMAGIC,
      (MID_X86_64 << 16) | NMAGIC,
      (EX_DYNAMIC << 26) | (MID_X86_64 << 16) | OMAGIC,
    ]) {
      assert.is(of(midmag).reason, 'bad a.out file: a program or a shared object, no relocatable object');
    }
    assert.match(of(0x12345678).reason, /neither an ELF nor an a\.out object$/);
    assert.ok('sections' in parsed(withMagic(driver, (EX_PIC << 26) | (MID_X86_64 << 16) | OMAGIC)));
  });

  test('sizes that are not possible', () => {
    for (const field of [EXEC.text, EXEC.data, EXEC.syms, EXEC.trsize, EXEC.drsize]) {
      for (const value of [0xffffffffffffffe8n, 24n * 2n ** 40n, BigInt(24 * driver.length)]) {
        const { errno, reason } = refused(tryLink(patched(driver, field, value), HOST));
        assert.is(errno, -EINVAL);
        assert.match(reason, /^bad a\.out file: /);
      }
    }
    assert.match(refused(parseObject(patched(driver, EXEC.syms, 25n))).reason, /a_syms 25 is not a multiple of 24$/);
    assert.match(refused(parseObject(patched(driver, EXEC.drsize, 9n))).reason, /a_drsize 9 is not a multiple of 8$/);
    assert.match(refused(tryLink(patched(driver, EXEC.bss, 2n ** 40n), HOST)).reason, /^needs \d+ bytes of memory/);
    const { strings } = offsetsOf(driver);
    assert.match(refused(parseObject(driver.subarray(0, strings))).reason, /no string table of 0 bytes$/);
    assert.match(refused(parseObject(patched(driver, strings, 2n ** 62n))).reason, /no string table of \d+ bytes$/);
  });

  test('symbols that are not possible', () => {
    const image = converted('int f(void) { return 1; }');
    const { symbols } = offsetsOf(image);
    const count = (offsetsOf(image).strings - symbols) / NLIST_SIZE;
    const at = Array.from({ length: count }, (_, i) => symbols + i * NLIST_SIZE).find(
      (entry) => image[entry + NLIST.type] === (N_TEXT | N_EXT),
    )!;
    const change = (write: (view: DataView) => void): Uint8Array => {
      const copy = Uint8Array.from(image);
      write(new DataView(copy.buffer, at, NLIST_SIZE));
      return copy;
    };
    const indirect = refused(parseObject(change((view) => view.setUint8(NLIST.type, N_INDR))));
    assert.equal(indirect, { errno: -ENOEXEC, reason: 'symbol f: type 0xa is not supported' });
    assert.match(
      refused(parseObject(change((view) => view.setBigUint64(NLIST.value, 4096n, true)))).reason,
      /symbol f: 0x1000 lies outside of \.text$/,
    );
    assert.match(
      refused(parseObject(change((view) => view.setBigUint64(NLIST.strx, 7n, true)))).reason,
      /its name lies outside of the string table$/,
    );
    const debuggers = linked(change((view) => view.setUint8(NLIST.type, N_STAB)));
    assert.not.ok(debuggers.symbols.some(({ name }) => name === 'f'));
  });

  test('relocations that are not possible', () => {
    const image = converted('extern int g(void); int f(void) { return g() + 1; }');
    const { relocations } = offsetsOf(image);
    const change = (address: number, bits?: number): { errno: number; reason: string } => {
      const copy = Uint8Array.from(image);
      const view = new DataView(copy.buffer, relocations, 8);
      view.setInt32(0, address, true);
      if (bits !== undefined) view.setInt32(4, bits, true);
      return refused(tryLink(copy, { g: -0x1000 }));
    };
    assert.match(change(0x100000).reason, /^bad a\.out file: \.text\+0x100000: relocation outside of its section$/);
    assert.match(change(-1).reason, /\.text\+0xffffffff: relocation outside/);
    assert.is(change(0, R_COPY).errno, -ENOSYS);
    assert.match(change(0, R_COPY).reason, /^\.text\+0x0: unknown kind of a\.out relocation 0x80$/);
    assert.match(change(0, 0x0dffffff).reason, /\.text\+0x0: no symbol 16777215$/);
    assert.match(change(0, 0x04000000).reason, /\.text\+0x0: no section 0x0$/);
  });

  test('marks of a part that make no range', () => {
    const of = (text: string): string => refused(parseObject(converted(text, [], 's'))).reason;
    const reason = 'bad a.out file: __start_.part and __stop_.part are no range';
    assert.is(of('.data\n"__start_.part": .quad 1\n'), reason);
    assert.is(of('.data\n"__stop_.part": .quad 1\n"__start_.part": .quad 1\n'), reason);
    assert.is(of('.text\n"__start_.part": .quad 1\n.data\n"__stop_.part": .quad 1\n'), reason);
    const object = linked(converted('.data\n.quad 1\n"__start_.part": .quad 1\n"__stop_.part": .quad 1\n', [], 's'));
    const part = object.sections.find(({ name }) => name === '.part')!;
    assert.equal([part.size, part.address], [8, symbolOf(object, '__start_.part')]);
  });
}

if (whyNoCompiler !== undefined) console.log(`SKIP elf/link/aout: ${whyNoCompiler}`);
else testAout();

test.run();
