/** Stop replies: why the machine stopped. @source GDB manual, "Stop Reply Packets" */
import type { Debugger } from '../debug/debugger.js';
import type { DebugEvent, StopReason } from '../debug/events.js';
import { latin1Bytes } from '../text.js';
import { formatAddress, toHex } from './packet.js';
import { expedited } from './registers.js';
import type { Features } from './session.js';
import { toGdb } from './signal-numbers.js';
import { formatThread } from './threads.js';

const byte = (value: number): string => (value & 0xff).toString(16).padStart(2, '0');

export function stopReply(event: DebugEvent, features: Features, debug: Debugger): string {
  if (event.type === 'nothing runs') return 'N';
  if (event.type === 'ended') {
    const signal = event.status & 0x7f;
    const where = features.multiprocess ? `;process:${event.pid.toString(16)}` : '';
    return `${signal === 0 ? `W${byte(event.status >> 8)}` : `X${byte(toGdb(signal))}`}${where}`;
  }
  const { task, signal, reason } = event;
  const thread = formatThread(task, features.multiprocess);
  const why = debug.isAttached(task.process) ? explain(reason, features) : '';
  return `T${byte(toGdb(signal))}${expedited(task)}thread:${thread};${why}`;
}

function explain(reason: StopReason, { multiprocess, swbreak }: Features): string {
  switch (reason.kind) {
    case 'break':
      return swbreak ? 'swbreak:;' : '';
    case 'watch':
      return `${reason.reads ? 'awatch' : 'watch'}:${formatAddress(reason.address)};`;
    case 'exec':
      return `exec:${toHex(latin1Bytes(reason.path))};`;
    case 'fork':
    case 'vfork':
      return `${reason.kind}:${formatThread(reason.child, multiprocess)};`;
    case 'vforkdone':
      return 'vforkdone:;';
    default:
      return '';
  }
}
