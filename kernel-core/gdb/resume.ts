/**
 * How tasks go on: `vCont` and the older `c`, `s`, `C`, `S`. Of the actions of a vCont packet the first one that names
 * a task is its own; a task that none names stays where it is.
 * @source GDB manual, "vCont packet"
 */

import type { Going } from '../debug/events.js';
import { LAST_SIGNAL } from '../signals/state.js';
import type { Task } from '../task.js';
import { parseAddress } from './packet.js';
import { toLinux } from './signal-numbers.js';
import { ALL, isMeant, parseThread, type ThreadId } from './threads.js';

export const VCONT_ACTIONS = 'vCont;c;C;s;S;r';
const EVERYBODY: ThreadId = { pid: ALL, tid: ALL };
/** rip leaves it with the first instruction. */
const ONE_STEP: readonly [number, number] = [0, 0];

interface Action {
  readonly going: Going;
  readonly thread: ThreadId;
}

export type Plan = (task: Task) => Going | null;

function goingOf(text: string): Going | null {
  const letter = text[0];
  const rest = text.slice(1);
  switch (letter) {
    case 'c':
    case 's':
      return rest === '' ? { range: letter === 's' ? ONE_STEP : null, signal: 0 } : null;
    case 'C':
    case 'S': {
      if (!/^[0-9a-f]{2}$/i.test(rest)) return null;
      const signal = toLinux(Number.parseInt(rest, 16));
      return signal > LAST_SIGNAL ? null : { range: letter === 'S' ? ONE_STEP : null, signal };
    }
    case 'r': {
      const [start = Number.NaN, end = Number.NaN] = rest.split(',').map(parseAddress);
      return Number.isNaN(start) || Number.isNaN(end) ? null : { range: [start, end], signal: 0 };
    }
    default:
      return null;
  }
}

/** @param text what follows `vCont` @returns null when it is not well-formed */
export function parseVCont(text: string): Plan | null {
  const actions: Action[] = [];
  for (const part of text.split(';').slice(1)) {
    const colon = part.indexOf(':');
    const going = goingOf(colon < 0 ? part : part.slice(0, colon));
    const thread = colon < 0 ? EVERYBODY : parseThread(part.slice(colon + 1));
    if (going === null || thread === null) return null;
    actions.push({ going, thread });
  }
  return actions.length === 0 ? null : (task) => actions.find(({ thread }) => isMeant(thread, task))?.going ?? null;
}

/**
 * The packets without threads: what they say is for the current task, the others go on.
 * @returns null when it is none of them, or not well-formed (an address to go on at is not taken)
 */
export function parsePlain(text: string, current: Task | null): Plan | null {
  const going = goingOf(text);
  if (going === null || text[0] === 'r') return null;
  return (task) => (task === current ? going : { range: null, signal: 0 });
}
