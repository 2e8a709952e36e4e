/**
 * Job control, sessions and permissions, case by case. The expected answers were given by Linux; where this host can
 * run native/jobs.c (as root), they are asked for again.
 */
import { execFileSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isErr } from '../../abi/errno.js';
import { O_NOCTTY, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../../abi/fcntl.js';
import * as io from '../../abi/ioctl.js';
import { SIGTTIN, SIGTTOU } from '../../abi/signal.js';
import { TOSTOP } from '../../abi/termios.js';
import { openCurrentTty } from '../../pty/tty-devices.js';
import type { TtyFile } from '../../pty/tty-file.js';
import type { OpenFile } from '../../vfs/file.js';
import { type FakeProcess, openPair, read, type } from './bench-kernel.js';
import { compileNative } from './script.js';

/** Result, then the signals that the caller's group got. EINTR stands for an interrupted call that may restart. */
const EXPECTED: Record<string, string> = {
  'background read': '-4 | 21',
  'background read ignoring': '-5 |',
  'background write': '1 |',
  'background write tostop': '-4 | 22',
  'background write tostop ignoring': '1 |',
  'orphan write tostop': '-5 |',
  'background tcsetattr': '-4 | 22',
  'background tcsetattr ignoring': '0 |',
  'background tcsetattr blocking': '0 |',
  'background tcsetpgrp': '-4 | 22',
  'background tcsetpgrp blocking': '0 |',
  'background tcdrain': '-4 | 22',
  'background tcflush': '-4 | 22',
  'background resize': '0 |',
  'background tcgetpgrp': '0 |',
  'orphan read': '-5 |',
  'orphan tcsetattr': '-5 |',
  'orphan tcsetpgrp': '-25 |',
  'foreground group of another session': '-1 |',
  'foreground group that does not exist': '-3 |',
  'dev tty': '0 |',
  'other session tcgetpgrp': '-25 |',
  'other session tcsetpgrp': '-25 |',
  'other session write': '1 |',
  'other session dev tty': '-6 |',
  'other session takes': '-1 |',
  'other session user steals': '-1 |',
  'child takes': '-1 |',
  'child gives up': '-25 |',
  'user TIOCSTI': '0 |',
  'user of another session TIOCSTI': '-1 |',
  'user hangs up': '-1 |',
  'user opens exclusive': '-16 |',
  'root opens exclusive': '0 |',
  'leader tcgetpgrp': '0 |',
  'leader takes again': '0 |',
  'leader gives up': '0 | 1 18',
  'leader dev tty': '-6 |',
  'opens without O_NOCTTY for writing': '-6 |',
  'opens with O_NOCTTY': '-6 |',
  'opens without O_NOCTTY for reading': '0 |',
  'leader takes back': '0 |',
  'other session steals': '0 |',
  'robbed leader tcgetpgrp': '-25 |',
  'leader takes after theft': '0 |',
  'master closed': '0 | 1 18',
  'tcgetpgrp after': '-5 |',
};

const ADDRESS = 0x1000;

type Kind = 'background' | 'ignoring' | 'orphan' | 'session' | 'user' | 'blocking';

function answersHere(): Record<string, string> {
  const { kernel, leader, memory, master, slave } = openPair();
  const { tty } = slave as TtyFile;
  const node = slave.inode;
  const answers: Record<string, string> = {};
  let nextPid = 200;

  const report = (name: string, who: FakeProcess, act: (who: FakeProcess) => number): void => {
    kernel.log = [];
    const result = act(who);
    const signals = kernel.log.filter((entry) => entry.startsWith(`${who.pgid}:`)).map((entry) => entry.split(':')[1]);
    const text = [...new Set(signals)].map((signal) => ` ${signal}`).join('');
    answers[name] = `${result === -512 ? -4 : result} |${text}`;
  };
  const child = (name: string, kinds: Kind[], act: (who: FakeProcess) => number): void => {
    const pid = nextPid++;
    const isLeader = kinds.includes('session');
    const group = isLeader || kinds.includes('background') ? pid : leader.pgid;
    const who = kernel.add(pid, isLeader ? pid : leader.sid, group, kinds.includes('user') ? 1000 : 0);
    who.tty = isLeader ? null : leader.tty;
    if (kinds.includes('ignoring')) who.ignored = new Set([SIGTTIN, SIGTTOU]);
    if (kinds.includes('blocking')) who.ignored = new Set([SIGTTOU]);
    who.orphaned = kinds.includes('orphan');
    report(name, who, act);
    if (isLeader && who.tty === tty) tty.sessionLeaderExited(who.sid);
    kernel.processes.splice(kernel.processes.indexOf(who), 1);
    if (leader.tty === tty) tty.pgid = leader.pgid;
  };

  const ioctl = (request: number, argument: number) => (who: FakeProcess) =>
    slave.ioctl(request, argument, memory, who);
  const ioctlInt = (request: number, value: (who: FakeProcess) => number) => (who: FakeProcess) => {
    new DataView(memory.bytes.buffer).setInt32(0, value(who), true);
    return slave.ioctl(request, ADDRESS, memory, who);
  };
  const readIt = (who: FakeProcess) => Number(read(slave, who));
  const writeIt = (who: FakeProcess) => type(slave, 'x', who);
  const changeIt = (who: FakeProcess) => {
    slave.ioctl(io.TCGETS, ADDRESS, memory, who);
    return slave.ioctl(io.TCSETS, ADDRESS, memory, who);
  };
  const foregroundMe = ioctlInt(io.TIOCSPGRP, (who) => who.pgid);
  const getGroup = ioctl(io.TIOCGPGRP, ADDRESS);
  const takeIt = ioctl(io.TIOCSCTTY, 0);
  const stealIt = ioctl(io.TIOCSCTTY, 1);
  const giveUp = ioctl(io.TIOCNOTTY, 0);
  const closing = (file: OpenFile | number): number => {
    if (typeof file === 'number') return file;
    file.unref();
    return 0;
  };
  const openTty = (who: FakeProcess) => closing(openCurrentTty(node, O_RDWR, who));
  const openSlave = (who: FakeProcess) => closing(node.open(O_RDWR | O_NOCTTY, who));
  const openThen = (flags: number) => (who: FakeProcess) => {
    const file = node.open(flags, who);
    if (isErr(file)) return file;
    const result = openTty(who);
    file.unref();
    return result;
  };
  const toStop = (on: boolean): void => {
    tty.termios.lflag = on ? tty.termios.lflag | TOSTOP : tty.termios.lflag & ~TOSTOP;
  };

  child('background read', ['background'], readIt);
  child('background read ignoring', ['background', 'ignoring'], readIt);
  child('background write', ['background'], writeIt);
  toStop(true);
  child('background write tostop', ['background'], writeIt);
  child('background write tostop ignoring', ['background', 'ignoring'], writeIt);
  child('orphan write tostop', ['background', 'orphan'], writeIt);
  toStop(false);
  child('background tcsetattr', ['background'], changeIt);
  child('background tcsetattr ignoring', ['background', 'ignoring'], changeIt);
  child('background tcsetattr blocking', ['background', 'blocking'], changeIt);
  child('background tcsetpgrp', ['background'], foregroundMe);
  child('background tcsetpgrp blocking', ['background', 'blocking'], foregroundMe);
  child('background tcdrain', ['background'], ioctl(io.TCSBRK, 1));
  child('background tcflush', ['background'], ioctl(io.TCFLSH, io.TCIFLUSH));
  child('background resize', ['background'], ioctl(io.TIOCSWINSZ, ADDRESS));
  child('background tcgetpgrp', ['background'], getGroup);
  child('orphan read', ['background', 'orphan'], readIt);
  child('orphan tcsetattr', ['background', 'orphan'], changeIt);
  child('orphan tcsetpgrp', ['background', 'orphan'], foregroundMe);
  child(
    'foreground group of another session',
    [],
    ioctlInt(io.TIOCSPGRP, () => 1),
  );
  child(
    'foreground group that does not exist',
    [],
    ioctlInt(io.TIOCSPGRP, () => 4194399),
  );
  child('dev tty', [], openTty);
  child('other session tcgetpgrp', ['session'], getGroup);
  child('other session tcsetpgrp', ['session'], foregroundMe);
  child('other session write', ['session'], writeIt);
  child('other session dev tty', ['session'], openTty);
  child('other session takes', ['session'], takeIt);
  child('other session user steals', ['session', 'user'], stealIt);
  child('child takes', ['background'], takeIt);
  child('child gives up', [], (who) => giveUp(who) || getGroup(who));
  child('user TIOCSTI', ['user'], ioctl(io.TIOCSTI, ADDRESS));
  child('user of another session TIOCSTI', ['session', 'user'], ioctl(io.TIOCSTI, ADDRESS));
  child('user hangs up', ['user'], ioctl(io.TIOCVHANGUP, 0));
  ioctl(io.TIOCEXCL, 0)(leader);
  child('user opens exclusive', ['user'], openSlave);
  child('root opens exclusive', [], openSlave);
  ioctl(io.TIOCNXCL, 0)(leader);
  report('leader tcgetpgrp', leader, getGroup);
  report('leader takes again', leader, takeIt);
  report('leader gives up', leader, giveUp);
  report('leader dev tty', leader, openTty);
  child('opens without O_NOCTTY for writing', ['session'], openThen(O_WRONLY));
  child('opens with O_NOCTTY', ['session'], openThen(O_RDWR | O_NOCTTY));
  child('opens without O_NOCTTY for reading', ['session'], openThen(O_RDONLY));
  report('leader takes back', leader, takeIt);
  child('other session steals', ['session'], (who) => stealIt(who) || getGroup(who));
  report('robbed leader tcgetpgrp', leader, getGroup);
  report('leader takes after theft', leader, takeIt);
  report('master closed', leader, () => {
    master.unref();
    return 0;
  });
  report('tcgetpgrp after', leader, getGroup);
  slave.unref();
  assert.is(kernel.devpts.pairCount, 0);
  return answers;
}

test('job control is as Linux has it', () => {
  assert.equal(answersHere(), EXPECTED);
});

test('Linux still says so', () => {
  const binary = process.getuid?.() === 0 ? compileNative('jobs') : null;
  if (binary === null) {
    console.log('SKIP pty/jobs native: needs root, gcc and pseudo-terminals');
    return;
  }
  const answers: Record<string, string> = {};
  for (const line of execFileSync(binary, { encoding: 'latin1' }).trimEnd().split('\n')) {
    const [, name, answer] = /^(.*?) (-?\d+ \|.*)$/.exec(line) ?? [];
    answers[name] = answer;
  }
  // The signals of the closed master are still on the probe's list after it.
  answers['tcgetpgrp after'] = answers['tcgetpgrp after'].replace(' 1 18', '');
  assert.equal(answers, EXPECTED);
});

test('the end of the session leader takes the terminal from the session, with SIGHUP for the foreground', () => {
  const { kernel, leader, slave } = openPair();
  const member = kernel.add(150, 100, 150);
  member.tty = leader.tty;
  const { tty } = slave as TtyFile;
  tty.pgid = 150;
  kernel.log = [];
  tty.sessionLeaderExited(100);
  assert.equal(kernel.log, ['150:1']);
  assert.is(member.tty, null);
  assert.is(tty.sid, 0);
  tty.sessionLeaderExited(100);
  assert.equal(kernel.log, ['150:1']);
});

test('a waiting background read is told to restart, not to wait', () => {
  const { kernel, leader, slave } = openPair();
  slave.flags &= ~O_NONBLOCK;
  const background = kernel.add(150, 100, 150);
  background.tty = leader.tty;
  assert.is(read(slave, background), -512);
  assert.is(read(slave, leader), -11);
});

test.run();
