/** What tests of drivers share: C becomes an object, an object a running driver, and the log is there to be read. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isErr } from '../../abi/errno.js';
import { type Layout, layOut } from '../../elf/link/layout.js';
import { type LinkedObject, link } from '../../elf/link/link.js';
import { type DriverRecord, readDriver } from '../../elf/link/metadata.js';
import type { RelocatableObject } from '../../elf/link/object.js';
import { parseObject } from '../../elf/link/parse.js';
import { Refusal } from '../../elf/link/refusal.js';
import { type BootOptions, bootAs } from '../../kernel-core/boot.js';
import type { Instance } from '../../kernel-core/drivers/instance.js';
import { Owner } from '../../kernel-core/drivers/owner.js';
import type { Kernel } from '../../kernel-core/kernel.js';
import { BootedKernel } from '../../kernel-core/public.js';

export const hasCompiler = process.arch === 'x64' && spawnSync('gcc', ['--version']).status === 0;

const directory = mkdtempSync(join(tmpdir(), 'banos-drivers-'));
test.after(() => rmSync(directory, { recursive: true, force: true }));
let count = 0;

/** Compiles C as a driver's object. */
export function compileDriver(source: string, flags: readonly string[] = []): Uint8Array {
  const path = join(directory, `driver${count++}`);
  writeFileSync(`${path}.c`, source);
  const result = spawnSync(
    'gcc',
    [
      '-O2',
      '-ffreestanding',
      '-Wall',
      '-Wno-unused',
      '-Idrivers/include',
      ...flags,
      '-c',
      '-o',
      `${path}.o`,
      `${path}.c`,
    ],
    { encoding: 'latin1' },
  );
  assert.is(result.status, 0, result.stderr);
  return new Uint8Array(readFileSync(`${path}.o`));
}

/** Where `compileProgram` puts programs, to be mounted. */
export const programs = mkdtempSync(join(tmpdir(), 'banos-driver-programs-'));
test.after(() => rmSync(programs, { recursive: true, force: true }));

/** Compiles C as a program of the guest, statically. */
export function compileProgram(name: string, source: string, flags: readonly string[] = []): void {
  const path = join(directory, `${name}.c`);
  writeFileSync(path, source);
  const result = spawnSync('gcc', ['-O1', '-static', '-w', '-pthread', ...flags, '-o', join(programs, name), path], {
    encoding: 'latin1',
  });
  assert.is(result.status, 0, result.stderr);
}

/** A kernel whose inside tests may look at. */
export class OpenKernel extends BootedKernel {
  readonly inner: Kernel;

  constructor(kernel: Kernel, dispose: () => void) {
    super(kernel, dispose);
    this.inner = kernel;
  }

  /** Text of the log's records from number `from` on. */
  log(from = 0): string[] {
    const { log } = this.inner;
    const lines: string[] = [];
    for (let at = Math.max(from, log.first); at < log.next; at++) lines.push(log.from(at)!.text);
    return lines;
  }
}

export const bootOpen = (options: BootOptions = {}): Promise<OpenKernel> => bootAs(OpenKernel, options);

function unless<T>(result: T | Refusal): T {
  if (result instanceof Refusal) throw new Error(result.reason);
  return result;
}

export interface LoadedDriver {
  readonly owner: Owner;
  readonly instance: Instance;
  readonly linked: LinkedObject;
  readonly record: DriverRecord;
  /** Address of a function or variable. */
  at(symbol: string): number;
}

/** Puts an object into the kernel. Its init is not called. */
export function loadDriver(kernel: Kernel, image: Uint8Array, name = 'test'): LoadedDriver {
  const { drivers } = kernel;
  const owner = new Owner(name);
  assert.is(drivers.start(), 0);
  const object: RelocatableObject = unless(parseObject(image));
  const layout: Layout = unless(layOut(object));
  const { text, rodata, data } = layout.segments;
  const bases = drivers.reserve(owner, { text: text.size, rodata: rodata.size, data: data.size });
  if (isErr(bases)) throw new Error(`no addresses: ${bases}`);
  const linked = unless(link(layout, bases, (symbol) => drivers.find(symbol)));
  const instance = drivers.instantiate(owner, linked);
  if (isErr(instance)) throw new Error(`no memory: ${instance}`);
  const record = linked.sections.some((section) => section.name === '.banos-driver')
    ? unless(readDriver(linked))
    : (undefined as unknown as DriverRecord);
  const at = (symbol: string): number => linked.symbols.find((one) => one.name === symbol)!.address;
  return { owner, instance, linked, record, at };
}

/** Calls init, which may not sleep here. @returns what it returns */
export const initDriver = (kernel: Kernel, { owner, record }: LoadedDriver): number =>
  kernel.drivers.callNow(owner, record.init, [record.address]);

/** Calls a function that does not sleep. */
export const callNow = (kernel: Kernel, { owner, at }: LoadedDriver, name: string, ...args: number[]): number =>
  kernel.drivers.callNow(owner, at(name), args, false);
