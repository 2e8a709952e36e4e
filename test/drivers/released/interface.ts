/**
 * The driver interface in lines of text, so that it can be compared with what was released: exported functions with their
 * prototypes, and, asked of a C compiler, sizes and offsets of the headers' structures and the values of their constants.
 *
 *   function SYMBOL PROTOTYPE      struct TAG SIZE      field TAG.NAME OFFSET SIZE      value NAME VALUE
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXPORTS } from '../../../kernel-core/drivers/exports/index.js';
import { MACHINE_CODE } from '../../../kernel-core/drivers/exports/machine-code.js';
import { symbolOf } from '../../../kernel-core/drivers/row.js';

/** Seen from the root, as everything here. */
export const RELEASED = 'test/drivers/released';
const HEADERS = 'drivers/include/banos';
/** What says which interface this is, and so is another each time; what is no value. */
const NO_VALUES = /^BANOS_(VERSION|BEGIN|END)$|_H$/;

/** Lines for the functions that the kernel exports. */
export const functionLines = (): string[] =>
  [
    ...EXPORTS.map((row) => [symbolOf(row), row.prototype]),
    ...MACHINE_CODE.map((row) => [row.name, row.prototype]),
  ].map(([symbol, prototype]) => `function ${symbol} ${prototype!.replace(/\s+/g, ' ')}`);

/** Names of fields in the body of a structure. */
function fieldsOf(body: string): string[] {
  return body
    .split(';')
    .map((declaration) => declaration.trim())
    .filter((declaration) => declaration !== '')
    .flatMap((declaration) => {
      const pointer = /\(\*(\w+)\)\s*\(/.exec(declaration);
      if (pointer !== null) return [pointer[1]!];
      return declaration.split(',').map((one) => /(\w+)\s*(\[[^\]]*\])*$/.exec(one.trim())![1]!);
    });
}

/** C that prints the lines for the headers' structures and constants. */
function printer(): string {
  const lines: string[] = [];
  for (const file of readdirSync(HEADERS).sort()) {
    const text = readFileSync(join(HEADERS, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
    for (const [, tag, body] of text.matchAll(/^struct (\w+) \{\n([\s\S]*?)^\};/gm)) {
      lines.push(`STRUCT(${tag});`, ...fieldsOf(body!).map((field) => `FIELD(${tag}, ${field});`));
    }
    for (const [, name] of text.matchAll(/^#define (BANOS_\w+)[ \t]+\S/gm)) {
      if (!NO_VALUES.test(name!)) lines.push(`VALUE(${name});`);
    }
    for (const [, body] of text.matchAll(/^enum \{\n([\s\S]*?)^\};/gm)) {
      for (const [, name] of body!.matchAll(/^\s*(BANOS_\w+)\b/gm)) lines.push(`VALUE(${name});`);
    }
  }
  return `
    #include <banos/banos.h>
    #include <stdio.h>
    static void number(const char *name, unsigned long value) { printf("value %s %ld\\n", name, (long)value); }
    static void text(const char *name, unsigned long value) {
      printf("value %s ", name);
      for (const char *at = (const char *)value; *at; at++) printf("%02x", (unsigned char)*at);
      printf("\\n");
    }
    #define STRUCT(tag) printf("struct " #tag " %zu\\n", sizeof(struct tag))
    #define FIELD(tag, name) \\
      printf("field " #tag "." #name " %zu %zu\\n", offsetof(struct tag, name), sizeof(((struct tag *)0)->name))
    #define VALUE(name) _Generic((name), char *: text, default: number)(#name, (unsigned long)(name))
    int main(void) { ${lines.join('\n')} return 0; }`;
}

/** Lines for structures and constants, as the host's gcc sees the headers. */
export function layoutLines(): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'banos-interface-'));
  try {
    const [source, program] = [join(directory, 'layout.c'), join(directory, 'layout')];
    writeFileSync(source, printer());
    const { status, stderr } = spawnSync('gcc', ['-w', '-Idrivers/include', '-o', program, source], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return spawnSync(program, { encoding: 'utf8' }).stdout.trimEnd().split('\n');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Versions of the interface that are kept, the oldest first. */
export const versions = (): string[] =>
  readdirSync(RELEASED, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));

/** What a version promised. */
export const promised = (version: string): string[] =>
  readFileSync(join(RELEASED, version, 'interface.txt'), 'utf8')
    .trimEnd()
    .split('\n');

/** A structure may only grow when it says how long it is: then its first field is its size as the driver knows it. */
function hasGrown(line: string, now: ReadonlySet<string>): boolean {
  const [kind, tag, size] = line.split(' ');
  if (
    kind !== 'struct' ||
    !['size 0 4', 'size 0 8', 'driver_size 0 8'].some((field) => now.has(`field ${tag}.${field}`))
  ) {
    return false;
  }
  for (const other of now) if (other.startsWith(`struct ${tag} `)) return Number(other.split(' ')[2]) > Number(size);
  return false;
}

/** Does what was promised still hold? */
export const holds = (line: string, now: ReadonlySet<string>): boolean => now.has(line) || hasGrown(line, now);

/** Compiles a kept source with the headers of today. @param target of the object, or of the program */
export function compileKept(version: string, source: string, target: string): void {
  const isProgram = source === 'program.c';
  // A program of nothing but system calls: small enough to be kept.
  const link = ['-fno-stack-protector', '-nostdlib', '-static', '-no-pie', '-s', '-Wl,--build-id=none'];
  const kind = isProgram ? [...link, '-Wl,-z,noseparate-code'] : ['-c', '-Idrivers/include'];
  const path = join(RELEASED, version, source);
  const args = ['-O2', '-ffreestanding', '-w', ...kind, '-o', target, path];
  const { status, stderr } = spawnSync('gcc', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${path}: ${stderr}`);
}

/** Where the object (or program) of a kept source lies. */
export const keptPath = (version: string, source: string): string =>
  join(RELEASED, version, source === 'program.c' ? 'program' : source.replace(/\.c$/, '.o'));

export const keptSources = (version: string): string[] =>
  readdirSync(join(RELEASED, version)).filter((name) => name.endsWith('.c'));
