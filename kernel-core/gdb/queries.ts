/**
 * General queries and settings: the packets `q` and `Q`, and the objects that `qXfer` hands out in pieces.
 * @source GDB manual, "General Query Packets"
 */
import { SI_KERNEL, SIGTRAP } from '../../abi/signal.js';
import { pathString } from '../../vfs/path-string.js';
import type { AddressSpace } from '../mm/address-space.js';
import { encodeSignalInfo, SIGINFO_SIZE } from '../signals/siginfo.js';
import { makeSignalInfo } from '../signals/state.js';
import type { Task } from '../task.js';
import { latin1Bytes } from '../text.js';
import { ERROR, escapeBinary, MAX_PACKET, parseCount, toHex, UNSUPPORTED } from './packet.js';
import { TARGET_XML } from './registers.js';
import type { Session } from './session.js';
import { toLinux } from './signal-numbers.js';
import { attachedTasks, formatThread, isMeant, parseThread } from './threads.js';

const OFFERED = [
  `PacketSize=${MAX_PACKET.toString(16)}`,
  ...['QStartNoAckMode', 'QPassSignals', 'swbreak', 'vContSupported', 'multiprocess'].map((name) => `${name}+`),
  ...['features', 'auxv', 'exec-file', 'threads', 'siginfo'].map((name) => `qXfer:${name}:read+`),
  ...['QEnvironmentReset', 'QEnvironmentHexEncoded', 'QEnvironmentUnset', 'QSetWorkingDir'].map((name) => `${name}+`),
  ...['fork-events', 'vfork-events', 'exec-events', 'no-resumed'].map((name) => `${name}+`),
].join(';');

export function query(session: Session, packet: string): string {
  const { debugger: debug, features } = session;
  const colon = packet.indexOf(':');
  const name = colon < 0 ? (packet.split(',')[0] ?? '') : packet.slice(0, colon);
  const rest = packet.slice(name.length + 1);
  switch (name) {
    case 'Supported':
      return supported(session, rest.split(';'));
    case 'C':
      return session.task === null ? UNSUPPORTED : `QC${formatThread(session.task, features.multiprocess)}`;
    case 'Attached': {
      const process = session.kernel.processes.get(parseCount(rest)) ?? session.task?.process;
      return process === undefined || debug.wasThere(process) ? '1' : '0';
    }
    case 'fThreadInfo': {
      const tasks = attachedTasks(debug);
      return tasks.length === 0 ? 'l' : `m${tasks.map((task) => formatThread(task, features.multiprocess)).join(',')}`;
    }
    case 'sThreadInfo':
      return 'l';
    case 'ThreadExtraInfo': {
      const task = taskNamed(session, rest);
      return task === null ? ERROR : toHex(latin1Bytes(describe(task)));
    }
    case 'Symbol':
      return 'OK';
    case 'Xfer':
      return transfer(session, rest);
    default:
      return UNSUPPORTED;
  }
}

export function setting(session: Session, packet: string): string {
  if (packet === 'StartNoAckMode') {
    session.acks = false;
    return 'OK';
  }
  if (session.starter.set(packet)) return 'OK';
  if (packet.startsWith('PassSignals:')) {
    const list = packet.slice('PassSignals:'.length);
    session.debugger.signals.passed = new Set(list.split(';').map((text) => toLinux(parseCount(text))));
    return 'OK';
  }
  return UNSUPPORTED;
}

function supported({ features, debugger: debug }: Session, theirs: readonly string[]): string {
  const has = (name: string): boolean => theirs.includes(`${name}+`);
  features.multiprocess = has('multiprocess');
  features.swbreak = has('swbreak');
  features.noResumed = has('no-resumed');
  debug.followsForks = features.multiprocess && has('fork-events');
  debug.followsVforks = features.multiprocess && has('vfork-events');
  debug.followsExec = has('exec-events');
  return OFFERED;
}

function taskNamed({ debugger: debug }: Session, text: string): Task | null {
  const thread = parseThread(text);
  if (thread === null) return null;
  return attachedTasks(debug).find((task) => isMeant(thread, task)) ?? null;
}

/** What `info threads` shows besides the name. */
function describe({ state, wait, comm }: Task): string {
  if (wait.request !== null) return `${comm}, waits: ${wait.request.what}`;
  return state === 'stopped' ? `${comm}, stopped` : comm;
}

// Objects.

/** @param rest object:read:annex:offset,length */
function transfer(session: Session, rest: string): string {
  const [object, operation, annex = '', range = ''] = rest.split(':');
  if (operation !== 'read') return UNSUPPORTED;
  const [offset = Number.NaN, length = Number.NaN] = range.split(',').map(parseCount);
  const content = contentOf(session, object ?? '', annex);
  if (content === undefined) return UNSUPPORTED;
  if (content === null || !(offset >= 0 && length >= 0)) return 'E00';
  // Escaped it may become twice as long.
  const piece = content.slice(offset, offset + Math.min(length, MAX_PACKET / 2 - 16));
  return `${offset + piece.length < content.length ? 'm' : 'l'}${escapeBinary(piece)}`;
}

/** Latin1. @returns undefined: there are no such objects; null: not this one */
function contentOf(session: Session, object: string, annex: string): string | null | undefined {
  switch (object) {
    case 'features':
      return annex === 'target.xml' ? TARGET_XML : null;
    case 'auxv':
      return Buffer.from(session.task?.mm?.auxv ?? []).toString('latin1');
    case 'exec-file': {
      const process = annex === '' ? session.task?.process : session.kernel.processes.get(parseCount(annex));
      const task = process?.leader;
      return task?.mm ? executableOf(task, task.mm) : null;
    }
    case 'siginfo':
      return signalInfo(session);
    case 'threads':
      return threadList(session);
    default:
      return undefined;
  }
}

function executableOf(task: Task, { executable }: AddressSpace): string | null {
  const path = executable?.path ?? null;
  return path === null ? null : pathString(task.fs, path);
}

/** siginfo_t. A task that stopped without a signal has that of a trap, as under ptrace. */
function signalInfo({ task, debugger: debug }: Session): string | null {
  if (task === null) return null;
  const view = new DataView(new ArrayBuffer(SIGINFO_SIZE));
  encodeSignalInfo(debug.signals.of(task) ?? makeSignalInfo(SIGTRAP, SI_KERNEL), view, 0, task.cred.userNamespace);
  return Buffer.from(view.buffer).toString('latin1');
}

function threadList({ debugger: debug, features }: Session): string {
  const lines = attachedTasks(debug).map((task) => {
    const id = formatThread(task, features.multiprocess);
    const state = task.wait.request === null ? '' : describe(task);
    return `<thread id="${id}" name="${escapeXml(task.comm)}">${escapeXml(state)}</thread>`;
  });
  return `<?xml version="1.0"?><threads>${lines.join('')}</threads>`;
}

/** Bytes that are no text are shown as question marks: the document has to be well-formed. */
function escapeXml(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?').replaceAll(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
