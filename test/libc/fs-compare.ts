/** kernel.fs and node:fs/promises side by side: one script on the guest's files and on the host's must tell the same. */
import * as hostFs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';

export type Fs = typeof hostFs;
/** Notes what `action` gives or fails with, the directory's name taken out. */
export type Log = (name: string, action: () => unknown) => Promise<void>;
export type Script = (fs: Fs, dir: string, log: Log) => Promise<void>;

async function record(fs: Fs, directory: string, script: Script): Promise<string[]> {
  const lines: string[] = [];
  const plain = (value: unknown): string =>
    (JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? `${v}n` : v)) ?? 'undefined').replaceAll(
      directory,
      'DIR',
    );
  await script(fs, directory, async (name, action) => {
    try {
      lines.push(`${name}: ${plain(await action())}`);
    } catch (error) {
      lines.push(`${name}: ${failure(error as NodeJS.ErrnoException & { dest?: string })}`);
    }
  });
  /** Node words what it refuses itself in its own way, and has codes for wrong arguments: that they are TypeErrors counts. */
  function failure({ name, code, errno, syscall, path, dest, message }: NodeJS.ErrnoException & { dest?: string }) {
    if (errno !== undefined && errno < 0) return plain({ code, errno, syscall, path, dest, message });
    if (name === 'TypeError' || name === 'RangeError') return name;
    return plain({ name, code, errno, syscall, path });
  }
  return lines;
}

/** Runs `script` on both, in an empty directory each. */
export async function compare(fs: unknown, script: Script): Promise<void> {
  const directory = await hostFs.mkdtemp(join(tmpdir(), 'fs-face-'));
  try {
    await (fs as Fs).mkdir('/tmp/face');
    const [there, here] = [await record(hostFs, directory, script), await record(fs as Fs, '/tmp/face', script)];
    assert.equal(here, there);
    assert.ok(there.length > 0);
  } finally {
    await hostFs.rm(directory, { recursive: true, force: true });
  }
}
