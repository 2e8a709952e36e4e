/** /proc/PID/net: sockets of the task's network namespace. @source Linux net/unix/af_unix.c unix_seq_show */
import { ENOENT, fail } from '../../../abi/errno.js';
import { hex } from './format.js';
import { type DirectoryRow, directory, file } from './row.js';
import type { ProcTask, ProcUnixSocket } from './source.js';

/** Flag of a socket that listens. @source linux/net.h */
const SO_ACCEPTCON = 0x10000;

/** Kernel addresses are shown to nobody. */
const HIDDEN_ADDRESS = '0000000000000000';

function line({ references, isListening, type, state, ino, path }: ProcUnixSocket): string {
  const columns = [
    `${HIDDEN_ADDRESS}:`,
    hex(references, 8).toUpperCase(),
    hex(0, 8),
    hex(isListening ? SO_ACCEPTCON : 0, 8).toUpperCase(),
    hex(type, 4).toUpperCase(),
    hex(state, 2).toUpperCase(),
    `${ino}`.padStart(5),
  ];
  const name = path === '' ? '' : ` ${path.replaceAll('\0', '@')}`;
  return `${columns.join(' ')}${name}\n`;
}

const HEADER = 'Num       RefCount Protocol Flags    Type St Inode Path\n';

export const NET_ROW: DirectoryRow<ProcTask> = directory('net', [
  file<ProcTask>(
    'unix',
    ({ network }) => (network === null ? fail(ENOENT) : HEADER + Array.from(network.unixSockets(), line).join('')),
    { refusal: ({ network }) => (network === null ? fail(ENOENT) : 0) },
  ),
]);
