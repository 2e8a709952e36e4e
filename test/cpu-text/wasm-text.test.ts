/** WebAssembly text: every operator there is, the whole interpreter there and back, and the look of small functions. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { table } from '../../cpu/table/index.js';
import { emitInterpreter } from '../../cpu/tier0/emit.js';
import { HandlerSet } from '../../cpu/tier0/handlers.js';
import { HotNumbers } from '../../cpu/tier0/numbering.js';
import { Code } from '../../cpu/wasm/code.js';
import { ModuleBuilder } from '../../cpu/wasm/module.js';
import { functionText, moduleText, readModule } from '../../cpu/wasm/module-text.js';
import { MEMORY_OPS, PLAIN, SATURATING, type ValueType, VECTOR } from '../../cpu/wasm/opcodes.js';
import { type CodeTextOptions, codeText } from '../../cpu/wasm/text.js';

function text(write: (code: Code) => void, options?: CodeTextOptions): string[] {
  const code = new Code(8);
  write(code);
  return codeText(code.view(), options).map((line) => line.text);
}

const FLAT: CodeTextOptions = { width: 0 };
const ZEROS = new Array<number>(16).fill(0);

/** Writes a flat line back as bytes: the emitter's own way from names to opcodes. */
class Assembler {
  readonly code: Code;
  #labels: string[] = [];
  #unnamed = 0;

  constructor(code: Code) {
    this.code = code;
  }

  line(line: string): void {
    const [name, ...words] = line.trim().split(/ +/) as [string, ...string[]];
    const { code } = this;
    const depth = (label: string): number => {
      const at = this.#labels.lastIndexOf(label);
      return at < 0 ? 0 : at + 1;
    };
    switch (name) {
      case 'block':
      case 'loop':
      case 'if': {
        this.#labels.push(words[0]?.startsWith('$') ? words.shift()! : `unnamed ${this.#unnamed++}`);
        code[name](words.length === 0 ? undefined : (words[1]!.slice(0, -1) as ValueType));
        return;
      }
      case 'end':
        this.#labels.pop();
        code.end();
        return;
      case 'else':
        code.else();
        return;
      case 'br':
        code.br(depth(words[0]!));
        return;
      case 'br_if':
        code.brIf(depth(words[0]!));
        return;
      case 'br_table': {
        const labels = words.map(depth);
        code.brTable(labels.slice(0, -1), labels.at(-1)!);
        return;
      }
      case 'return':
      case 'drop':
      case 'select':
        code[name]();
        return;
      case 'unreachable':
        code.u8(0);
        return;
      case 'call':
        code.call(Number(words[0]));
        return;
      case 'call_indirect':
        code.callIndirect(Number(words[1]!.slice(0, -1)));
        return;
      case 'local.get':
      case 'local.set':
      case 'local.tee':
        code[name.slice(6) as 'get' | 'set' | 'tee'](Number(words[0]));
        return;
      case 'memory.copy':
        code.memoryCopy();
        return;
      case 'i32.const':
        code.i32(Number(parse(words[0]!)));
        return;
      case 'i64.const':
        code.i64(parse(words[0]!));
        return;
      case 'v128.const': {
        const lanes = Uint32Array.from(words.slice(1), Number);
        code.v128([...new Uint8Array(lanes.buffer)]);
        return;
      }
    }
    const offset = words.find((word) => word.startsWith('offset='));
    if (name in MEMORY_OPS) code.memory(name, offset === undefined ? 0 : Number(offset.slice(7)));
    else code.op(name, words.length === 0 ? undefined : words.length === 1 ? Number(words[0]) : words.map(Number));
  }
}

const parse = (number: string): bigint => (number.startsWith('-') ? -BigInt(number.slice(1)) : BigInt(number));

test('every operator that the emitter knows is read back under its name', () => {
  for (const name of [...PLAIN.keys(), ...SATURATING.keys()])
    assert.equal(
      text((c) => c.op(name), FLAT),
      [name],
    );
  for (const name of VECTOR.keys()) {
    const lanes = name === 'i8x16.shuffle';
    const lane = name.includes('_lane');
    const read = text((c) => c.op(name, lanes ? ZEROS.map((_, i) => i) : lane ? 1 : undefined), FLAT);
    assert.equal(read, [lanes ? `${name} 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15` : lane ? `${name} 1` : name]);
  }
  for (const name of Object.keys(MEMORY_OPS)) {
    const [line] = text((c) => c.memory(name, 300), FLAT);
    assert.ok(line!.startsWith(`${name} offset=300`), line);
  }
});

test('the interpreter module is read to the end, and its text assembles to the same bytes', () => {
  const numbers = new HotNumbers(table);
  const bytes = emitInterpreter(new HandlerSet(table, numbers.numbering), numbers);
  const module = readModule(bytes);
  assert.ok(module.functions.length > 1000);
  for (const [i, body] of module.functions.entries()) {
    const func = module.importedFunctions + i;
    const code = new Code(module.types[body.type]!.params.length, body.code.length + 16);
    const assembler = new Assembler(code);
    // Alignments are never promised, so that leaving them out loses nothing.
    for (const line of functionText(module, func, { ...FLAT, functions: new Map() })) assembler.line(line.text);
    assert.equal(Buffer.compare(code.view(), body.code), 0, `function ${func}`);
  }
});

test('folding changes the layout only: every instruction keeps its place', () => {
  const numbers = new HotNumbers(table);
  const module = readModule(emitInterpreter(new HandlerSet(table, numbers.numbering), numbers));
  for (let i = 0; i < module.functions.length; i += 7) {
    const func = module.importedFunctions + i;
    const words = (options: CodeTextOptions): number =>
      functionText(module, func, options).reduce((sum, line) => sum + line.text.split(/[a-z0-9]+\.[a-z]+/).length, 0) -
      functionText(module, func, options).length;
    assert.is(words({ width: 60 }), words(FLAT), `function ${func}`);
    const offsets = functionText(module, func).map((line) => line.offset);
    assert.equal(
      offsets,
      [...offsets].sort((a, b) => a - b),
      `function ${func}: lines in the order of the code`,
    );
  }
});

