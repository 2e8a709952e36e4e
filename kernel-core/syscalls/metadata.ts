/** Metadata: what is reported (stat.ts) and what is checked and changed (attributes.ts). */
import { attributeSyscalls } from './attributes.js';
import type { SyscallRows } from './row.js';
import { statSyscalls } from './stat.js';

export const metadataSyscalls: SyscallRows = { ...statSyscalls, ...attributeSyscalls };
