/**
 * Core files, opened by stock gdb. The host's kernel is the oracle for a program's: what gdb says of its file, it says of
 * ours with the same registers and memory. For a driver's there is none: a stack at kernel addresses is built here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  NT_AUXV,
  NT_FILE,
  NT_FPREGSET,
  NT_PRPSINFO,
  NT_PRSTATUS,
  NT_SIGINFO,
  PF_R,
  PF_W,
  PF_X,
  PN_XNUM,
  PT_LOAD,
  PT_NOTE,
} from '../../abi/elf.js';
import {
  CORE_REGISTERS,
  type Core,
  type CoreFileMapping,
  type CoreMemory,
  type CoreProcess,
  type CoreRegister,
  type CoreThread,
  coreFile,
  withZeros,
} from '../../elf/core.js';
import { layOut } from '../../elf/link/layout.js';
import { type LinkedObject, link } from '../../elf/link/link.js';
import { parseObject } from '../../elf/link/parse.js';
import { type ElfFile, parseElf } from '../../elf/parse.js';

const SOURCES = [join(import.meta.dirname, 'core'), join(process.cwd(), 'test/elf/core')].find((path) =>
  existsSync(join(path, 'crash.c')),
)!;
const directory = mkdtempSync(join(tmpdir(), 'banos-core-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

function run(command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, {
    encoding: 'latin1',
    cwd: directory,
    env: { PATH: process.env['PATH'], LC_ALL: 'C' },
  });
  assert.is(result.status, 0, `${command} ${args.join(' ')}\n${result.error ?? ''}${result.stderr}`);
  return result.stdout;
}

const PROCESS: CoreProcess = {
  pid: 7,
  ppid: 1,
  pgrp: 7,
  sid: 3,
  uid: 1000,
  gid: 100,
  name: 'crash',
  command: 'crash -x',
};

const bytesOf = (core: Core): Buffer =>
  Buffer.concat([...withZeros(coreFile(core))].map((piece) => Uint8Array.from(piece)));

function fileOf(core: Core, name: string): string {
  const path = join(directory, name);
  writeFileSync(path, bytesOf(core));
  return path;
}

const gdb = (args: readonly string[], commands: readonly string[]): string =>
  run('gdb', ['-nx', '-batch', ...args, ...commands.flatMap((command) => ['-ex', command])]);

const memoryOf = (address: number, bytes: Uint8Array, flags = 'rw'): CoreMemory => ({
  address,
  size: bytes.length,
  read: flags.includes('r'),
  write: flags.includes('w'),
  execute: flags.includes('x'),
  stored: bytes.length,
  pieces: () => [bytes],
});

/** Notes of a core file, in order. */
function* notesOf(file: ElfFile): Generator<{ type: number; content: Buffer }> {
  const segment = file.segments.find(({ type }) => type === PT_NOTE)!;
  const bytes = Buffer.from(file.image.subarray(segment.offset, segment.offset + segment.filesz));
  for (let at = 0; at < bytes.length; ) {
    const nameSize = bytes.readUInt32LE(at);
    const size = bytes.readUInt32LE(at + 4);
    const begin = at + 12 + Math.ceil(nameSize / 4) * 4;
    yield { type: bytes.readUInt32LE(at + 8), content: bytes.subarray(begin, begin + size) };
    at = begin + Math.ceil(size / 4) * 4;
  }
}

function mappingsOf(note: Buffer): CoreFileMapping[] {
  const word = (index: number): number => Number(note.readBigUInt64LE(8 * index));
  const count = word(0);
  const paths = note
    .subarray(8 * (2 + 3 * count))
    .toString('latin1')
    .split('\0');
  return Array.from({ length: count }, (_, i) => {
    const at = 2 + 3 * i;
    return { begin: word(at), end: word(at + 1), offset: word(at + 2) * word(1), path: paths[i]! };
  });
}

