/** Objects for the linker's tests: C and assembly sources of `objects/`, compiled by the host's gcc. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SHDR_SIZE, viewOf } from '../../../elf/fields.js';
import { type Layout, layOut } from '../../../elf/link/layout.js';
import { type Bases, type LinkedObject, link } from '../../../elf/link/link.js';
import type { RelocatableObject } from '../../../elf/link/object.js';
import { parseObject } from '../../../elf/link/parse.js';
import { Refusal } from '../../../elf/link/refusal.js';
import { type ElfFile, parseElf, type Section } from '../../../elf/parse.js';

/** The compiled tests lie in dist/, their sources do not. */
const SOURCES = [join(import.meta.dirname, 'objects'), join(process.cwd(), 'test/elf/link/objects')].find(existsSync)!;

const tools = ['gcc', 'ld', 'objcopy'].filter((tool) => spawnSync(tool, ['--version']).status !== 0);
export const whyNoCompiler: string | undefined =
  process.arch !== 'x64' || process.platform !== 'linux'
    ? 'it needs Linux x86-64'
    : tools.length > 0
      ? `it needs ${tools.join(', ')}`
      : undefined;

/** Code models and kinds of objects that a driver may come in. */
export const MODELS: Readonly<Record<string, readonly string[]>> = {
  kernel: ['-mcmodel=kernel', '-fno-pic'],
  default: [],
  PIC: ['-fPIC'],
  'PIC without PLT': ['-fPIC', '-fno-plt'],
  large: ['-mcmodel=large', '-fno-pic'],
  'large PIC': ['-mcmodel=large', '-fPIC'],
  'medium PIC': ['-mcmodel=medium', '-fPIC'],
  'sections of their own': ['-ffunction-sections', '-fdata-sections', '-mcmodel=kernel', '-fno-pic', '-g'],
};

export const KERNEL = MODELS['kernel']!;

export const directory = mkdtempSync(join(tmpdir(), 'banos-link-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));

export function run(command: string, args: readonly string[]): string {
  const result = spawnSync(command, args, { encoding: 'latin1', cwd: directory });
  assert.is(result.status, 0, `${command} ${args.join(' ')}\n${result.error ?? ''}${result.stderr}`);
  return result.stdout;
}

let files = 0;
/** @returns path of a file in `directory` */
export function fileOf(bytes: Uint8Array | string, ending = 'bin'): string {
  const path = join(directory, `file${files++}.${ending}`);
  writeFileSync(path, bytes);
  return path;
}

export const sourcePath = (name: string): string => join(SOURCES, name);

const compiled = new Map<string, string>();
/** @param source file of `objects/` @returns path of the object */
export function compile(source: string, flags: readonly string[] = []): string {
  const key = [source, ...flags].join(' ');
  const known = compiled.get(key);
  if (known !== undefined) return known;
  const path = join(directory, `${compiled.size}-${source}.o`);
  run('gcc', ['-O2', '-ffreestanding', '-fcommon', '-w', ...flags, '-c', '-o', path, sourcePath(source)]);
  compiled.set(key, path);
  return path;
}

/** C that a test has in itself. */
export function compileText(text: string, flags: readonly string[] = [], language = 'c'): Uint8Array {
  const source = fileOf(text, language);
  run('gcc', ['-O2', '-ffreestanding', '-fcommon', '-w', ...flags, '-c', '-o', `${source}.o`, source]);
  return new Uint8Array(readFileSync(`${source}.o`));
}

export const assembled = (text: string): Uint8Array => compileText(text, [], 's');

/** A copy of an object in which one section's header, or what lies there, says something else. */
export function patched(
  image: Uint8Array,
  name: string,
  change: (header: DataView, section: Section) => void,
): Uint8Array {
  const copy = Uint8Array.from(image);
  const file = parseElf(copy) as ElfFile;
  const section = file.sections.find((candidate) => candidate.name === name)!;
  change(new DataView(copy.buffer, file.header.shoff + section.index * SHDR_SIZE, SHDR_SIZE), section);
  return copy;
}

export const read = (path: string): Uint8Array => new Uint8Array(readFileSync(path));

/** `ld -r` of several. @returns path */
export function combine(paths: readonly string[]): string {
  const path = fileOf('', 'o');
  run('ld', ['-r', '-o', path, ...paths]);
  return path;
}

function accepted<T>(result: T | Refusal): T {
  if (result instanceof Refusal) assert.unreachable(`refused, errno ${result.errno}: ${result.reason}`);
  return result as T;
}

export const parsed = (image: Uint8Array): RelocatableObject => accepted(parseObject(image));
export const laidOut = (image: Uint8Array): Layout => accepted(layOut(parsed(image)));

/** Where modules lie: the last GiB. */
export const MODULE_BASE = -0x40000000;

/** Segments one behind the other. */
export function basesFrom(layout: Layout, text: number = MODULE_BASE): Bases {
  const rodata = text + layout.segments.text.size;
  return { text, rodata, data: rodata + layout.segments.rodata.size };
}

export type Names = Readonly<Record<string, number>>;

/** Links at `base`, or says why not. */
export function tryLink(image: Uint8Array, names: Names = {}, base: number = MODULE_BASE): LinkedObject | Refusal {
  const object = parseObject(image);
  if (object instanceof Refusal) return object;
  const layout = layOut(object);
  if (layout instanceof Refusal) return layout;
  return link(layout, basesFrom(layout, base), (name) => names[name]);
}

export const linked = (image: Uint8Array, names: Names = {}, base: number = MODULE_BASE): LinkedObject =>
  accepted(tryLink(image, names, base));

/** The reason and errno of a refusal. */
export function refused(result: unknown): { errno: number; reason: string } {
  if (!(result instanceof Refusal)) assert.unreachable('was not refused');
  const { errno, reason } = result as Refusal;
  return { errno, reason };
}

export const reasonOf = (image: Uint8Array, names: Names = {}): string => refused(tryLink(image, names)).reason;

export const i64At = (bytes: Uint8Array, at: number): number => Number(viewOf(bytes).getBigInt64(at, true));
export const i32At = (bytes: Uint8Array, at: number): number => viewOf(bytes).getInt32(at, true);

/** Bytes of a section after it was linked. */
export function sectionOf(object: LinkedObject, name: string): Uint8Array {
  const section = object.sections.find((candidate) => candidate.name === name);
  if (section === undefined) assert.unreachable(`no section ${name}`);
  for (const { address, bytes } of Object.values(object.segments)) {
    const at = section!.address - address;
    if (at >= 0 && at + section!.size <= bytes.length) return bytes.subarray(at, at + section!.size);
  }
  return assert.unreachable(`section ${name} has no bytes`) as never;
}

/** The address of a symbol that the object defines. */
export function symbolOf(object: LinkedObject, name: string): number {
  const symbol = object.symbols.find((candidate) => candidate.name === name);
  if (symbol === undefined) assert.unreachable(`no symbol ${name}`);
  return symbol!.address;
}
