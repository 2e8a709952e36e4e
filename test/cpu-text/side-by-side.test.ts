/** The three columns of --dump-code. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Disassembler, type GuestInstruction } from '../../cpu/disassembler/disassembler.js';
import { sideBySide } from '../../cpu/disassembler/side-by-side.js';
import type { SourceMark } from '../../cpu/tier1/watch.js';
import { Code } from '../../cpu/wasm/code.js';
import { codeText } from '../../cpu/wasm/text.js';

function instructions(hex: string, address: bigint): GuestInstruction[] {
  const bytes = Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const disassembler = new Disassembler();
  const found: GuestInstruction[] = [];
  for (let at = 0; at < bytes.length; at += found.at(-1)!.bytes.length) {
    found.push(disassembler.instruction(bytes, at, bytes.length, address + BigInt(at)));
  }
  return found;
}

test('instructions, their intermediate form and code, also where the code lies in two places', () => {
  const guests = instructions('01 d8 83 e8 01 75 f9', 0x401000n);
  const code = new Code(0);
  const marks: SourceMark[] = [];
  const mark = (guest: number): unknown =>
    marks.push({ offset: code.length, address: Number(guests[guest]?.address ?? 0n) });
  mark(-1);
  const again = code.loop();
  mark(0);
  code.get(0);
  code.get(3);
  code.op('i32.add');
  code.set(0);
  mark(1);
  code.get(0);
  code.i32(1);
  code.op('i32.sub');
  code.tee(0);
  mark(2);
  code.brIf(again);
  mark(-1);
  code.end();
  mark(1);
  code.i32(0);
  code.get(0);
  code.memory('i32.store', 0);
  const names = new Map([
    [0, 'rax'],
    [3, 'rbx'],
  ]);
  const lines = codeText(code.view(), { locals: names, breaks: marks.map(({ offset }) => offset) });
  assert.is(
    `\n${sideBySide(guests, lines, marks, { irWidth: 24 }).join('\n')}\n`,
    `
                     │                          │ loop $0
401000: add eax,ebx  │ t0 = get rax i32.load    │   (local.set $rax (i32.add (local.get $rax) (local.get $rbx)))
    01 d8            │ t1 = get rbx i32.load
                     │ t2 = i32.add t0 t1
                     │ t3 = i64.extend_i32_u t2
                     │ set rax i64.store t3
                     │ flags add 32 t0 t1 t2
401002: sub eax,0x1  │ t0 = get rax i32.load    │   (local.tee $rax (i32.sub (local.get $rax) (i32.const 1)))
    83 e8 01         │ t1 = i32.sub t0 1
                     │ t2 = i64.extend_i32_u t1
                     │ set rax i64.store t2
                     │ flags sub 32 t0 1 t1
401005: jne 0x401000 │ t0 = cond ne             │   (br_if $0)
    75 f9            │ target near if t0
                     │ jump if t0
                     │                          │ end
401002: …            │                          │ (i32.store (i32.const 0) (local.get $rax))
`,
  );
});

test('instructions without code stand where they belong, long lines continue', () => {
  const guests = instructions('90 c7 84 24 00 01 00 00 78 56 34 12 f4 06', 0xffffffffff600000n);
  const code = new Code(0);
  code.get(0);
  code.drop();
  const columns = sideBySide(guests, codeText(code.view()), [{ offset: 0, address: -0x9fffff }], {
    assemblyWidth: 30,
    irWidth: 10,
  });
  const first = columns.map((line) => line.split('│')[0]!.trimEnd());
  assert.equal(first.slice(0, 6), [
    'ffffffffff600000: nop',
    '    90',
    'ffffffffff600001: mov DWORD',
    '    PTR [rsp+0x100],0x12345678',
    '    c7 84 24 00 01 00 00 78 56',
    '    34 12',
  ]);
  assert.ok(columns[2]!.endsWith('(drop (local.get 0))'));
  assert.equal(first.filter((line) => line.includes(':')).slice(2), [
    'ffffffffff60000c: hlt',
    'ffffffffff60000d: (bad)',
  ]);
});

test('an instruction that was marked but emitted nothing of its own stands before the next', () => {
  const guests = instructions('39 d8 74 00', 0x1000n);
  const code = new Code(1);
  code.get(0);
  code.drop();
  const marks = [{ offset: code.length, address: 0x1000 }];
  marks.push({ offset: code.length, address: 0x1002 });
  code.get(0);
  code.brIf(0);
  const order = sideBySide(guests, codeText(code.view()), marks)
    .map((line) => line.split('│'))
    .map(([first, , last]) => (first!.includes(':') ? first!.trim() : (last ?? '').trim()))
    .filter((text) => text !== '');
  assert.equal(order, ['(drop (local.get 0))', '1000: cmp eax,ebx', '1002: je 0x1004']);
});

test('no code at all', () => {
  assert.equal(sideBySide([], [], []), []);
  const guests = instructions('c3', 0n);
  assert.is(sideBySide(guests, [], [{ offset: 0, address: 0 }])[0]!.startsWith('0: ret'), true);
});

test.run();
