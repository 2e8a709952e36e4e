/** What tests do with programs inside: run one to its end and keep what it said. */
import type { GuestProcess } from '../../kernel-core/index.js';

export interface Outcome {
  stdout: string;
  stderr: string;
  code: number | null;
  signal: string | null;
}

/** Closes standard input after `input`, reads all output, and waits for the end. Text is latin1: a byte a character. */
export async function collect(child: GuestProcess, input: string | Uint8Array = ''): Promise<Outcome> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  child.stdout!.on('data', (bytes) => stdout.push(bytes));
  child.stderr!.on('data', (bytes) => stderr.push(bytes));
  child.stdin!.on('error', () => {});
  child.stdin!.end(input);
  const { code, signal } = await child.exit;
  await child.closed;
  return {
    stdout: Buffer.concat(stdout).toString('latin1'),
    stderr: Buffer.concat(stderr).toString('latin1'),
    code,
    signal,
  };
}
