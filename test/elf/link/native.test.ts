/**
 * Linked objects run on the real processor, in a program that maps their segments where they were linked for: what they
 * print is what gcc's own program of the same sources prints. Near the host's functions, and so far from them that only
 * stubs and the global offset table reach.
 */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LinkedObject } from '../../../elf/link/link.js';
import { aoutOf } from '../../support/aout.js';
import {
  combine,
  compile,
  directory,
  fileOf,
  linked,
  MODELS,
  type Names,
  parsed,
  read,
  run,
  sourcePath,
  symbolOf,
  whyNoCompiler,
} from './support.js';

const NEAR = 0x1000_0000;
const FAR = 0x5000_0000_0000;
/** As drivers may be compiled. Position-independent code is clang's default. */
const CLANG_MODELS: Readonly<Record<string, readonly string[]>> = {
  'default, PIC': [],
  PIC: ['-fPIC'],
  'PIC without PLT': ['-fPIC', '-fno-plt'],
  kernel: ['-fno-pic', '-mcmodel=kernel'],
  large: ['-fno-pic', '-mcmodel=large'],
  'large PIC': ['-fPIC', '-mcmodel=large'],
};
const PROTECTION = { rodata: 1, data: 3, text: 5 } as const;

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  for (const [i, value] of values.entries()) bytes.writeBigInt64LE(BigInt(value), 8 * i);
  return bytes;
}

/** As host.c reads it. */
function fileFor(object: LinkedObject, entry: string, values: readonly number[]): string {
  const segments = (['text', 'rodata', 'data'] as const)
    .map((name) => ({ ...object.segments[name], protection: PROTECTION[name] }))
    .filter(({ size }) => size > 0);
  const head = [
    segments.length,
    ...segments.flatMap(({ address, size, protection, bytes }) => [address, size, protection, bytes.length]),
    object.constructors.length,
    ...object.constructors,
    symbolOf(object, entry),
    values.length,
    ...values,
  ];
  return fileOf(Buffer.concat([words(head), ...segments.map(({ bytes }) => bytes)]));
}

