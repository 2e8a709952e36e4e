/** Assembly text against binutils' objdump: all of busybox, and generated encodings of every row of the table. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Disassembler } from '../../cpu/disassembler/disassembler.js';
import { table } from '../../cpu/table/index.js';
import type { Row } from '../../cpu/table/row.js';
import { readEmbeddedBusybox } from '../../kernel-core/host-userland.js';
import { haveObjdump, type Listed, objdump, plain } from './objdump.js';

const disassembler = new Disassembler();

function text(bytes: string, address = 0x401000n): string {
  const code = Uint8Array.from(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
  const line = disassembler.at(code, 0, code.length, address);
  assert.is(line.length, line.text === '(bad)' ? 1 : code.length, bytes);
  return line.text;
}

test('operands', () => {
  assert.is(text('48 83 ec 18'), 'sub rsp,0x18');
  assert.is(text('48 83 c4 80'), 'add rsp,0xffffffffffffff80');
  assert.is(text('48 8d 05 f0 02 00 00'), 'lea rax,[rip+0x2f0]  # 0x4012f7');
  assert.is(text('8b 84 98 78 56 34 12'), 'mov eax,DWORD PTR [rax+rbx*4+0x12345678]');
  assert.is(text('64 48 8b 04 25 28 00 00 00'), 'mov rax,QWORD PTR fs:0x28');
  assert.is(text('41 88 e4'), 'mov r12b,spl');
  assert.is(text('88 e4'), 'mov ah,ah');
  assert.is(text('67 8b 45 fc'), 'mov eax,DWORD PTR [ebp-0x4]');
  assert.is(text('48 b8 88 77 66 55 44 33 22 11'), 'movabs rax,0x1122334455667788');
  assert.is(text('74 fe'), 'je 0x401000');
  assert.is(text('e8 fb ff ff ff', 0xffffffffffffff00n), 'call 0xffffffffffffff00');
});

test('mnemonics that share a row', () => {
  assert.is(text('48 98'), 'cdqe');
  assert.is(text('66 99'), 'cwd');
  assert.is(text('66 48 0f 6e c0'), 'movq xmm0,rax');
  assert.is(text('66 0f 6e c0'), 'movd xmm0,eax');
  assert.is(text('0f 12 c1'), 'movhlps xmm0,xmm1');
  assert.is(text('0f 12 01'), 'movlps xmm0,QWORD PTR [rcx]');
  assert.is(text('f4'), 'hlt');
  assert.is(text('f3 48 a5'), 'rep movs QWORD PTR es:[rdi],QWORD PTR ds:[rsi]');
  assert.is(text('f2 ae'), 'repnz scas al,BYTE PTR es:[rdi]');
  assert.is(text('f3 0f 1e fa'), 'endbr64');
  assert.is(text('f2 0f c2 c1 01'), 'cmpltsd xmm0,xmm1');
  assert.is(text('f0 48 0f c7 0f'), 'lock cmpxchg16b OWORD PTR [rdi]');
  assert.is(text('d8 c1'), 'fadd st,st(1)');
  assert.is(text('de c9'), 'fmulp st(1),st');
  assert.is(text('db 6c 24 10'), 'fld TBYTE PTR [rsp+0x10]');
  assert.is(text('8e d8'), 'mov ds,eax');
  assert.is(text('0f 20 e0'), 'mov rax,cr4');
});

test('what is no instruction', () => {
  assert.is(text('06'), '(bad)');
  assert.is(text('48'), '(bad)');
  assert.is(disassembler.at(new Uint8Array(0), 0, 0, 0n).text, '(bad)');
});

/** What objdump makes of a file with these contents. */
function listed(contents: Uint8Array, args: readonly string[]): Listed[] {
  const folder = mkdtempSync(join(tmpdir(), 'banos-objdump-'));
  try {
    const file = join(folder, 'code');
    writeFileSync(file, contents);
    return objdump(file, args);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What differs for reasons of taste between versions of objdump. */
function normal(line: string): string {
  return plain(line).replace(/OWORD|XMMWORD/, '128');
}

test('all of busybox, word for word', () => {
  const busybox = readEmbeddedBusybox();
  if (busybox === null || !haveObjdump()) {
    console.log(`SKIP busybox against objdump: no ${busybox === null ? 'busybox-static' : 'objdump'}`);
    return;
  }
  let count = 0;
  const wrong: string[] = [];
  for (const { address, bytes, text: wanted } of listed(busybox, ['-d'])) {
    if (wanted === '(bad)') continue;
    count++;
    const line = disassembler.at(bytes, 0, bytes.length, address);
    if (normal(line.text) !== normal(wanted) || line.length !== bytes.length) wrong.push(`${wanted} ← ${line.text}`);
  }
  assert.equal(wrong.slice(0, 20), [], `${wrong.length} of ${count}`);
  assert.ok(count > 200_000, `only ${count} instructions`);
});

const SLOT = 32;
const NOP = 0x90;

/** A linear congruential generator: the same encodings every time. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Bytes of an instruction of that row, with random operands and prefixes that mean something. */
function encode(row: Row, pick: (below: number) => number): number[] {
  const bytes: number[] = [];
  if (row.prefix !== 'any' && row.prefix !== 'np') bytes.push(Number.parseInt(row.prefix, 16));
  const narrow = row.prefix === 'any' && row.sizes.length > 1 && row.sizes.includes(16) && pick(4) === 0;
  if (narrow) bytes.push(0x66);
  const memory = row.forms.includes('m') && (!row.forms.includes('r') || pick(2) === 0);
  if (memory && pick(8) === 0) bytes.push(0x64 + pick(2));
  if (memory && row.options.lock === true && pick(4) === 0) bytes.unshift(0xf0);
  if (row.options.rexB === 1) bytes.push(0x41);
  else if (row.options.rexB === undefined && pick(2) === 0) bytes.push(0x40 + pick(narrow ? 8 : 16));
  bytes.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map]!);
  bytes.push(row.opcode + (row.shape.opcodeRegister ? pick(8) : 0));
  if (row.modrm) {
    const rm = row.rm >= 0 ? row.rm : pick(8);
    const reg = row.extension >= 0 ? row.extension : pick(8);
    bytes.push(((memory ? pick(3) : 3) << 6) | (reg << 3) | rm);
    // An index always, or rsp alone: objdump shows the absent index in other places as a register `riz`.
    if (memory && rm === 4)
      bytes.push(pick(4) === 0 ? 0x24 : (pick(4) << 6) | ([0, 1, 2, 3, 5, 6, 7][pick(7)]! << 3) | pick(8));
  }
  while (bytes.length < SLOT / 2) bytes.push(pick(256));
  while (bytes.length < SLOT) bytes.push(NOP);
  return bytes;
}

