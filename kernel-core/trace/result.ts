/** How the tracer writes what a call returned. */
import { ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTNOINTR, ERESTARTSYS, ERRNO_NAMES } from '../../abi/errno.js';
import { F_GETFD, F_GETFL } from '../../abi/fcntl.js';
import { failed, type TraceCall } from './call.js';
import { openFlagText } from './kinds-flags.js';
import { pollResultText, selectResultText } from './kinds-poll.js';
import { messagesResultText } from './kinds-socket.js';
import { dateText, hex, octal, signalText } from './text.js';

/** Results that the program never sees: the call starts again or answers EINTR, as the signal's handler wants it. */
const RESTARTS = new Map([
  [-ERESTARTSYS, 'ERESTARTSYS (To be restarted if SA_RESTART is set)'],
  [-ERESTARTNOINTR, 'ERESTARTNOINTR (To be restarted)'],
  [-ERESTARTNOHAND, 'ERESTARTNOHAND (To be restarted if no handler)'],
  [-ERESTART_RESTARTBLOCK, 'ERESTART_RESTARTBLOCK (Interrupted by signal)'],
]);

function fcntlText(call: TraceCall, result: number): string {
  const command = call.args[1] | 0;
  if (command === F_GETFL) return `${hex(result)} (flags ${openFlagText(result)})`;
  return command === F_GETFD && result !== 0 ? `${hex(result)} (flags FD_CLOEXEC)` : String(result);
}

/** Result formats that rows may name. */
export const RESULT_KINDS: Readonly<Record<string, (call: TraceCall, result: number) => string>> = {
  hex: (_call, result) => hex(result),
  octal: (_call, result) => octal(result),
  fd: (_call, result) => String(result),
  fcntl: fcntlText,
  poll: (call, result) => `${result}${pollResultText(call)}`,
  select: (call, result) => `${result}${selectResultText(call)}`,
  messages: (call, result) => `${result}${messagesResultText(call)}`,
  signal: (_call, result) => `${result} (${signalText(result)})`,
  time: (_call, result) => `${result} (${dateText(result, '')})`,
  personality: (_call, result) => `${hex(result)}${result === 0 ? ' (PER_LINUX)' : ''}`,
  none: () => '?',
};

export function resultText(call: TraceCall): string {
  const result = call.result ?? 0;
  const restart = RESTARTS.get(result);
  if (restart !== undefined) return `? ${restart}`;
  if (failed(call)) {
    const known = ERRNO_NAMES.get(-result);
    return known === undefined ? `-1 (errno ${-result})` : `-1 ${known.name} (${known.message})`;
  }
  const format = RESULT_KINDS[call.row.result ?? ''];
  return format === undefined ? String(result) : format(call, result);
}
