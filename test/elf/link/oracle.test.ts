/** The bytes that GNU ld makes of the same sections at the same addresses are ours. */

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SHT_NOBITS } from '../../../abi/elf.js';
import type { LinkedObject } from '../../../elf/link/link.js';
import type { RelocatableObject } from '../../../elf/link/object.js';
import { RELOCATIONS } from '../../../elf/link/relocations.js';
import { type ElfFile, parseElf, sectionBytes } from '../../../elf/parse.js';
import {
  combine,
  compile,
  fileOf,
  linked,
  MODELS,
  type Names,
  parsed,
  read,
  run,
  sectionOf,
  whyNoCompiler,
} from './support.js';

const OUTSIDE: Names = {
  outside: -0x7f000000,
  host_line: -0x7efffff0,
  host_number: -0x7effff00,
  banos_dprintln: -0x7e000000,
};

/** Where ld's global offset table lies. */
const GOT = -0x3f000000;

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const hex = (address: number): string => `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;

/** Has ld put each section where we put it. */
function linkByLd(path: string, ours: LinkedObject, more: readonly string[]): ElfFile {
  const lines = ours.sections
    .filter(({ size }) => size > 0)
    .toSorted((a, b) => a.address - b.address)
    .map(({ name, address }) => `  ${name} ${hex(address)} : { *(${name}) }`);
  // Common symbols, where ours begin: behind all else.
  const commons = ours.symbols.filter(({ section }) => section === 'COMMON').map(({ address }) => address);
  if (commons.length > 0) lines.push(`  .common ${hex(Math.min(...commons))} : { *(COMMON) }`);
  lines.push(`  .got ${hex(GOT)} : { *(.got .got.plt) }`, '  /DISCARD/ : { *(.comment .note.GNU-stack) }');
  const script = fileOf(`SECTIONS {\n${lines.join('\n')}\n}\n`, 'ld');
  const output = fileOf('', 'elf');
  const names = Object.entries(OUTSIDE).map(([name, address]) => `--defsym=${name}=${hex(address)}`);
  run('ld', ['-T', script, '-z', 'norelro', '-N', ...more, '-o', output, ...names, path]);
  return parseElf(read(output)) as ElfFile;
}

/** The two have tables of different order, and ld was told not to do without them: what refers to it is not compared. */
function withoutTable(object: RelocatableObject, name: string, bytes: Uint8Array): string {
  const copy = Uint8Array.from(bytes);
  const section = object.sections.find((candidate) => candidate.name === name)!;
  for (const { type, symbol, offset } of section.relocations) {
    const isTable = object.symbols[symbol]!.name === '_GLOBAL_OFFSET_TABLE_';
    const row = RELOCATIONS.get(type)!;
    // Where it can be done without, the opcode before the field changes too.
    if (row.got !== undefined || isTable) copy.fill(0, offset - 2, offset + row.width);
  }
  return hexOf(copy);
}

/** @returns bytes that were compared */
function compare(path: string): number {
  const image = read(path);
  const object = parsed(image);
  const ours = linked(image, OUTSIDE);
  const theirs = linkByLd(path, ours, ['--no-relax']);
  let compared = 0;
  for (const { name, size } of ours.sections) {
    const section = theirs.sections.find((candidate) => candidate.name === name);
    if (size === 0 || section === undefined || section.type === SHT_NOBITS) continue;
    const here = withoutTable(object, name, sectionOf(ours, name));
    assert.is(here, withoutTable(object, name, sectionBytes(theirs, section)), name);
    compared += size;
  }
  return compared;
}

/** Strings stay where they are, and nothing describes how to unwind: ld would write both anew. */
const AS_IT_IS = ['-fno-merge-constants', '-fno-asynchronous-unwind-tables'];

if (whyNoCompiler !== undefined) {
  console.log(`SKIP elf/link/oracle: ${whyNoCompiler}`);
} else {
  test('every relocation that is a field of its own', () => {
    assert.ok(compare(compile('every.s')) > 100);
  });

  test('instructions that can do without the global offset table', () => {
    const path = compile('relaxed.s');
    const ours = linked(read(path));
    // Without -pie, ld writes `mov $address` for `lea`.
    const theirs = linkByLd(path, ours, ['-pie', '--no-dynamic-linker']);
    const text = theirs.sections.find(({ name }) => name === '.text')!;
    assert.is(hexOf(sectionOf(ours, '.text')), hexOf(sectionBytes(theirs, text)));
  });

  for (const [model, flags] of Object.entries(MODELS)) {
    test(`two objects by ld -r: ${model}`, () => {
      const both = ['sample.c', 'second.c'].map((source) => compile(source, [...flags, ...AS_IT_IS]));
      assert.ok(compare(combine(both)) > 500);
    });
  }
}

test.run();
