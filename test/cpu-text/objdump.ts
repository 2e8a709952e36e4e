/** Runs binutils' objdump, the oracle for assembly text. */
import { spawnSync } from 'node:child_process';

export interface Listed {
  address: bigint;
  bytes: Uint8Array;
  text: string;
}

/** Whether objdump is here and knows x86-64. */
export function haveObjdump(): boolean {
  return spawnSync('objdump', ['--version']).status === 0;
}

/** Instructions of a file in Intel syntax, one blank between words, without symbol names. */
export function objdump(file: string, args: readonly string[]): Listed[] {
  const run = spawnSync('objdump', ['-M', 'intel', '-w', ...args, file], {
    encoding: 'utf8',
    maxBuffer: 1 << 29,
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (run.status !== 0) throw new Error(`objdump: ${run.stderr}`);
  const listed: Listed[] = [];
  for (const line of run.stdout.split('\n')) {
    const match = /^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$/.exec(line);
    if (match === null) continue;
    listed.push({
      address: BigInt(`0x${match[1]}`),
      bytes: Uint8Array.from(match[2]!.trim().split(' '), (byte) => Number.parseInt(byte, 16)),
      text: plain(match[3]!),
    });
  }
  return listed;
}

/** One blank between words, no names of symbols. */
export function plain(text: string): string {
  return text
    .replace(/<[^>]*>/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}
