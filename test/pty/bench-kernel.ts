/** What terminals need around them, for tests: a file system environment, one session, a log of signals. */
import { isErr } from '../../abi/errno.js';
import { O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { SIGCONT, SIGHUP } from '../../abi/signal.js';
import { Devpts, type DevptsOptions } from '../../pty/devpts.js';
import { LineDisciplines } from '../../pty/disciplines.js';
import type { ControllingTerminal, SessionControl, TtyCaller } from '../../pty/job-control.js';
import { type Credentials, makeCredentials } from '../../vfs/caller.js';
import { DeviceTable } from '../../vfs/devices.js';
import type { OpenFile, UserMemory } from '../../vfs/file.js';
import type { VfsEnv } from '../../vfs/filesystem.js';
import { BytesIter } from '../../vfs/iter.js';

/** A process that a test moves about as it likes. */
export class FakeProcess implements TtyCaller {
  readonly pid: number;
  sid: number;
  pgid: number;
  cred: Credentials;
  tty: ControllingTerminal | null = null;
  ignored = new Set<number>();
  orphaned = false;

  constructor(pid: number, sid = pid, pgid = pid, uid = 0) {
    this.pid = pid;
    this.sid = sid;
    this.pgid = pgid;
    this.cred = makeCredentials(uid, uid);
  }

  get isSessionLeader(): boolean {
    return this.pid === this.sid;
  }

  controllingTty(): ControllingTerminal | null {
    return this.tty;
  }

  setControllingTty(tty: ControllingTerminal | null): void {
    this.tty = tty;
  }

  ignoresOrBlocks(signal: number): boolean {
    return this.ignored.has(signal);
  }

  inOrphanedGroup(): boolean {
    return this.orphaned;
  }
}

/** Memory of one small buffer at address 0x1000; all else faults. */
export class FakeMemory implements UserMemory {
  readonly bytes = new Uint8Array(256);

  read(address: number, target: Uint8Array): number {
    if (address !== 0x1000) return -14;
    target.set(this.bytes.subarray(0, target.length));
    return 0;
  }

  write(address: number, source: Uint8Array): number {
    if (address !== 0x1000) return -14;
    this.bytes.set(source);
    return 0;
  }
}

export class FakeKernel implements SessionControl {
  readonly disciplines = new LineDisciplines();
  readonly processes: FakeProcess[] = [];
  /** Signals sent since it was last emptied: `group:signal`. */
  log: string[] = [];
  seconds = 1000;
  readonly env: VfsEnv = {
    frames: {
      u8: new Uint8Array(0),
      limitFrames: 0,
      allocFrame: () => 0,
      reserve: () => null,
      allocAt: () => 0,
      release() {},
      ref() {},
      unref() {},
      willWrite() {},
    },
    devices: new DeviceTable(),
    now: (out) => {
      out.sec = this.seconds;
      out.nsec = 5;
    },
  };
  readonly devpts: Devpts;

  constructor(options?: DevptsOptions) {
    this.devpts = new Devpts(this.env, 0x15, this, options);
  }

  add(pid: number, sid = pid, pgid = pid, uid = 0): FakeProcess {
    const process = new FakeProcess(pid, sid, pgid, uid);
    this.processes.push(process);
    return process;
  }

  signalGroup(pgid: number, signal: number): void {
    this.log.push(`${pgid}:${signal}`);
  }

  hangupSession(sid: number, _foreground: number): void {
    this.log.push(`${sid}:${SIGHUP}`, `${sid}:${SIGCONT}`);
    this.detachSession(sid);
  }

  detachSession(sid: number): void {
    for (const process of this.processes) if (process.sid === sid) process.tty = null;
  }

  groupInSession(pgid: number, sid: number): boolean {
    return this.processes.some((p) => (p.pgid === pgid || p.pid === pgid) && p.sid === sid);
  }

  idExists(id: number): boolean {
    return this.processes.some((p) => p.pgid === id || p.pid === id);
  }
}

export interface OpenPair {
  kernel: FakeKernel;
  leader: FakeProcess;
  memory: FakeMemory;
  master: OpenFile;
  slave: OpenFile;
}

/** A pair whose slave is the controlling terminal of a session with one process, 100. Files are non-blocking. */
export function openPair(): OpenPair {
  const kernel = new FakeKernel();
  kernel.add(1);
  const leader = kernel.add(100);
  const memory = new FakeMemory();
  const master = kernel.devpts.openMaster(kernel.devpts.ptmx, O_RDWR | O_NONBLOCK, leader);
  if (isErr(master)) throw new Error(`ptmx: ${master}`);
  master.ioctl(0x40045431, 0x1000, memory, leader);
  const slave = kernel.devpts.slave(master.tty.index)!.open(O_RDWR | O_NONBLOCK, leader);
  if (isErr(slave)) throw new Error(`slave: ${slave}`);
  return { kernel, leader, memory, master, slave };
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
export const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** Writes latin1 text. @returns what write(2) returns */
export const type = (file: OpenFile, text: string, caller: TtyCaller): number =>
  file.write(new BytesIter(bytesOf(text)), 0, caller);

/** Reads. @returns latin1 text, or the error */
export function read(file: OpenFile, caller: TtyCaller, count = 4096): string | number {
  const iter = new BytesIter(new Uint8Array(count));
  const result = file.read(iter, 0, caller);
  return result < 0 ? result : textOf(iter.bytes.subarray(0, result));
}
