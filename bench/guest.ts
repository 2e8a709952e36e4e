/** Runs programs in a kernel, and holds what every engine of the bench answers in the same shape. */
import { createHash } from 'node:crypto';
import type { Kernel } from '../kernel-core/index.js';

export interface Run {
  /** Standard output, byte per character; of long output only length and digest. */
  output: string;
  /** From start to end of the program, output read, in milliseconds. */
  ms: number;
}

const MOST_OUTPUT = 1 << 18;

/** Long output travels as its digest: it is there to be compared. */
export function shorten(chunks: readonly Uint8Array[]): string {
  const bytes = Buffer.concat(chunks);
  if (bytes.length <= MOST_OUTPUT) return bytes.toString('latin1');
  return `${bytes.length} bytes, SHA-256 ${createHash('sha256').update(bytes).digest('hex')}`;
}

/** @throws Error when the program fails, with what it wrote to standard error */
export async function runGuest(kernel: Kernel, argv: readonly string[]): Promise<Run> {
  const start = performance.now();
  const child = kernel.spawn(argv);
  const output: Uint8Array[] = [];
  const errors: Uint8Array[] = [];
  child.stdout!.on('data', (bytes: Uint8Array) => output.push(bytes));
  child.stderr!.on('data', (bytes: Uint8Array) => errors.push(bytes));
  child.stdin!.end();
  const { code, signal } = await child.exit;
  await child.closed;
  const ms = performance.now() - start;
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${signal ?? `exit status ${code}`} ${shorten(errors).trim()}`);
  return { output: shorten(output), ms };
}
