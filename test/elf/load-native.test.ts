/** Programs built by the host's compiler end up in memory exactly as the host's kernel puts them. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExecOracle, loadHere, type Outcome, RANDOM, whyNoOracle } from './exec-oracle.js';

const why = whyNoOracle();
if (why !== undefined) {
  console.log(`SKIP load-native: ${why}`);
} else {
  const oracle = new ExecOracle();
  const source = join(oracle.folder, 'program.c');
  oracle.add('program.c', Buffer.from('char zeros[70000]; int data = 1; int main(void) { return zeros[data]; }\n'));

  for (const [name, flags] of [
    ['static', ['-static']],
    ['dynamic', []],
    ['dynamic-fixed', ['-no-pie']],
    ['static-pie', ['-static-pie']],
    ['executable-stack', ['-static', '-z', 'execstack']],
    ['aligned', ['-Wl,-z,max-page-size=0x200000']],
    ['aligned-static-pie', ['-static-pie', '-Wl,-z,max-page-size=0x200000']],
  ] as const) {
    test(`a ${name} program`, () => {
      const program = join(oracle.folder, name);
      oracle.compile(source, program, [...flags]);
      const [native] = oracle.run([program]);
      same(loadHere(program), native!);
    });
  }

  test('the interpreter as a program of its own', () => {
    const loader = '/lib64/ld-linux-x86-64.so.2';
    same(loadHere(loader), oracle.run([loader])[0]!);
  });

  test('scripts, nested and with an argument', () => {
    let previous = join(oracle.folder, 'static');
    for (let depth = 1; depth <= 6; depth++) {
      previous = oracle.add(`script${depth}`, Buffer.from(`#! ${previous} \t arg ${depth} \t\n`));
      same(loadHere(previous), oracle.run([previous])[0]!);
    }
  });

  test.after(() => oracle.dispose());
}

/** The host has pages of its own (vdso) that the auxiliary vector names; otherwise all has to agree. */
function same(ours: Outcome, native: Outcome): void {
  if (!('rip' in native) || !('rip' in ours)) {
    assert.equal(ours, native);
    return;
  }
  assert.equal(ours.maps, native.maps);
  assert.is(ours.rip, native.rip);
  const us = readStack(ours.stack, ours.rsp);
  const them = readStack(native.stack, native.rsp);
  assert.equal(us.pointers, them.pointers);
  assert.equal(
    us.auxv,
    them.auxv.filter(([tag]) => !HOST_ONLY.includes(tag!)),
  );
  assert.equal(us.strings, them.strings);
  assert.is(ours.rsp % 16, 0);
}

/** AT_SYSINFO_EHDR, AT_RSEQ_FEATURE_SIZE, AT_RSEQ_ALIGN */
const HOST_ONLY = [33, 27, 28];
/** Values of AT_MINSIGSTKSZ, AT_HWCAP, AT_HWCAP2 are the processor's. */
const PROCESSOR = [51, 16, 26];
const AT_RANDOM = 25;

function readStack(stack: Uint8Array, rsp: number) {
  const view = new DataView(stack.buffer, stack.byteOffset, stack.byteLength);
  let at = 0;
  const word = (): number => {
    at += 8;
    return Number(view.getBigUint64(at - 8, true));
  };
  const argc = word();
  const pointers: number[] = [argc];
  for (let zeros = 0; zeros < 2; ) {
    const pointer = word();
    pointers.push(pointer);
    if (pointer === 0) zeros++;
  }
  const auxv: number[][] = [];
  for (let tag = word(); tag !== 0; tag = word()) {
    const value = word();
    auxv.push([tag, PROCESSOR.includes(tag) ? 0 : value]);
  }
  const random = auxv.find(([tag]) => tag === AT_RANDOM)![1]! - rsp;
  const tail = Uint8Array.from(stack.subarray(random));
  tail.set(RANDOM);
  return { pointers, auxv, strings: Buffer.from(tail).toString('latin1') };
}

test.run();
