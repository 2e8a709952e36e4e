/** What the libc's tests share: a kernel of their own, and programs run to their end. */
import type { GuestProcess, Libc, SpawnOptions } from '../../libc/index.js';
import { boot, type Kernel } from '../../libc/index.js';
import { collect, type Outcome } from '../support/guest.js';

export interface Context {
  kernel: Kernel;
}

export const bootTestKernel = (): Promise<Kernel> => boot({ memory: 128, seed: 5 });

/** Waits until ended programs are gone, looks for what is left, and takes the kernel down. */
export async function leave(kernel: Kernel): Promise<void> {
  kernel.assertIdle();
  await kernel.shutdown();
}

/** Runs a shell script to its end. */
export const sh = (kernel: Kernel, script: string, options: SpawnOptions = {}, input = ''): Promise<Outcome> =>
  collect(kernel.spawn(['sh', '-c', script], options), input);

let programs = 0;

/** Runs `main` as a program of its own to its end. */
export function run(kernel: Kernel, main: (libc: Libc, argv: string[]) => unknown, input = ''): Promise<Outcome> {
  return collect(start(kernel, main), input);
}

export function start(kernel: Kernel, main: (libc: Libc, argv: string[]) => unknown): GuestProcess {
  const path = `/bin/test-program-${programs++}`;
  kernel.installProgram(path, main);
  return kernel.spawn([path, 'argument']);
}

/** Runs `main` in a process and hands its result, or what it threw, to the test. */
export async function inside<T>(kernel: Kernel, main: (libc: Libc) => Promise<T> | T): Promise<T> {
  let result: { value: T } | { error: unknown } = { error: new Error('the program did not come to its end') };
  await run(kernel, async (libc) => {
    try {
      result = { value: await main(libc) };
    } catch (error) {
      result = { error };
    }
  });
  const ended = result as { value: T } | { error: unknown };
  if ('error' in ended) throw ended.error;
  return ended.value;
}

/** What `action` throws or rejects with; 'nothing' if it does neither. */
export async function failure(
  action: () => unknown,
): Promise<{ code?: string; syscall?: string; path?: string; name?: string }> {
  try {
    await action();
  } catch (error) {
    return error as { code?: string };
  }
  return { code: 'nothing' };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (buffer: Uint8Array, end = buffer.length): string =>
  new TextDecoder().decode(buffer.subarray(0, end));
