/** Loading programs: outcomes, all-or-nothing on every failing allocation, scripts, argument limits. Needs no host. */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ET_DYN, PF_R, PF_X, PT_GNU_STACK, PT_INTERP } from '../../abi/elf.js';
import { E2BIG, EACCES, EFAULT, EIO, ELIBBAD, ELOOP, ENOENT, ENOEXEC, ENOMEM, fail, isErr } from '../../abi/errno.js';
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_EXEC, PROT_READ, PROT_WRITE } from '../../abi/mman.js';
import { RLIMIT_AS, RLIMIT_STACK } from '../../abi/resource.js';
import { readStringVector } from '../../kernel-core/exec/arguments.js';
import { EXEC_FATAL, type LoadedProgram, type LoadRequest, loadProgram } from '../../kernel-core/exec/load-program.js';
import { DEFAULT_LIMITS } from '../../kernel-core/mm/limits.js';
import { makeWorld, ok, PAGE, type TestFile, UnmappableFile, type World } from '../mm/support.js';
import { buildElf, type Piece, plainPieces } from './support.js';

const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'));

const plain = buildElf({ entry: 0x400100, pieces: plainPieces });
const low = plainPieces.map((piece) => ({ ...piece, vaddr: piece.vaddr - 0x400000 }));
const pie = buildElf({ type: ET_DYN, entry: 0x100, pieces: low });

/** A position-independent program that names `path` as its interpreter. */
function dynamic(path: string): Uint8Array {
  const name = latin1(`${path}\0`);
  const at = 0x1300;
  const piece: Piece = { type: PT_INTERP, flags: PF_R, offset: at, vaddr: at, filesz: name.length, memsz: name.length };
  const bytes = buildElf({ type: ET_DYN, entry: 0x100, pieces: [...low, piece], length: at + name.length });
  bytes.set(name, at);
  return bytes;
}

/** A world with files by name, of which the first is run. */
interface Stage {
  readonly world: World;
  readonly request: LoadRequest;
}

function stage(files: Record<string, Uint8Array>, changes: Partial<LoadRequest> = {}): Stage {
  const world = makeWorld();
  const opened = new Map<string, TestFile>();
  for (const [name, content] of Object.entries(files)) opened.set(name, world.file(content, 0));
  const [name] = Object.keys(files) as [string];
  const request: LoadRequest = {
    memory: world.memory,
    limits: DEFAULT_LIMITS,
    file: opened.get(name)!,
    name,
    argv: [name, 'argument'],
    envp: ['HOME=/'],
    processor: { hwcap: 1, hwcap2: 0, minSignalStack: 2048 },
    random: new Uint8Array(16).fill(7),
    vdso: null,
    open: (path) => opened.get(path)?.ref() ?? fail(ENOENT),
    programOf: () => null,
    identify: () => ({ uid: 1, euid: 2, gid: 3, egid: 4, secure: true }),
    ...changes,
  };
  return { world, request };
}

/** Runs it, looks at the result, and checks that nothing is left. */
function run(files: Record<string, Uint8Array>, changes: Partial<LoadRequest> = {}, look?: (p: LoadedProgram) => void) {
  const { world, request } = stage(files, changes);
  const loaded = loadProgram(request);
  if (!isErr(loaded)) {
    look?.(loaded);
    loaded.space.unref();
  }
  world.assertIdle();
  return isErr(loaded) ? loaded : 0;
}

/** argv as the program finds it. */
function argumentsOf({ space, stackPointer }: LoadedProgram): string[] {
  const count = space.readU64(stackPointer);
  return Array.from({ length: count }, (_, i) =>
    ok(space.readCString(space.readU64(stackPointer + 8 + i * 8), 300000)),
  );
}

test('a static program: segments, zeroed bss, break, figures', () => {
  const result = run({ '/bin/x': plain.map((b, i) => (i >= 0x1100 ? 0xaa : b)) }, {}, ({ space, entry }) => {
    assert.is(entry, 0x400100);
    assert.is(space.readU8(0x402100), 0xaa);
    assert.is(space.readU8(0x4022ff), 0xaa);
    assert.is(space.readU64(0x402300), 0); // the file goes on, the segment does not
    assert.is(space.readU8(0x404fff), 0);
    assert.is(space.program.startBreak, 0x406000);
    assert.is(space.brk(0x407000), 0x407000);
    assert.is(space.program.startCode, 0x400000);
    assert.is(space.program.endCode, 0x401100);
    assert.is(space.program.endData, 0x402300);
    assert.is(space.executable?.refs, 4);
    assert.is(ok(space.readCString(space.program.argStart, 100)), '/bin/x');
    assert.is(space.program.envEnd - space.program.envStart, 'HOME=/'.length + 1);
    assert.is(space.auxv.length % 16, 0);
  });
  assert.is(result, 0);
});

