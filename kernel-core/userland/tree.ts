/** The embedded root file system: busybox, links for its applets, and the few files that programs ask for. */
import { type Err, isErr } from '../../abi/errno.js';
import { O_WRONLY } from '../../abi/fcntl.js';
import { S_IFDIR, S_IFREG } from '../../abi/stat.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import type { Inode } from '../../vfs/inode.js';
import { BytesIter } from '../../vfs/iter.js';
import { MODULE_DIRECTORY } from '../modules/search.js';
import { latin1Bytes } from '../text.js';
import { BUSYBOX_APPLETS } from './applets.js';

/** Where modules are looked for, seen from the root; tools for them want an index there, be it empty. */
const MODULES = MODULE_DIRECTORY.slice(1);

const DIRECTORIES: Readonly<Record<string, number>> = {
  bin: 0o755,
  dev: 0o755,
  etc: 0o755,
  home: 0o755,
  lib: 0o755,
  'lib/modules': 0o755,
  [MODULES]: 0o755,
  [`${MODULES}/extra`]: 0o755,
  mnt: 0o755,
  opt: 0o755,
  proc: 0o555,
  root: 0o700,
  run: 0o755,
  sbin: 0o755,
  srv: 0o755,
  sys: 0o555,
  tmp: 0o1777,
  usr: 0o755,
  'usr/bin': 0o755,
  'usr/lib': 0o755,
  'usr/sbin': 0o755,
  var: 0o755,
  'var/log': 0o755,
  'var/run': 0o755,
  'var/tmp': 0o1777,
};

const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n',
  'etc/shells': '/bin/sh\n/bin/ash\n',
  'etc/hosts': '127.0.0.1\tlocalhost\n::1\tlocalhost\n',
  'etc/profile': "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PS1='\\w \\$ '\n",
  'etc/os-release': 'NAME="Banos"\nID=banos\nPRETTY_NAME="Banos (busybox 1.35.0)"\n',
  [`${MODULES}/modules.dep`]: '',
  [`${MODULES}/modules.symbols`]: '',
};

/**
 * Fills `root`, an empty directory.
 * @param busybox bytes of the binary
 * @returns 0, or what a file system call answered (-ENOSPC)
 */
export function populate(root: Inode, busybox: Uint8Array, hostname: string): number | Err {
  for (const [path, mode] of Object.entries(DIRECTORIES)) {
    const { parent, name } = descend(root, path);
    const made = parent.mkdir(name, S_IFDIR | mode, KERNEL_CALLER);
    if (isErr(made)) return made;
  }
  const files: [string, Uint8Array, number][] = Object.entries({ ...FILES, 'etc/hostname': `${hostname}\n` }).map(
    ([path, text]) => [path, latin1Bytes(text), 0o644],
  );
  files.push(['bin/busybox', busybox, 0o755]);
  for (const [path, bytes, mode] of files) {
    const result = writeFile(root, path, bytes, mode);
    if (isErr(result)) return result;
  }
  return linkApplets(root);
}

function linkApplets(root: Inode): number | Err {
  for (const [directory, names] of Object.entries(BUSYBOX_APPLETS)) {
    const { parent } = descend(root, `${directory}/.`);
    for (const name of names.split(' ')) {
      if (name === 'busybox') continue;
      const made = parent.symlink(name, '/bin/busybox', KERNEL_CALLER);
      if (isErr(made)) return made;
    }
  }
  return 0;
}

/** The directory in which the last component of `path` lies; all others exist. */
function descend(root: Inode, path: string): { parent: Inode; name: string } {
  const parts = path.split('/');
  const name = parts.pop()!;
  let parent = root;
  for (const part of parts) parent = parent.lookup(part) as Inode;
  return { parent, name };
}

function writeFile(root: Inode, path: string, bytes: Uint8Array, mode: number): number | Err {
  const { parent, name } = descend(root, path);
  const inode = parent.create(name, S_IFREG | mode, 0, KERNEL_CALLER);
  if (isErr(inode)) return inode;
  const file = inode.open(O_WRONLY, KERNEL_CALLER);
  if (isErr(file)) return file;
  const source = new BytesIter(bytes);
  let result: number = 0;
  while (source.remaining > 0 && result >= 0) result = file.write(source, source.position, KERNEL_CALLER);
  file.unref();
  return Math.min(result, 0);
}
