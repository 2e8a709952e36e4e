/** Files and descriptors: one family in several files. */

import { fileLockSyscalls } from './file-locks.js';
import { fileControlSyscalls } from './files-control.js';
import { fileDataSyscalls } from './files-data.js';
import { fileOpenSyscalls } from './files-open.js';
import { fileSpaceSyscalls } from './files-space.js';
import { teeSyscalls } from './files-tee.js';
import { fileTransferSyscalls } from './files-transfer.js';
import { memfdSyscalls } from './memfd.js';
import type { SyscallRows } from './row.js';

export const fileSyscalls: SyscallRows = {
  ...fileDataSyscalls,
  ...fileOpenSyscalls,
  ...fileControlSyscalls,
  ...fileSpaceSyscalls,
  ...fileTransferSyscalls,
  ...teeSyscalls,
  ...fileLockSyscalls,
  ...memfdSyscalls,
};
