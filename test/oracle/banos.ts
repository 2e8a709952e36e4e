/** The other side of the comparison: a command line in a freshly booted Banos, over the same archive. */
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { boot } from '../../kernel-core/index.js';
import type { Command, Result } from './commands.js';
import { ENVIRONMENT } from './root.js';

const TIME_LIMIT_MS = 120_000;

async function latin1(stream: Readable): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

/** Boots, runs the line in a shell, and checks that nothing is left behind that is not meant to be. */
export async function runInBanos(archive: string, command: Command): Promise<Result> {
  const kernel = await boot({ rootfs: archive });
  try {
    const shell = kernel.spawn(['sh', '-c', command.line], { env: ENVIRONMENT, cwd: '/tmp', umask: 0o022 });
    const output = Promise.all([latin1(shell.stdout!), latin1(shell.stderr!)]);
    shell.stdin!.end();
    const timer = setTimeout(() => shell.kill('SIGKILL'), TIME_LIMIT_MS);
    const { code, signal } = await shell.exit;
    const [stdout, stderr] = await output;
    clearTimeout(timer);
    if (!command.background) kernel.assertIdle();
    const status = signal === null ? code! : 128 + (constants.signals as Record<string, number>)[signal];
    return { stdout, stderr, status };
  } finally {
    await kernel.shutdown();
  }
}
