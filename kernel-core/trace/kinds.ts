/** Every kind of argument that a system call row may name, with its formatter. */
import type { ArgumentFormat } from './call.js';
import { COMMAND_KINDS } from './kinds-commands.js';
import { EVENT_KINDS } from './kinds-events.js';
import { FLAG_KINDS } from './kinds-flags.js';
import { MEMORY_KINDS } from './kinds-memory.js';
import { NUMBER_KINDS } from './kinds-numbers.js';
import { POLL_KINDS } from './kinds-poll.js';
import { SIGNAL_KINDS } from './kinds-signals.js';
import { SOCKET_KINDS } from './kinds-socket.js';
import { STRUCT_KINDS } from './kinds-structs.js';
import { TIME_KINDS } from './kinds-time.js';

const KINDS = {
  ...NUMBER_KINDS,
  ...FLAG_KINDS,
  ...MEMORY_KINDS,
  ...TIME_KINDS,
  ...STRUCT_KINDS,
  ...SIGNAL_KINDS,
  ...COMMAND_KINDS,
  ...POLL_KINDS,
  ...SOCKET_KINDS,
  ...EVENT_KINDS,
};

/** How an argument is traced; what a row's `args` may name. */
export type ArgumentKind = keyof typeof KINDS;

export const ARGUMENT_KINDS: Readonly<Record<string, ArgumentFormat>> = KINDS;