/** Without superfluous prefixes, which objdump spells out by rules of its own, and without its remarks. */
function essential(line: string): string {
  return normal(line)
    .replace(/\brex(\.[WRXB]+)? /, '')
    .replace(/\bdata16 /, '')
    .replace(/^[fg]s /, '')
    .replace(/\((8087|287) only\)/, '');
}

/**
 * Encodings that newer extensions gave a meaning which this processor does not have (they are the no-ops and bit scans
 * that they were), and aliases of x87 instructions that objdump does not know.
 */
const OTHERWISE = /^(0f 1[abc]|dc \/2|dd \/1|de \/2|df \/1|d9 \/3|dc \/3|df \/2|df \/3)$/;

test('generated encodings of every row', () => {
  if (!haveObjdump()) {
    console.log('SKIP generated encodings against objdump: no objdump');
    return;
  }
  const pick = random(2024);
  const rows = table.filter((row) => !OTHERWISE.test(row.encoding));
  const perRow = 16;
  const image = rows.flatMap((row) => Array.from({ length: perRow }, () => encode(row, pick)).flat());
  const compared = new Set<Row>();
  const wrong: string[] = [];
  const lines = listed(Uint8Array.from(image), ['-D', '-b', 'binary', '-m', 'i386:x86-64']);
  for (const { address, bytes, text: wanted } of lines) {
    const row = rows[Math.floor(Number(address) / SLOT / perRow)]!;
    if (Number(address) % SLOT !== 0 || wanted.includes('(bad)') || /^rex[.WRXB]*$/.test(wanted)) continue;
    const line = disassembler.at(bytes, 0, bytes.length, address);
    if (essential(line.text) === essential(wanted) && line.length === bytes.length) compared.add(row);
    else wrong.push(`${row.encoding} ${row.name} ${Buffer.from(bytes).toString('hex')}: ${wanted} ← ${line.text}`);
  }
  assert.equal(wrong.slice(0, 40), [], `${wrong.length} differ`);
  const missed = rows.filter((row) => !compared.has(row)).map((row) => `${row.encoding} ${row.name}`);
  assert.equal(missed, [], 'rows that nothing was compared of');
});

test.run();
