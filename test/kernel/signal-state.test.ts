import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SIGCHLD, SIGCONT, SIGKILL, SIGSEGV, SIGSTOP, SIGTERM, SIGTSTP } from '../../abi/signal.js';
import { signalName } from '../../kernel-core/signal-names.js';
import { decodeSignalInfo, encodeSignalInfo } from '../../kernel-core/signals/siginfo.js';
import { SigSet } from '../../kernel-core/signals/sigset.js';
import {
  defaultAction,
  isIgnored,
  makeSignalInfo,
  PendingSignals,
  SIG_IGN,
  SignalHandlers,
} from '../../kernel-core/signals/state.js';
import { INITIAL_USER_NAMESPACE } from '../../vfs/user-namespace.js';

test('a set holds each of the 64 signals by itself', () => {
  for (let signal = 1; signal <= 64; signal++) {
    const set = new SigSet();
    set.add(signal);
    for (let other = 1; other <= 64; other++) assert.is(set.has(other), other === signal);
    set.delete(signal);
    assert.ok(set.isEmpty);
  }
});

test('set arithmetic', () => {
  const a = new SigSet();
  const b = new SigSet();
  a.add(1);
  a.add(40);
  b.add(40);
  b.add(SIGKILL);
  b.add(SIGSTOP);
  assert.ok(a.intersectsOutside(b));
  a.union(b);
  a.clearUnblockable();
  assert.not(a.has(SIGKILL) || a.has(SIGSTOP));
  a.subtract(b);
  assert.ok(a.has(1) && !a.has(40));
  assert.not(a.intersectsOutside(a));
});

test('a standard signal is pending once, a real-time signal as often as it was sent, in order', () => {
  const pending = new PendingSignals();
  assert.ok(pending.add(makeSignalInfo(SIGTERM, 0)));
  assert.not(pending.add(makeSignalInfo(SIGTERM, 0)));
  for (const value of [1, 2, 3]) pending.add(makeSignalInfo(40, -1, { valueLo: value }));
  assert.is(pending.queued, 4);
  assert.is(pending.take(40)!.valueLo, 1);
  assert.is(pending.take(40)!.valueLo, 2);
  assert.ok(pending.set.has(40));
  assert.is(pending.take(40)!.valueLo, 3);
  assert.not(pending.set.has(40));
  assert.is(pending.take(40), null);
  pending.discard(SIGTERM);
  assert.is(pending.queued, 0);
});

test('default actions follow signal(7)', () => {
  assert.is(defaultAction(SIGTERM), 'terminate');
  assert.is(defaultAction(SIGSEGV), 'core');
  assert.is(defaultAction(SIGCHLD), 'ignore');
  assert.is(defaultAction(SIGTSTP), 'stop');
  assert.is(defaultAction(SIGCONT), 'continue');
  assert.is(defaultAction(50), 'terminate');
});

function dispose(handlers: SignalHandlers, signal: number, handler: number): void {
  handlers.actions[signal] = { ...handlers.actions[signal]!, handler };
}

test('exec resets what was caught and keeps what was ignored', () => {
  const handlers = new SignalHandlers();
  dispose(handlers, SIGTERM, 0x1000);
  dispose(handlers, SIGTSTP, SIG_IGN);
  const copy = handlers.clone();
  copy.reset();
  assert.is(copy.actions[SIGTERM].handler, 0);
  assert.is(copy.actions[SIGTSTP].handler, SIG_IGN);
  assert.is(handlers.actions[SIGTERM].handler, 0x1000);
  assert.ok(isIgnored(copy.actions[SIGTSTP], SIGTSTP));
  dispose(copy, SIGKILL, SIG_IGN);
  assert.not(isIgnored(copy.actions[SIGKILL], SIGKILL));
});

test('siginfo of a queued signal survives memory', () => {
  const view = new DataView(new ArrayBuffer(256));
  const info = makeSignalInfo(40, -1, { pid: 7, uid: 1000, valueLo: -5, valueHi: 6 });
  encodeSignalInfo(info, view, 64, INITIAL_USER_NAMESPACE);
  assert.equal(decodeSignalInfo(view, 64, 40, INITIAL_USER_NAMESPACE), info);
});

test('signal names', () => {
  assert.equal([1, 9, 31, 33, 64].map(signalName), ['SIGHUP', 'SIGKILL', 'SIGSYS', 'SIGRT_1', 'SIGRT_32']);
});

test.run();
