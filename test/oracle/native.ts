/**
 * Linux itself as the oracle: runs a command line with the same busybox in a chroot, in mount, pid and host-name
 * namespaces of its own. Needs root on Linux x86-64.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command, Result } from './commands.js';
import { ENVIRONMENT, HOSTNAME } from './root.js';

/** Builds the root on a tmpfs, as Banos' is one, and enters it (arguments: mount point, archive). */
export const NATIVE_SETUP = `
trap '[ $? = 0 ] || exit 125' EXIT
set -e
mount -t tmpfs -o mode=755 tmpfs "$1"
tar -xpf "$2" -C "$1" --same-owner
cd "$1/dev"
mknod -m 666 null c 1 3; mknod -m 666 zero c 1 5; mknod -m 666 full c 1 7
mknod -m 666 random c 1 8; mknod -m 666 urandom c 1 9; mknod -m 666 tty c 5 0
ln -s /proc/self/fd fd; ln -s fd/0 stdin; ln -s fd/1 stdout; ln -s fd/2 stderr
mount -t proc proc "$1/proc"
hostname ${HOSTNAME}
umask 022
cd "$1/tmp"
`;

/** Becomes pid 1 and runs the line (third argument) in a session of its own. */
const RUN = `${NATIVE_SETUP}
exec chroot "$1" /bin/busybox sh -c '
  cd /tmp
  exec 3>&2 2>/dev/null
  /bin/busybox setsid /bin/busybox env -i ${Object.entries(ENVIRONMENT)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ')} /bin/busybox sh -c "$1" 2>&3 3>&-
  exit $?' sh "$3"
`;

/** Why there is no native oracle here; undefined when there is one. */
export function whyNoNative(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return `host is ${process.platform}/${process.arch}`;
  if (process.getuid?.() !== 0) return 'a chroot needs root';
  const { status, stderr } = spawnSync('unshare', ['-m', '-u', '-p', '-f', '--mount-proc', 'true'], {
    encoding: 'utf8',
  });
  return status === 0 ? undefined : `unshare: ${stderr?.trim() || 'missing'}`;
}

export class NativeRoot {
  readonly #mountPoint = mkdtempSync(join(tmpdir(), 'banos-oracle-'));
  readonly #archive: string;

  constructor(archive: string) {
    this.#archive = archive;
  }

  /** Each call starts from a fresh root. */
  run(command: Command): Result {
    const { status, stdout, stderr, error } = spawnSync(
      'unshare',
      ['-m', '-u', '-p', '-f', '--kill-child', 'sh', '-c', RUN, 'sh', this.#mountPoint, this.#archive, command.line],
      { input: '', encoding: 'latin1', timeout: 20_000, killSignal: 'SIGKILL', maxBuffer: 1 << 26 },
    );
    if (error !== undefined || status === null || (status === 125 && stdout === ''))
      throw new Error(`native run of: ${command.line}: ${error ?? stderr}`);
    return { stdout, stderr, status };
  }

  dispose(): void {
    rmSync(this.#mountPoint, { recursive: true });
  }
}