function testNative(): void {
  const host = `${directory}/host`;
  run('gcc', ['-O1', '-static', '-no-pie', '-w', '-o', host, sourcePath('host.c')]);
  const names: Record<string, number> = {};
  for (const line of run('nm', [host]).split('\n')) {
    const match = /^(\w+) . (host_\w+)$/.exec(line);
    if (match !== null) names[match[2]!] = Number.parseInt(match[1]!, 16);
  }

  const answers = (image: Uint8Array, base: number, entry: string, values: readonly number[], known: Names): string => {
    const { status, signal, stdout } = spawnSync(host, [fileFor(linked(image, known, base), entry, values)], {
      encoding: 'latin1',
    });
    assert.equal({ status, signal }, { status: 0, signal: null });
    return stdout;
  };

  /** gcc's own linking, of the same program with the same host functions. */
  const expectedOf = (command: string, objects: readonly string[]): string => {
    const program = `${directory}/expected`;
    const main = fileOf(
      '#include <stdio.h>\nlong host_number = 1000; void host_line(const char *t, long n) { printf("%s %ld\\n", t, n); }' +
        'extern long sample_main(void); int main(void) { printf("answer %ld\\n", sample_main()); return 0; }',
      'c',
    );
    run('gcc', ['-c', '-o', `${main}.o`, main]);
    run(command, ['-o', program, `${main}.o`, ...objects]);
    return run(program, []);
  };
  const expected = expectedOf(
    'gcc',
    ['sample.c', 'second.c'].map((source) => compile(source)),
  );

  test('gcc’s program says something', () => {
    assert.match(expected, /^choose 5\nchoose 42\n/);
    assert.match(expected, /by pointer 42\nanswer 42\n$/);
  });

  for (const [model, flags] of Object.entries(MODELS)) {
    const both = combine(['sample.c', 'second.c'].map((source) => compile(source, flags)));

    test(`two objects, near: ${model}`, () => {
      assert.is(answers(read(both), NEAR, 'sample_main', [0], names), expected);
    });

    // Data of others is reached by its address, or through the table.
    if (/PIC|large/.test(model)) {
      test(`two objects, far: ${model}`, () => {
        assert.is(answers(read(both), FAR, 'sample_main', [0], names), expected);
      });
    }

    // The large and medium models use what a.out has no word for.
    if (!/large|medium/.test(model)) {
      test(`as an a.out object: ${model}`, () => {
        assert.is(answers(aoutOf(parsed(read(both))), NEAR, 'sample_main', [0], names), expected);
      });
    }
  }

  for (const flags of [
    ['-O0', '-g'],
    ['-Os', '-gz'],
    ['-O3'],
    ['-O2', '-fcf-protection', '-fstack-clash-protection'],
  ]) {
    test(`two objects by gcc ${flags.join(' ')}, whole and stripped`, () => {
      const both = combine(['sample.c', 'second.c'].map((source) => compile(source, flags)));
      assert.is(answers(read(both), NEAR, 'sample_main', [0], names), expected);
      for (const how of ['--strip-debug', '--strip-unneeded']) {
        run('strip', [how, '-o', `${both}.stripped`, both]);
        assert.is(answers(read(`${both}.stripped`), NEAR, 'sample_main', [0], names), expected);
      }
    });
  }

  if (spawnSync('g++', ['--version']).status !== 0) console.log('SKIP elf/link/native, C++: g++ is not installed');
  else {
    test('two C++ objects that share functions, tables and variables', () => {
      const [first, second] = [[], ['-DSECOND']].map((flags, i) => {
        const path = `${directory}/templates${i}.o`;
        const plain = ['-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics'];
        run('g++', ['-O1', ...plain, ...flags, '-c', '-o', path, sourcePath('templates.cc')]);
        return path;
      }) as [string, string];
      const spoken = expectedOf('g++', [first, second]);
      assert.match(spoken, /constructed 104\nconstructed 205\nvirtual 11\nsecond 14\nanswer 108\n$/);
      assert.is(answers(read(combine([first, second])), NEAR, 'sample_main', [0], names), spoken);
    });
  }

  if (spawnSync('clang', ['--version']).status !== 0) {
    console.log('SKIP elf/link/native, objects of clang: it is not installed');
  } else {
    for (const [model, flags] of Object.entries(CLANG_MODELS)) {
      const places = /large|PIC/.test(model) ? [NEAR, FAR] : [NEAR];
      test(`two objects by clang, ${model}`, () => {
        for (const how of [['-O2'], ['-O0', '-g'], ['-Oz', '-ffunction-sections', '-fdata-sections']]) {
          const objects = ['sample.c', 'second.c'].map((source) => {
            const path = `${directory}/clang-${source}.o`;
            run('clang', [...how, ...flags, '-ffreestanding', '-fcommon', '-w', '-c', '-o', path, sourcePath(source)]);
            return path;
          });
          for (const base of places) {
            assert.is(answers(read(combine(objects)), base, 'sample_main', [0], names), expected, how.join(' '));
          }
        }
      });
    }
  }

  if (spawnSync('tcc', ['-v']).status !== 0) console.log('SKIP elf/link/native, objects of tcc: it is not installed');
  else {
    test('two objects by tcc, near and far', () => {
      const both = combine(
        ['sample.c', 'second.c'].map((source) => {
          run('tcc', ['-fcommon', '-w', '-c', '-o', `${directory}/tcc-${source}.o`, sourcePath(source)]);
          return `${directory}/tcc-${source}.o`;
        }),
      );
      for (const base of [NEAR, FAR]) assert.is(answers(read(both), base, 'sample_main', [0], names), expected);
    });
  }

  const WAYS = [1000, 7, 7, 1, 99, 1000, 7, 7, 99, 1000, 1000, -1];
  const spoken = WAYS.map((answer) => `answer ${answer}\n`).join('');

  test('every way by the global offset table, near: instructions are replaced', () => {
    assert.is(answers(read(compile('got.s')), NEAR, 'got_main', [...WAYS.keys()], names), spoken);
  });

  test('every way by the global offset table, far: nothing is replaced, calls go through a stub', () => {
    const image = read(compile('got.s', ['-Wa,--defsym,far=1']));
    assert.is(answers(image, FAR, 'got_main', [...WAYS.keys()], names), spoken);
  });
}

if (whyNoCompiler !== undefined) console.log(`SKIP elf/link/native: ${whyNoCompiler}`);
else testNative();

test.run();
