/** The command line of `banos`, turned into what boot and spawn take, and its exit statuses. */
import { InvalidArgumentError } from 'commander';

/** Exit status when banos itself failed, as env(1) and docker(1) have it. */
export const EXIT_BANOS_FAILED = 125;

export interface MountOption {
  host: string;
  guest: string;
  readOnly: boolean;
}

/** Options of `banos run` and `banos shell` as commander hands them over. */
export interface RunOptions {
  rootfs?: string;
  mount: MountOption[];
  env: Record<string, string>;
  cwd?: string;
  user?: { uid: number; gid: number };
  tty?: boolean;
  /** The program is the shell: it does not wait for a debugger. */
  isShell?: boolean;
  /** '-' is standard error. */
  strace?: string;
  seed?: number;
  memory: number;
  stats?: boolean;
  /** False: interpret only. */
  translator: boolean;
  kernelLog?: boolean;
  /** TCP port; 0: any that is free. */
  gdb?: number;
  /** File for a core of the kernel. */
  crashDump?: string;
  /** Directory for translated code. */
  codeCache?: string;
  /** Bytes. */
  codeCacheLimit?: number;
  /** Unsigned. */
  dumpCode: bigint[];
}

/** HOST:GUEST[:ro]; the guest path begins with a slash, so that a host path may hold colons. */
export function parseMount(text: string, earlier: MountOption[]): MountOption[] {
  const match = /^(.+):(\/[^:]*)(?::(ro|rw))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('expected HOST:GUEST or HOST:GUEST:ro, GUEST beginning with /');
  return [...earlier, { host: match[1], guest: match[2], readOnly: match[3] === 'ro' }];
}

/** K=V, or K alone for the value it has here. */
export function parseEnv(text: string, earlier: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at === 0) throw new InvalidArgumentError('expected NAME=VALUE');
  if (at > 0) return { ...earlier, [text.slice(0, at)]: text.slice(at + 1) };
  const value = process.env[text];
  return value === undefined ? earlier : { ...earlier, [text]: value };
}

export function parseUser(text: string): { uid: number; gid: number } {
  const match = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  if (match === null) throw new InvalidArgumentError('expected UID or UID:GID, both numbers');
  const uid = Number(match[1]);
  const gid = match[2] === undefined ? uid : Number(match[2]);
  if (uid > 0xfffffffe || gid > 0xfffffffe) throw new InvalidArgumentError('numbers must be below 4294967295');
  return { uid, gid };
}

const MIN_MEMORY = 16;
const MAX_MEMORY = 4096;

export function parseMemory(text: string): number {
  const mebibytes = Number(text);
  if (!Number.isInteger(mebibytes) || mebibytes < MIN_MEMORY || mebibytes > MAX_MEMORY) {
    throw new InvalidArgumentError(`expected a whole number of MiB from ${MIN_MEMORY} to ${MAX_MEMORY}`);
  }
  return mebibytes;
}

/** MiB, as bytes. */
export function parseCacheLimit(text: string): number {
  const mebibytes = Number(text);
  if (!Number.isInteger(mebibytes) || mebibytes < 1) throw new InvalidArgumentError('expected a whole number of MiB');
  return mebibytes * 2 ** 20;
}

export function parseSeed(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

/** A hexadecimal address, with or without 0x. */
export function parseAddress(text: string, earlier: bigint[]): bigint[] {
  const match = /^(?:0x)?([0-9a-f]{1,16})$/i.exec(text);
  if (match === null) throw new InvalidArgumentError('expected a hexadecimal address such as 0x401000');
  return [...earlier, BigInt(`0x${match[1]}`)];
}

const MAX_PORT = 65535;

export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > MAX_PORT) throw new InvalidArgumentError('expected a port from 0 to 65535');
  return port;
}

const VALUED = [
  '--rootfs',
  '--mount',
  '--env',
  '--cwd',
  '--user',
  '--seed',
  '--memory',
  '--dump-code',
  '--gdb',
  '--crash-dump',
  '--code-cache',
  '--code-cache-limit',
];

/**
 * `--strace` may stand without a value, and then the next word is not its value: makes it `--strace=-`, as far as the
 * options of banos itself go.
 */
export function normaliseStrace(args: readonly string[]): string[] {
  const result: string[] = [];
  let position = 0;
  let started = false;
  for (; position < args.length; position++) {
    const arg = args[position];
    if (arg === '--') break;
    if (!arg.startsWith('-')) {
      if (started) break;
      started = true;
    }
    result.push(arg === '--strace' ? '--strace=-' : arg);
    if (VALUED.includes(arg) && position + 1 < args.length) result.push(args[++position]);
  }
  return [...result, ...args.slice(position)];
}
