/**
 * A root file system from the host: a directory or a tar archive, taken over copy-on-write into memory.
 *
 * It is a tmpfs whose directories (of a host directory) or file data (of either) are read when they are needed first.
 * Whatever the guest changes stays in memory; the host is opened for reading only.
 */
import { ENOTDIR, isErr } from '../../abi/errno.js';
import { O_NONBLOCK, O_RDONLY } from '../../abi/fcntl.js';
import { S_IFMT, S_IFREG } from '../../abi/stat.js';
import type { FileSystem, VfsEnv } from '../filesystem.js';
import { HostPathError } from './hostfs.js';
import { type HostFiles, hostPath } from './hostfs-files.js';
import { ArchiveRootfs, FileInput } from './rootfs-archive.js';
import { DirectoryRootfs } from './rootfs-directory.js';
import { StreamInput, TarError } from './tar.js';

/** Bytes that a compressed archive may unpack to: its data is kept in the memory of the process. */
const CONTENT_LIMIT = 2 ** 31;

export interface RootfsOptions {
  /** Bytes that a compressed archive may unpack to. */
  contentLimit?: number;
}

interface Format {
  readonly name: string;
  readonly magic: readonly number[];
}

const GZIP: Format = { name: 'gzip', magic: [0x1f, 0x8b] };
/** Formats that are recognized to say so. */
const FOREIGN: readonly Format[] = [
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68] },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a] },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd] },
  { name: 'zip', magic: [0x50, 0x4b, 0x03, 0x04] },
  { name: 'squashfs', magic: [0x68, 0x73, 0x71, 0x73] },
];
const MAGIC_LENGTH = 8;

const hasMagic = (head: Uint8Array, { magic }: Format): boolean => magic.every((byte, i) => head[i] === byte);

/**
 * Opens a root file system.
 * @param path directory or tar file, also gzipped, as the embedder writes it
 * @throws HostPathError when it is missing, unreadable, or no archive that can be used; the message says why
 */
export async function openRootfs(
  env: VfsEnv,
  device: number,
  host: HostFiles,
  path: string,
  options: RootfsOptions = {},
): Promise<FileSystem> {
  const real = host.realpath(hostPath(path));
  if (isErr(real)) throw new HostPathError(path, real);
  if (host.list(real) !== -ENOTDIR) return new DirectoryRootfs(env, device, host, path);
  const fd = host.open(real, O_RDONLY | O_NONBLOCK, 0);
  if (isErr(fd)) throw new HostPathError(path, fd);
  const stat = host.statDescriptor(fd);
  if (isErr(stat) || (stat.mode & S_IFMT) !== S_IFREG) {
    host.close(fd);
    throw new HostPathError(path, isErr(stat) ? stat : 'neither a directory nor a regular file');
  }
  const head = new Uint8Array(MAGIC_LENGTH);
  const got = host.read(fd, head, 0);
  const foreign = FOREIGN.find((format) => hasMagic(head, format));
  if (isErr(got) || foreign !== undefined || hasMagic(head, GZIP)) host.close(fd);
  if (isErr(got)) throw new HostPathError(path, got);
  if (foreign !== undefined) {
    throw new HostPathError(
      path,
      `${foreign.name} is not supported as a root file system; use a directory, tar or tar.gz`,
    );
  }
  const compressed = hasMagic(head, GZIP);
  const rootfs = new ArchiveRootfs(env, device, host, compressed ? -1 : fd);
  const stream = compressed ? new StreamInput(host.gunzip(real), options.contentLimit ?? CONTENT_LIMIT) : null;
  try {
    await rootfs.fill(stream ?? new FileInput(host, fd));
    return rootfs;
  } catch (error) {
    rootfs.dispose();
    throw new HostPathError(path, explain(error));
  } finally {
    await stream?.close();
  }
}

function explain(error: unknown): string {
  if (error instanceof TarError) return error.message;
  const { code, message } = error as { code?: string; message: string };
  // What zlib says of damaged or short data.
  if (code === 'Z_BUF_ERROR') return 'the compressed archive is truncated';
  return code?.startsWith('Z_') ? `the compressed archive is damaged (${message})` : message;
}
