/**
 * The root file system of the oracle as one tar archive: busybox with a link per applet, a few files of /etc, and the
 * fixtures under /data. Owners and times are fixed, so that the native chroot and Banos start from the same bytes.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Header, pack } from 'tar-stream';

/** 2020-03-01 10:00:00 UTC. */
const MTIME = new Date(1583056800000);

/** Environment of every command. */
export const ENVIRONMENT = {
  PATH: '/bin',
  HOME: '/root',
  USER: 'root',
  TERM: 'dumb',
  TZ: 'UTC0',
  LC_ALL: 'C.UTF-8',
};
export const HOSTNAME = 'banos';

/** Where the npm package keeps its program; undefined where npm left the optional dependency out. */
export function busyboxPath(): string | undefined {
  try {
    const { binaryPath, exists } = createRequire(import.meta.url)('busybox-static');
    return exists() ? binaryPath : undefined;
  } catch {
    return undefined;
  }
}

const ETC: Record<string, string> = {
  passwd: `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
ann:x:1000:1000:Ann:/home/ann:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/bin/false
`,
  group: `root:x:0:
daemon:x:1:
users:x:100:ann
ann:x:1000:
nobody:x:65534:
`,
  shadow: `root:*:18322:0:99999:7:::
daemon:*:18322:0:99999:7:::
ann:*:18322:0:99999:7:::
nobody:*:18322:0:99999:7:::
`,
  hosts: '127.0.0.1 localhost\n127.0.1.1 banos\n',
};

/** Fixtures whose bytes an editor or a checkout could change. */
function madeFixtures(): Record<string, Uint8Array | string> {
  return {
    'bytes.bin': Uint8Array.from({ length: 512 }, (_, i) => (i < 256 ? i : 511 - i)),
    'crlf.txt': 'first\r\nsecond\r\n\r\nlast',
    empty: '',
  };
}

type Pack = ReturnType<typeof pack>;

function add(archive: Pack, header: Partial<Header> & { name: string }, content: Uint8Array | string = ''): void {
  archive.entry(
    { uid: 0, gid: 0, uname: 'root', gname: 'root', mtime: MTIME, mode: 0o755, ...header },
    Buffer.from(content as string),
  );
}

/** Applets are asked of the binary itself, or, where the host cannot run it, of the recorded list. */
export function appletsOf(busybox: string, recorded: readonly string[]): readonly string[] {
  const { status, stdout } = spawnSync(busybox, ['--list'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split('\n') : recorded;
}

/** Writes the archive to `path`. */
export async function writeRoot(path: string, busybox: string, applets: readonly string[]): Promise<void> {
  const archive = pack();
  for (const name of ['bin', 'dev', 'etc', 'proc', 'root', 'data', 'home', 'home/ann', 'var', 'var/run']) {
    add(archive, { name: `${name}/`, type: 'directory' });
  }
  add(archive, { name: 'tmp/', type: 'directory', mode: 0o1777 });
  add(archive, { name: 'bin/busybox' }, readFileSync(busybox));
  for (const applet of applets) {
    if (applet !== 'busybox')
      add(archive, { name: `bin/${applet}`, type: 'symlink', linkname: 'busybox', mode: 0o777 });
  }
  for (const [name, text] of Object.entries(ETC)) {
    add(archive, { name: `etc/${name}`, mode: name === 'shadow' ? 0o600 : 0o644 }, text);
  }
  const fixtures = join(import.meta.dirname, 'fixtures');
  const names = readdirSync(fixtures, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  for (const name of names.sort()) {
    const directory = readdirSync(join(fixtures, name, '..'), { withFileTypes: true });
    const isDirectory = directory.find((entry) => name.endsWith(entry.name))?.isDirectory() ?? false;
    if (isDirectory) add(archive, { name: `data/${name}/`, type: 'directory' });
    else {
      const mode = name.endsWith('.sh') ? 0o755 : 0o644;
      add(archive, { name: `data/${name}`, mode }, readFileSync(join(fixtures, name)));
    }
  }
  for (const [name, bytes] of Object.entries(madeFixtures()))
    add(archive, { name: `data/${name}`, mode: 0o644 }, bytes);
  add(archive, { name: 'data/tree/beta/link', type: 'symlink', linkname: 'run.sh', mode: 0o777 });
  archive.finalize();
  writeFileSync(path, await buffer(archive));
}