test('an interpreter is loaded beside the program and started first', () => {
  run({ '/bin/x': dynamic('/lib/ld'), '/lib/ld': pie }, {}, ({ space, entry }) => {
    const base = entry - 0x100;
    assert.ok(base > 0x7f0000000000);
    assert.is(space.readU32(base), 0x464c457f);
    assert.is(space.readU32(0x555555554000), 0x464c457f);
    const auxv = new DataView(space.auxv.buffer);
    const value = (tag: number): number => {
      for (let at = 0; at < auxv.byteLength; at += 16) {
        if (auxv.getUint32(at, true) === tag) return Number(auxv.getBigUint64(at + 8, true));
      }
      return -1;
    };
    assert.is(value(7), base); // AT_BASE
    assert.is(value(9), 0x555555554100); // AT_ENTRY
    assert.is(value(3), 0x555555554040); // AT_PHDR
    assert.equal([11, 12, 13, 14, 23].map(value), [1, 2, 3, 4, 1]);
    assert.is(ok(space.readCString(value(15), 10)), 'x86_64');
    assert.is(space.readU8(value(25)), 7);
  });
});

test('PT_GNU_STACK decides whether the stack may be executed', () => {
  for (const [flags, wanted] of [
    [PF_R | PF_X, PROT_EXEC],
    [PF_R, 0],
  ] as const) {
    const stack: Piece = { type: PT_GNU_STACK, flags, offset: 0, vaddr: 0, filesz: 0, memsz: 0 };
    run({ x: buildElf({ entry: 0x400100, pieces: [...plainPieces, stack] }) }, {}, ({ space }) => {
      const top = space.vmas()[space.vmas().length - 1]!;
      assert.is(top.prot, PROT_READ | PROT_WRITE | wanted);
      assert.is(top.end, 0x7ffffffff000);
    });
  }
});

test('refusals', () => {
  assert.is(run({ x: latin1('plain text') }), -ENOEXEC);
  assert.is(run({ x: new Uint8Array(0) }), -ENOEXEC);
  assert.is(run({ x: plain.slice(0, 100) }), -ENOEXEC);
  assert.is(run({ x: dynamic('/missing') }), -ENOENT);
  assert.is(run({ x: dynamic('') }), -ENOEXEC);
  assert.is(run({ x: dynamic('ld'), ld: latin1('text'.repeat(30)) }), -ELIBBAD);
  assert.is(run({ x: dynamic('ld'), ld: plain.slice(0, 30) }), -EIO);
  assert.is(run({ x: dynamic('ld'), ld: plain.slice(0, 80) }), -ELIBBAD);
  assert.is(run({ x: buildElf({ entry: -1 >>> 0, pieces: [{ ...plainPieces[0]!, memsz: 1 }] }) }), EXEC_FATAL);
  const { world, request } = stage({ x: plain });
  const pipe = new UnmappableFile(request.file.inode, 0);
  assert.is(loadProgram({ ...request, file: pipe }), -ENOEXEC);
  world.assertIdle();
  const unreadable = {
    ...request,
    file: Object.assign(new UnmappableFile(request.file.inode, 0), { read: () => fail(EIO) }),
  };
  assert.is(loadProgram(unreadable), -EIO);
});

test('scripts put their interpreter and argument before the arguments', () => {
  const files = { '/s': latin1('#! /t  -x  y \nrest'), '/t': latin1('#!/bin/x'), '/bin/x': plain };
  run({ ...files, '/t': latin1('#!/bin/x\n') }, { argv: ['zero', 'one'] }, (program) => {
    assert.equal(argumentsOf(program), ['/bin/x', '/t', '-x  y', '/s', 'one']);
  });
  run({ '/s': latin1('#!/bin/x\n'), '/bin/x': plain }, { argv: [] }, (program) => {
    assert.equal(argumentsOf(program), ['/bin/x', '/s']);
  });
  assert.is(run(files), 0); // a short file needs no newline
  assert.is(run({ s: latin1(`#!/${'x'.repeat(300)}`) }), -ENOEXEC); // the name may be cut off
  assert.is(run({ s: latin1('#!\n') }), -ENOEXEC);
  assert.is(run({ s: latin1('#!nothing\n') }), -ENOENT);
  assert.is(run({ s: latin1('#!\0\n') }), -EACCES);
  assert.is(run({ s: latin1('#!s\n') }), -ELOOP);
});

