/** Who a process is, and what it may use: process groups, users, priorities, limits, usage, the host's name. */
import { word64 } from './attributes.js';
import { Out, out, textOf, wholeNumber, zeroTerminated } from './calls.js';
import { Directories } from './directories.js';

export interface Limit {
  /** Infinity: none. */
  rlim_cur: number;
  rlim_max: number;
}

/** struct rusage, as far as the kernel fills it; times in microseconds. */
export interface Usage {
  ru_utime: number;
  ru_stime: number;
  /** KiB */
  ru_maxrss: number;
  ru_minflt: number;
  ru_majflt: number;
  ru_nvcsw: number;
  ru_nivcsw: number;
}

export interface UtsName {
  sysname: string;
  nodename: string;
  release: string;
  version: string;
  machine: string;
  domainname: string;
}

const UTS_FIELD = 65;
const RUSAGE_SIZE = 144;

const INFINITE = 2n ** 64n - 1n;

export abstract class Identity extends Directories {
  getpid(): number {
    return this.now('getpid');
  }

  getppid(): number {
    return this.now('getppid');
  }

  getpgrp(): number {
    return this.getpgid(0);
  }

  /** @param pid 0: this process */
  getpgid(pid: number): number {
    return this.now('getpgid', [pid]);
  }

  setpgid(pid: number, pgid: number): void {
    this.now('setpgid', [pid, pgid]);
  }

  getsid(pid = 0): number {
    return this.now('getsid', [pid]);
  }

  /** @returns the number of the new session */
  setsid(): number {
    return this.now('setsid');
  }

  getuid(): number {
    return this.now('getuid');
  }

  geteuid(): number {
    return this.now('geteuid');
  }

  getgid(): number {
    return this.now('getgid');
  }

  getegid(): number {
    return this.now('getegid');
  }

  setuid(uid: number): void {
    this.now('setuid', [uid]);
  }

  setgid(gid: number): void {
    this.now('setgid', [gid]);
  }

  /** -1 leaves an identity as it is. */
  setresuid(real: number, effective: number, saved: number): void {
    this.now('setresuid', [real, effective, saved]);
  }

  setresgid(real: number, effective: number, saved: number): void {
    this.now('setresgid', [real, effective, saved]);
  }

  seteuid(uid: number): void {
    this.setresuid(-1, uid, -1);
  }

  setegid(gid: number): void {
    this.setresgid(-1, gid, -1);
  }

  getgroups(): number[] {
    const count = this.now('getgroups', [0, 0]);
    const groups = new Uint32Array(count);
    if (count > 0) this.now('getgroups', [count, new Out(new Uint8Array(groups.buffer))]);
    return [...groups];
  }

  setgroups(groups: readonly number[]): void {
    const words = Uint32Array.from(groups, (gid) => wholeNumber(gid, 'gid'));
    this.now('setgroups', [words.length, new Uint8Array(words.buffer)]);
  }

  /** @param resource RLIMIT_* @param pid 0: this process */
  getrlimit(resource: number, pid = 0): Limit {
    const limit = out(16);
    this.now('prlimit64', [pid, resource, 0, limit]);
    const [soft, hard] = [0, 8].map((at) => limit.view.getBigUint64(at, true));
    const plain = (value: bigint): number => (value === INFINITE ? Number.POSITIVE_INFINITY : Number(value));
    return { rlim_cur: plain(soft), rlim_max: plain(hard) };
  }

  setrlimit(resource: number, { rlim_cur, rlim_max }: Limit, pid = 0): void {
    const words = [rlim_cur, rlim_max].map((value) =>
      value === Number.POSITIVE_INFINITY ? INFINITE : BigInt(wholeNumber(value, 'limit')),
    );
    this.now('prlimit64', [pid, resource, new Uint8Array(BigUint64Array.from(words).buffer), 0]);
  }

  /** @param who RUSAGE_SELF, RUSAGE_CHILDREN */
  getrusage(who: number): Usage {
    const usage = out(RUSAGE_SIZE);
    this.now('getrusage', [who, usage]);
    const [utime, stime] = [0, 16].map((at) => word64(usage.view, at) * 1_000_000 + word64(usage.view, at + 8));
    const [maxrss, minflt, majflt, nvcsw, nivcsw] = [32, 64, 72, 128, 136].map((at) => word64(usage.view, at));
    return {
      ru_utime: utime,
      ru_stime: stime,
      ru_maxrss: maxrss,
      ru_minflt: minflt,
      ru_majflt: majflt,
      ru_nvcsw: nvcsw,
      ru_nivcsw: nivcsw,
    };
  }

  /** @returns the nice value, -20 to 19 */
  getpriority(which: number, who: number): number {
    // The kernel's answer is 20 minus the value, so that it is never negative.
    return 20 - this.now('getpriority', [which, who]);
  }

  setpriority(which: number, who: number, value: number): void {
    this.now('setpriority', [which, who, value]);
  }

  uname(): UtsName {
    const names = out(6 * UTS_FIELD);
    this.now('uname', [names]);
    const [sysname, nodename, release, version, machine, domainname] = Array.from({ length: 6 }, (_, i) =>
      textOf(names.bytes.subarray(i * UTS_FIELD, (i + 1) * UTS_FIELD)),
    );
    return { sysname, nodename, release, version, machine, domainname };
  }

  gethostname(): string {
    return this.uname().nodename;
  }

  sethostname(name: string): void {
    const bytes = zeroTerminated(name, 'name');
    this.now('sethostname', [bytes, bytes.length - 1]);
  }
}
