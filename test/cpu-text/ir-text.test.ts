/** The intermediate form as text: a handful of rows, and that every row there is has a text without holes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Form, IntSize } from '../../cpu/ir/ir.js';
import { expandFlags } from '../../cpu/ir/lazy-flags.js';
import { type IrNames, irText, stateName } from '../../cpu/ir/text.js';
import { RAX, RBX, XMM } from '../../cpu/state.js';
import { table } from '../../cpu/table/index.js';
import { Variant } from '../../cpu/tier0/handlers.js';

function variant(encoding: string, size: IntSize, form: Form): Variant {
  const row = table.find((candidate) => candidate.encoding === encoding)!;
  return new Variant(row, size, form, 0);
}

function lines(encoding: string, size: IntSize, form: Form, names?: IrNames): string[] {
  return irText(variant(encoding, size, form).build(), names);
}

test('every row at every size and form has text, and no line mentions a value that was not computed', () => {
  for (const row of table) {
    for (const size of row.sizes) {
      for (const form of row.forms) {
        const statements = new Variant(row, size, form, 0).build();
        for (const list of [statements, expandFlags(new Variant(row, size, form, 0).build(), false)]) {
          for (const line of irText(list)) {
            assert.not.match(line, /\?[a-z]|undefined|NaN|\[object/, `${row.encoding} ${row.name}: ${line}`);
          }
        }
      }
    }
  }
});

test('state addresses have names', () => {
  assert.is(stateName(RAX), 'rax');
  assert.is(stateName(RAX + 1), 'rax+1');
  assert.is(stateName(15 * 8), 'r15');
  assert.is(stateName(XMM + 3 * 16 + 8), 'xmm3+8');
  assert.is(stateName(0x210), 'x87.1');
  assert.is(stateName(0x088), 'RES');
  assert.is(stateName(0x300), undefined);
  assert.is(stateName(0x10000), undefined);
});

test('add r/m32, r32', () => {
  assert.equal(lines('1', 32, 'r'), [
    't0 = field a',
    't1 = get [t0] i32.load',
    't2 = field b',
    't3 = get [t2] i32.load',
    't4 = i32.add t1 t3',
    't5 = i64.extend_i32_u t4',
    'set [t0] i64.store t5',
    'flags add 32 t1 t3 t4',
  ]);
});

test('add eax, ebx: with the registers of an instruction at hand', () => {
  const field = (name: string): number | undefined => ({ a: RAX, b: RBX })[name];
  assert.equal(lines('1', 32, 'r', { field }), [
    't0 = get rax i32.load',
    't1 = get rbx i32.load',
    't2 = i32.add t0 t1',
    't3 = i64.extend_i32_u t2',
    'set rax i64.store t3',
    'flags add 32 t0 t1 t2',
  ]);
});

test('and m8, imm8 with its immediate', () => {
  assert.equal(lines('80 /4', 8, 'm', { immediate: -16n }), [
    't0 = ea',
    't1 = probe write 1 t0',
    't2 = load i32.load8_u [t1]',
    't3 = i32.and -16 255',
    't4 = i32.and t2 t3',
    'store i32.store8 [t1] t4',
    'flags logic 8 t4',
  ]);
});

test('cmpxchg r32, r32: both ways of a condition', () => {
  assert.equal(lines('0f b1', 32, 'r'), [
    't0 = field a',
    't1 = get [t0] i32.load',
    't2 = get rax i32.load',
    't3 = field b',
    't4 = get [t3] i32.load',
    't5 = i32.eq t2 t1',
    't6 = i32.sub t2 t1',
    'if t5',
    '  t7 = i64.extend_i32_u t4',
    '  set [t0] i64.store t7',
    'else',
    '  t8 = i64.extend_i32_u t1',
    '  set rax i64.store t8',
    'flags sub 32 t2 t1 t6',
  ]);
});

test('jbe: a condition, a target, a jump', () => {
  assert.equal(lines('76', 8, 'near'), ['t0 = cond be', 'target near if t0', 'jump if t0']);
});

test('jbe with flags spelled out', () => {
  assert.equal(irText(expandFlags(variant('76', 8, 'near').build(), false)), [
    't0 = get CF i32.load',
    't1 = get RES i64.load',
    't2 = i64.eqz t1',
    't3 = i32.or t0 t2',
    't4 = t3',
    'target near if t4',
    'jump if t4',
  ]);
});

test('ret, int3 and ud2', () => {
  assert.equal(lines('c3', 32, 'r'), [
    't0 = get rsp i64.load',
    't1 = probe read 8 stack t0',
    't2 = load i64.load [t1]',
    'target t2',
    't3 = get rsp i64.load',
    't4 = i64.add t3 8',
    'set rsp i64.store t4',
    'jump',
  ]);
  assert.equal(lines('cc', 32, 'r'), ['helper breakpoint']);
  assert.equal(lines('0f 0b', 32, 'r'), ['trap 6']);
});

test('movdqa and punpcklbw: aligned probes, shuffles', () => {
  assert.equal(lines('66 0f 6f', 32, 'm', { field: () => XMM + 16 }), [
    't0 = ea',
    't1 = probe read 16 aligned t0',
    't2 = load v128.load [t1]',
    'set xmm1 v128.store t2',
  ]);
  const shuffle = lines('66 0f 60', 32, 'r').find((line) => line.includes('shuffle'));
  assert.match(shuffle!, /i8x16\.shuffle\[0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23\] t\d+ t\d+/);
});

test.run();