test('arguments: empty argv, one string, all strings, stack limit', () => {
  run({ x: plain }, { argv: [], envp: [] }, (program) => assert.equal(argumentsOf(program), ['']));
  const long = (bytes: number): string => 'a'.repeat(bytes - 1);
  assert.is(run({ x: plain }, { argv: [long(131072)] }), 0);
  assert.is(run({ x: plain }, { argv: [long(131073)] }), -E2BIG);
  const limits = { limit: (r: number) => (r === RLIMIT_STACK ? 2 ** 20 : Number.POSITIVE_INFINITY) };
  const quarter = 2 ** 18;
  const fit = (slack: number): string[] => {
    const strings = [long(100000), long(100000)];
    return [...strings, long(quarter - 200000 - 2 - 3 * 8 - slack)];
  };
  assert.is(run({ x: plain }, { limits, argv: fit(1), envp: [] }), 0);
  assert.is(run({ x: plain }, { limits, argv: fit(0), envp: [] }), -E2BIG);
  assert.is(run({ s: latin1(`#!x ${long(150)}\n`), x: plain }, { limits, argv: fit(20), envp: [] }), 0);
  assert.is(
    run({ s: latin1(`#!x ${long(150)}\n`), x: plain }, { limits, argv: [long(10), ...fit(20)], envp: [] }),
    -E2BIG,
  );
});

test('a program that the limits do not let in ends like one that the kernel cannot load', () => {
  const limits = { limit: (r: number) => (r === RLIMIT_AS ? 100 * PAGE : r === RLIMIT_STACK ? 2 ** 23 : Infinity) };
  assert.is(run({ x: plain }, { limits }), 0);
  const big = plainPieces.map((piece, i) => (i === 0 ? piece : { ...piece, memsz: 0x80000 }));
  assert.is(run({ x: buildElf({ entry: 0x400100, pieces: big }) }, { limits }), EXEC_FATAL);
});

test('whichever allocation fails, the answer is an errno and nothing is lost', () => {
  const files = { s: latin1('#!x arg\n'), x: dynamic('ld'), ld: pie };
  const { world, request } = stage(files, { argv: Array.from({ length: 3000 }, (_, i) => `argument ${i}`) });
  let isDone = false;
  for (let allowance = 0; !isDone; allowance++) {
    assert.ok(allowance < 200);
    world.memory.allowance = allowance;
    const loaded = loadProgram(request);
    isDone = !isErr(loaded);
    if (isErr(loaded)) assert.is(loaded, -ENOMEM, `with ${allowance} frames`);
    else loaded.space.unref();
    request.file.inode.evict();
    for (const name of ['x', 'ld']) (request.open(name) as TestFile).inode.evict();
    for (const name of ['x', 'ld']) (request.open(name) as TestFile).refs -= 2;
    assert.is(world.memory.usedFrames, 0, `frames left with ${allowance}`);
  }
  world.assertIdle();
});

test('no sequence of bytes makes loading throw or leak', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .tuple(fc.constantFrom(plain, pie, dynamic('ld')), fc.array(fc.tuple(fc.nat(300), fc.nat(255)), { maxLength: 6 }))
      .map(([base, changes]) => {
        const copy = Uint8Array.from(base);
        for (const [at, value] of changes) copy[at] = value;
        return copy;
      }),
    fc.string({ maxLength: 300 }).map((text) => latin1(`#!${text}`)),
  );
  fc.assert(
    fc.property(bytes, bytes, (x, ld) => {
      const result = run({ x, ld });
      assert.type(result, 'number');
    }),
    { numRuns: 400, seed: 5 },
  );
});

test('argument vectors of the old program', () => {
  const world = makeWorld();
  const space = world.space();
  const at = ok(space.map(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, null, 0));
  const set = (index: number, value: number): void => void ok(space.writeU64(at + index * 8, value));
  ok(space.write(at + PAGE, latin1('one\0\0three\0')));
  set(0, at + PAGE);
  set(1, at + PAGE + 4);
  set(2, at + PAGE + 5);
  assert.equal(readStringVector(space, at), ['one', '', 'three']);
  assert.equal(readStringVector(space, 0), []);
  set(2, 12);
  assert.is(readStringVector(space, at), -EFAULT);
  assert.is(readStringVector(space, at + 4 * PAGE - 4), -EFAULT);
  assert.is(readStringVector(space, -8), -EFAULT);
  const long = ok(space.map(0, 40 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, null, 0));
  ok(space.write(long, new Uint8Array(131071).fill(65)));
  set(0, long);
  set(1, 0);
  assert.is((readStringVector(space, at) as string[])[0]?.length, 131071);
  ok(space.writeU8(long + 131071, 65));
  assert.is(readStringVector(space, at), -E2BIG);
  ok(space.writeU8(long + 131071, 0));
  for (let i = 0; i < 100; i++) set(i, long);
  set(100, 0);
  assert.is(readStringVector(space, at), -E2BIG);
  space.unref();
  world.assertIdle();
});

test.run();