test('operands fold into the statement that takes them', () => {
  const lines = text(
    (c) => {
      c.i32(0);
      c.i32(0);
      c.memory('i64.load', 0x08);
      c.get(1);
      c.op('i64.add');
      c.memory('i64.store', 0x00);
      c.get(0);
      c.get(2);
      c.op('i32.lt_u');
      c.if();
      c.i64(0x123456789an);
      c.set(1);
      c.else();
      c.get(0);
      c.drop();
      c.end();
    },
    {
      locals: new Map([
        [0, 'pc'],
        [1, 'rcx'],
      ]),
      addressName: (address) => ['rax', 'rcx'][address >> 3],
    },
  );
  assert.equal(lines, [
    '(i64.store (i32.const 0) (i64.add (i64.load offset=8 (i32.const 0)) (local.get $rcx))) ;; rax = rcx',
    '(i32.lt_u (local.get $pc) (local.get 2))',
    'if',
    '  (local.set $rcx (i64.const 0x123456789a))',
    'else',
    '  (drop (local.get $pc))',
    'end',
  ]);
});

test('blocks are named where something branches to them', () => {
  const lines = text((c) => {
    const out = c.block();
    const again = c.loop();
    c.block('i32');
    c.i32(-1);
    c.end();
    c.brTable([out, again], 0);
    c.get(0);
    c.brIf(again);
    c.end();
    c.end();
    c.return();
  });
  assert.equal(lines, [
    'block $0',
    '  loop $1',
    '    block (result i32)',
    '      (i32.const -1)',
    '    end',
    '    (br_table $0 $1 2)',
    '    (br_if $1 (local.get 0))',
    '  end',
    'end',
    'return',
  ]);
});

test('vectors, tail calls and floating constants', () => {
  const lines = text(
    (c) => {
      c.v128([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x80]);
      c.get(3);
      c.op('i8x16.shuffle', [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23]);
      c.op('f64x2.extract_lane', 1);
      c.set(4);
      c.u8(0x44); // f64.const
      for (const byte of [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]) c.u8(byte);
      c.set(4);
      c.u8(0x43); // f32.const
      for (const byte of [0, 0, 0, 0x80]) c.u8(byte);
      c.drop();
      c.get(0);
      c.u8(0x12); // return_call
      c.uleb(5);
      c.get(0);
      c.get(1);
      c.u8(0x13); // return_call_indirect
      c.uleb(0);
      c.uleb(2);
    },
    {
      width: 200,
      functions: new Map([[5, 'next']]),
      signatureOf: () => ({ params: ['i32'], results: [] }),
      types: [{ params: ['i32'], results: ['i32'] }],
    },
  );
  assert.equal(lines, [
    '(local.set 4 (f64x2.extract_lane 1 (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (v128.const i32x4 1 0xffffffff 0 0x80000000) (local.get 3))))',
    '(local.set 4 (f64.const nan:0x8000000000000))',
    '(drop (f32.const -0))',
    '(return_call $next (local.get 0))',
    '(return_call_indirect 2 (type 0) (local.get 0) (local.get 1))',
  ]);
});

test('lines do not run across breaks, and say where they begin', () => {
  const code = new Code(2);
  code.get(0);
  code.i32(1);
  const middle = code.length;
  code.op('i32.add');
  code.set(1);
  const lines = codeText(code.view(), { breaks: [middle] });
  assert.equal(lines, [
    { offset: 0, text: '(local.get 0)' },
    { offset: 2, text: '(i32.const 1)' },
    { offset: middle, text: '(local.set 1 (i32.add))' },
  ]);
});

test('an unknown opcode is an error with its place', () => {
  assert.throws(() => codeText(Uint8Array.of(0x20, 0, 0xff)), /unknown WebAssembly opcode ff at byte 2/);
  assert.throws(() => codeText(Uint8Array.of(0xfd, 0xff, 0x7f)), /unknown WebAssembly opcode fd 3fff at byte 0/);
  assert.throws(() => codeText(Uint8Array.of(0x41, 0x80)), /ends at byte 2/);
});

test('a module', () => {
  const module = new ModuleBuilder();
  module.importMemory('cpu', 'memory', 1, 65536);
  const imported = module.importFunction('cpu', 'slow', ['i32'], ['i32']);
  const func = module.declare(['i32'], ['i32']);
  const code = new Code(1);
  const local = code.local('i64');
  code.local('i64');
  code.local('v128');
  code.get(0);
  code.call(imported);
  code.memory('i64.load', 0);
  code.set(local);
  code.get(local);
  code.op('i32.wrap_i64');
  module.define(func, code);
  module.export('run', func);
  module.setTable([func]);
  assert.is(
    moduleText(module.build(), { locals: new Map([[0, 'pc']]) }),
    `(module
  (type (func (param i32) (result i32))) ;; 0
  (import "cpu" "memory" (memory 1 65536))
  (import "cpu" "slow" (func $cpu.slow (type 0)))
  (table 1 funcref)
  (export "run" (func 1))
  (elem (offset (i32.const 0)) func 1)
  (func $run (type 0) (param i32) (result i32) ;; 1
    (local i64 i64 v128)
    (local.set 1 (i64.load (call $cpu.slow (local.get $pc))))
    (i32.wrap_i64 (local.get 1))
  )
)
`,
  );
});

test.run();