/** What the host's file says, as our writer takes it. */
function readCore(file: ElfFile): Core {
  const threads: { -readonly [key in keyof CoreThread]: CoreThread[key] }[] = [];
  const facts: { -readonly [key in keyof CoreProcess]: CoreProcess[key] } = { ...PROCESS };
  for (const { type, content } of notesOf(file)) {
    if (type === NT_PRSTATUS) {
      const registers: Partial<Record<CoreRegister, bigint>> = {};
      for (const [i, name] of CORE_REGISTERS.entries()) registers[name] = content.readBigInt64LE(112 + 8 * i);
      threads.push({ tid: content.readInt32LE(32), signal: content.readInt16LE(12), registers });
    } else if (type === NT_FPREGSET) threads.at(-1)!.fxsave = content;
    else if (type === NT_SIGINFO) threads.at(-1)!.siginfo = content;
    else if (type === NT_AUXV) facts.auxv = content;
    else if (type === NT_FILE) facts.files = mappingsOf(content);
    else if (type === NT_PRPSINFO) {
      [facts.uid, facts.gid] = [content.readUInt32LE(16), content.readUInt32LE(20)];
      [facts.pid, facts.ppid] = [content.readInt32LE(24), content.readInt32LE(28)];
      [facts.pgrp, facts.sid] = [content.readInt32LE(32), content.readInt32LE(36)];
      [facts.name, facts.command] = [content.subarray(40, 56), content.subarray(56, 136)].map((text) =>
        text.toString('latin1').replace(/\0.*$/s, ''),
      ) as [string, string];
    }
  }
  const memory = file.segments
    .filter(({ type }) => type === PT_LOAD)
    .map(({ vaddr, memsz, filesz, offset, flags }) => ({
      address: vaddr,
      size: memsz,
      read: (flags & PF_R) !== 0,
      write: (flags & PF_W) !== 0,
      execute: (flags & PF_X) !== 0,
      stored: filesz,
      // Odd pieces: the file is put together from what there is.
      pieces: function* () {
        for (let at = 0; at < filesz; at += 5000) {
          yield file.image.subarray(offset + at, offset + Math.min(at + 5000, filesz));
        }
      },
    }));
  return { process: facts, threads, memory };
}

/** The kernel's own file of a program that crashed. */
function crashNatively(): { program: string; core: string } | undefined {
  const program = join(directory, 'crash');
  run('gcc', ['-g', '-O0', '-static', '-pthread', '-o', program, join(SOURCES, 'crash.c')]);
  const home = mkdtempSync(join(directory, 'run-'));
  spawnSync('sh', ['-c', `ulimit -c unlimited && exec ${program}`], { cwd: home });
  const name = readdirSync(home)[0];
  return name === undefined ? undefined : { program, core: join(home, name) };
}

