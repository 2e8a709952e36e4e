/**
 * Where modules lie that others need: /lib/modules/RELEASE, with the indices that depmod writes. Read by the kernel itself,
 * when a module that is loaded needs one that is not. @source modprobe(8), modules.dep(5)
 */
import { EFBIG, EINVAL, EIO, ENOENT, type Err, fail, isErr } from '../../abi/errno.js';
import { O_RDONLY } from '../../abi/fcntl.js';
import { S_IFMT, S_IFREG } from '../../abi/stat.js';
import { KERNEL_CALLER } from '../../vfs/caller.js';
import type { OpenFile } from '../../vfs/file.js';
import { BytesIter } from '../../vfs/iter.js';
import type { FsContext } from '../../vfs/namei.js';
import { openAt } from '../../vfs/open.js';
import { KERNEL_RELEASE } from '../syscalls/system.js';
import { MAX_ERRNO } from './operation.js';

export const MODULE_DIRECTORY = `/lib/modules/${KERNEL_RELEASE}`;
/** Bytes of an object. */
export const IMAGE_MAX = 64 * 2 ** 20;
const INDEX_MAX = 2 ** 20;
/** Where an index may be missing. */
const PLACES = ['', 'extra/', 'updates/'];
const SUFFIXES = ['.ko', '.o'];

/** All of a regular file. @returns -EINVAL when it is none or empty, -EFBIG, what reading answers */
export function readWhole(file: OpenFile, limit: number): Uint8Array | Err {
  const { inode } = file;
  if ((inode.mode & S_IFMT) !== S_IFREG || inode.size === 0) return fail(EINVAL);
  if (inode.size > limit) return fail(EFBIG);
  const bytes = new BytesIter(new Uint8Array(inode.size));
  while (bytes.remaining > 0) {
    const count = file.read(bytes, bytes.position, KERNEL_CALLER);
    // A file system may have to wait for a driver of its own: not here.
    if (isErr(count)) return count < -MAX_ERRNO ? fail(EIO) : count;
    if (count === 0) break;
  }
  return bytes.bytes.subarray(0, bytes.position);
}

function readPath(context: FsContext, path: string, limit: number): Uint8Array | Err {
  const file = openAt(context, KERNEL_CALLER, null, path, O_RDONLY, 0);
  if (isErr(file)) return file;
  const bytes = readWhole(file, limit);
  file.unref();
  return bytes;
}

/** Names of modules are the same whether they have dashes or underscores. */
export const moduleName = (name: string): string => name.replaceAll('-', '_');

const nameOf = (path: string): string => moduleName(path.slice(path.lastIndexOf('/') + 1).replace(/\.k?o$/, ''));

function* lines(context: FsContext, index: string): Iterable<string> {
  const bytes = readPath(context, `${MODULE_DIRECTORY}/${index}`, INDEX_MAX);
  if (isErr(bytes)) return;
  for (const line of Buffer.from(bytes).toString('latin1').split('\n')) if (line !== '' && line[0] !== '#') yield line;
}

/** The object of a module. @param name or its path @returns its image; -ENOENT, what reading answers */
export function findModule(context: FsContext, name: string): Uint8Array | Err {
  if (name.includes('/')) return readPath(context, name, IMAGE_MAX);
  for (const line of lines(context, 'modules.dep')) {
    const path = line.slice(0, line.indexOf(':'));
    if (nameOf(path) !== moduleName(name)) continue;
    return readPath(context, path.startsWith('/') ? path : `${MODULE_DIRECTORY}/${path}`, IMAGE_MAX);
  }
  for (const spelling of new Set([name, name.replaceAll('_', '-')])) {
    for (const place of PLACES) {
      for (const suffix of SUFFIXES) {
        const image = readPath(context, `${MODULE_DIRECTORY}/${place}${spelling}${suffix}`, IMAGE_MAX);
        if (image !== fail(ENOENT)) return image;
      }
    }
  }
  return fail(ENOENT);
}

/** Name of the module that exports a symbol, as depmod has noted it. */
export function moduleExporting(context: FsContext, symbol: string): string | undefined {
  for (const line of lines(context, 'modules.symbols')) {
    const [, alias, name] = line.split(' ');
    if (alias === `symbol:${symbol}`) return name;
  }
  return undefined;
}