const missing = ['gcc', 'gdb', 'readelf'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
if (missing.length > 0 || process.platform !== 'linux' || process.arch !== 'x64') {
  console.log(`SKIP elf/core: it needs Linux x86-64 and ${missing.join(', ')}`);
} else {
  const native = crashNatively();
  if (native === undefined) console.log('SKIP elf/core, a program: this host writes no core files');
  else {
    const theirs = parseElf(new Uint8Array(readFileSync(native.core))) as ElfFile;
    const core = readCore(theirs);

    test('a program: gdb says of our file what it says of the kernel’s', () => {
      const ours = fileOf(core, 'ours');
      const say = (path: string): string =>
        gdb(
          [native.program, path],
          [
            'thread apply all bt',
            'thread apply all info registers',
            'info all-registers st0 xmm0 mxcsr',
            'info locals',
            'x/4i $pc',
            'x/16gx $sp',
            'info auxv',
            'info proc mappings',
            'print $_siginfo',
            'info files',
            'print message',
          ],
        )
          .replaceAll(path, 'CORE')
          // What processors have beyond SSE lies in a note of its own, NT_X86_XSTATE, which our processor does not need.
          .split('\n')
          .filter((line) => !/^k\d |reg-xstate|^$/.test(line))
          .join('\n');
      const expected = say(native.core);
      assert.match(expected, /deepest \(depth=4, text=\S+ <message> "seen by the debugger", nowhere=0x0\)/);
      assert.match(expected, /kept = 10/);
      assert.match(expected, /wait_for_ever/);
      assert.is(say(ours), expected);
    });

    test('a program: its notes are the kernel’s, byte for byte where we have the facts', () => {
      const ours = parseElf(new Uint8Array(bytesOf(core))) as ElfFile;
      const wanted = [NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO, NT_AUXV, NT_FILE, NT_FPREGSET];
      const theirNotes = [...notesOf(theirs)].filter(({ type }) => wanted.includes(type));
      const ourNotes = [...notesOf(ours)];
      assert.equal(
        ourNotes.map(({ type, content }) => [type, content.length]),
        theirNotes.map(({ type, content }) => [type, content.length]),
      );
      for (const [i, { type, content }] of theirNotes.entries()) {
        const copy = Buffer.from(content);
        // Signals pending and held, times used; state, niceness, flags: nobody asks for them.
        if (type === NT_PRSTATUS) copy.fill(0, 4, 12).fill(0, 16, 32).fill(0, 48, 112);
        if (type === NT_PRPSINFO) copy.fill(0, 2, 16);
        const mine = Buffer.from(ourNotes[i]!.content);
        if (type === NT_PRPSINFO) {
          copy[0] = mine[0]!;
          copy[1] = mine[1]!;
        }
        assert.is(mine.toString('hex'), copy.toString('hex'), `note ${i}, type ${type}`);
      }
    });
  }

  test('a driver: registers, backtrace with lines, variables, at the kernel’s addresses', () => {
    const object = join(directory, 'driver.o');
    run('gcc', [
      '-g',
      '-O0',
      '-ffreestanding',
      '-mcmodel=kernel',
      '-fno-pic',
      '-c',
      '-o',
      object,
      join(SOURCES, 'driver.c'),
    ]);
    const module = linkDriver(new Uint8Array(readFileSync(object)));
    const { core, argument } = crashOf(module);
    const sections = module.sections.flatMap(({ name, address }) => ['-s', name, hex(address)]);
    const text = gdb(
      [],
      [
        `add-symbol-file ${object} ${sections.join(' ')}`,
        `core-file ${fileOf(core, 'driver-core')}`,
        'bt',
        'info registers rip rbp rcx',
        'print state',
        'x/1i $pc',
        'up',
        'print more',
      ],
    );
    assert.match(text, /#0 +(0x\w+ in )?deepest \(depth=22, nowhere=0x0\) at \S*driver\.c:5\n/);
    assert.match(text, /#1 +0x\w+ in deeper \(depth=1, nowhere=0x0\) at \S*driver\.c:9\n/);
    assert.match(text, /#2 +0x\w+ in driver_read \(depth=1, nowhere=0x0\) at \S*driver\.c:11\n/);
    assert.match(text, /rcx +0xfedcba9876543210/);
    assert.match(text, /\$1 = \{11, 22, 33, 44\}/);
    assert.match(text, /=> 0x\w+ <deepest\+\w+>:\tmov +\(%rax\),%\w+/);
    assert.match(text, /\$2 = 22/);
    assert.is(argument, 22);
  });

  test('more ranges than the header can count', () => {
    const page = new Uint8Array(1);
    const memory = Array.from({ length: PN_XNUM + 10 }, (_, i) => memoryOf(0x10000 + 0x2000 * i, page));
    const path = fileOf({ process: PROCESS, threads: [{ tid: 7, signal: 11, registers: {} }], memory }, 'many');
    assert.match(run('readelf', ['-hW', path]), new RegExp(`program headers: +65535 \\(${PN_XNUM + 11}\\)`));
  });

  test('gdb without a program: the command, the signal, a signed address', () => {
    const registers = { rip: 0x1000n, rsp: -0x2000n };
    const path = fileOf({ process: PROCESS, threads: [{ tid: 7, signal: 8, registers }], memory: [] }, 'plain');
    const text = gdb(['-c', path], ['info registers rip rsp']);
    assert.match(text, /Core was generated by `crash -x'/);
    assert.match(text, /SIGFPE/);
    assert.match(text, /rsp +0xffffffffffffe000/);
  });
}

test('memory that is shorter or longer than was said leaves all else in its place', () => {
  const range = (pieces: readonly Uint8Array[]): CoreMemory => ({
    ...memoryOf(0x1000, new Uint8Array(4096)),
    pieces: () => pieces,
  });
  const threads = [{ tid: 1, signal: 6, registers: {} }];
  for (const pieces of [
    [],
    [new Uint8Array(1000)],
    [new Uint8Array(9000)],
    [new Uint8Array(4000), new Uint8Array(4000)],
  ]) {
    const last = memoryOf(0x9000, new Uint8Array(4096).fill(7));
    const bytes = bytesOf({ process: PROCESS, threads, memory: [range(pieces), last] });
    const { offset, filesz } = (parseElf(new Uint8Array(bytes)) as ElfFile).segments.at(-1)!;
    assert.equal([offset % 4096, filesz, bytes.length], [0, 4096, offset + 4096]);
    assert.ok(bytes.subarray(offset).every((byte) => byte === 7));
  }
});

const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

function linkDriver(image: Uint8Array): LinkedObject {
  const object = parseObject(image);
  assert.ok('symbols' in object);
  const layout = layOut(object);
  assert.ok('segments' in layout);
  const module = link(layout, { text: -0x40000000, rodata: -0x3fff0000, data: -0x3ffe0000 }, () => undefined);
  assert.ok('constructors' in module);
  return module;
}

const STACK = -0x3700_0000_0000;
const STACK_SIZE = 0x4000;

/** `driver_read(1, NULL)` as it stands when it has crashed: frames of code that keeps rbp. */
function crashOf(module: LinkedObject): { core: Core; argument: number } {
  const { text, rodata, data } = module.segments;
  const code = Buffer.from(text.bytes);
  const at = (name: string): number => module.symbols.find((symbol) => symbol.name === name)!.address - text.address;
  /** Behind the call in this function, of which there is one. */
  const returnTo = (caller: string): number => text.address + code.indexOf(0xe8, at(caller)) + 5;
  const crash = code.indexOf(Buffer.from([0x8b, 0x10]), at('deepest'));
  const load = crash >= 0 ? crash : code.indexOf(Buffer.from([0x8b, 0x00]), at('deepest'));
  const stack = new Uint8Array(STACK_SIZE);
  const view = new DataView(stack.buffer);
  const put = (offset: number, value: number): void => view.setBigInt64(offset, BigInt(value), true);
  const frames = [0x3800, 0x3900, 0x3a00];
  const put32 = (offset: number, value: number): void => view.setInt32(offset, value, true);
  const returns = [returnTo('deeper'), returnTo('driver_read'), 0];
  for (const [i, frame] of frames.entries()) {
    put(frame, i + 1 < frames.length ? STACK + frames[i + 1]! : 0);
    put(frame + 8, returns[i]!);
  }
  // gcc -O0 keeps (int, pointer) arguments, and the one local variable, at the same places of these three.
  const argument = 22;
  put32(frames[0]! - 0x14, argument);
  put32(frames[1]! - 0x14, 1);
  put32(frames[1]! - 4, argument);
  put32(frames[2]! - 4, 1);
  const registers = {
    rip: BigInt(text.address + load),
    rbp: BigInt(STACK + frames[0]!),
    rsp: BigInt(STACK + frames[0]! - 0x40),
    rcx: 0xfedcba9876543210n,
  };
  const pages = (bytes: Uint8Array, size: number): Uint8Array => {
    const whole = new Uint8Array(size);
    whole.set(bytes);
    return whole;
  };
  const memory = [
    memoryOf(text.address, pages(text.bytes, text.size), 'rx'),
    memoryOf(rodata.address, pages(rodata.bytes, rodata.size), 'r'),
    memoryOf(data.address, pages(data.bytes, data.size)),
    memoryOf(STACK, stack),
  ];
  return { core: { process: PROCESS, threads: [{ tid: 7, signal: 11, registers }], memory }, argument };
}

test.run();
