/**
 * Terminal scripts: the same commands for the host's pseudo-terminals (native/driver.c) and for ours, and the same
 * answers. A command is a line; see the driver for what each does.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isErr } from '../../abi/errno.js';
import { O_NOCTTY, O_NONBLOCK, O_RDWR } from '../../abi/fcntl.js';
import { TIOCSWINSZ } from '../../abi/ioctl.js';
import type { OpenFile } from '../../vfs/file.js';
import { BytesIter } from '../../vfs/iter.js';
import { openPair } from './bench-kernel.js';

/** Poll bits that the driver asks for, with those that poll(2) always reports. */
const ASKED = 0x1 | 0x2 | 0x4 | 0x40 | 0x100 | 0x8 | 0x10 | 0x20;
const ADDRESS = 0x1000;

const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Runs one script on our terminals. @returns one answer per command */
export function runHere(commands: readonly string[]): string[] {
  const { kernel, leader, memory, master, slave } = openPair();
  const files: Record<string, OpenFile | null> = { m: master, s: slave };
  const answerTo = (line: string): string => {
    const [command, end, ...rest] = line.split(' ');
    const file = files[end] ?? null;
    const ioctl = (request: string, argument: number): number =>
      file!.ioctl(Number.parseInt(request, 16), argument, memory, leader);
    switch (command) {
      case 'w':
        return String(file!.write(new BytesIter(unhex(rest[0] ?? '')), 0, leader));
      case 'f': {
        const bytes = new Uint8Array(Number(rest[1])).fill(Number.parseInt(rest[0], 16));
        return String(file!.write(new BytesIter(bytes), 0, leader));
      }
      case 'r': {
        const iter = new BytesIter(new Uint8Array(Number(rest[0])));
        const count = file!.read(iter, 0, leader);
        return `${count} ${hex(iter.bytes.subarray(0, Math.max(0, count)))}`;
      }
      case 't': {
        const [request, iflag, oflag, cflag, lflag, cc] = rest;
        memory.bytes.fill(0);
        const flags = [iflag, oflag, cflag, lflag].map((flag) => Number.parseInt(flag, 16));
        memory.bytes.set(new Uint8Array(Uint32Array.from(flags).buffer));
        memory.bytes.set(unhex(cc), 17);
        return String(ioctl(request, ADDRESS));
      }
      case 'g': {
        memory.bytes.fill(0);
        const result = ioctl(rest[0], ADDRESS);
        return `${result} ${result < 0 ? '' : hex(memory.bytes.subarray(0, Number(rest[1])))}`;
      }
      case 'i': {
        const view = new DataView(memory.bytes.buffer);
        view.setInt32(0, Number(rest[1]), true);
        const result = ioctl(rest[0], ADDRESS);
        return `${result} ${view.getInt32(0, true)}`;
      }
      case 'd':
        return String(ioctl(rest[0], Number(rest[1])));
      case 'z':
        memory.bytes.fill(0);
        memory.bytes.set(new Uint8Array(Uint16Array.of(Number(rest[0]), Number(rest[1])).buffer));
        return String(file!.ioctl(TIOCSWINSZ, ADDRESS, memory, leader));
      case 'p':
        return ['m', 's'].map((e) => ((files[e]?.poll() ?? 0) & ASKED).toString(16)).join(' ');
      case 'c':
        file!.unref();
        files[end] = null;
        return '0';
      case 'o': {
        const node = kernel.devpts.root.lookup('0');
        const opened = isErr(node) ? node : node.open(O_RDWR | O_NOCTTY | O_NONBLOCK, leader);
        if (isErr(opened)) return String(opened);
        files['s'] = opened;
        return '0';
      }
      default:
        throw new Error(`no such command: ${line}`);
    }
  };
  return commands.map((line) => {
    kernel.log = [];
    const answer = answerTo(line);
    const signals = new Set(kernel.log.map((entry) => Number(entry.split(':')[1])));
    const order = [1, 2, 3, 20, 18, 21, 22, 28].filter((signal) => signals.has(signal));
    return `${answer} |${order.map((signal) => ` ${signal}`).join('')}`;
  });
}

let directory: string | null = null;

/** Compiles native/NAME.c. @returns path of the program, or null where there is no C compiler or no host terminal */
export function compileNative(name: string): string | null {
  if (process.platform !== 'linux' || !existsSync('/dev/ptmx')) return null;
  if (directory === null) {
    const made = mkdtempSync(join(tmpdir(), 'pty-native-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    directory = made;
  }
  const binary = join(directory, name);
  const source = join(import.meta.dirname, 'native', `${name}.c`).replace('/dist/test/', '/test/');
  try {
    execFileSync('gcc', ['-O1', '-w', '-o', binary, source], { stdio: 'pipe' });
    return binary;
  } catch {
    return null;
  }
}

let driver: string | null | undefined;

/** The script driver, compiled and tried once. @returns its path, or null where it does not work */
export function nativeDriver(): string | null {
  if (driver !== undefined) return driver;
  driver = compileNative('driver');
  try {
    if (driver !== null) execFileSync(driver, ['0'], { input: 'N\np\n', stdio: 'pipe' });
  } catch {
    driver = null;
  }
  return driver;
}

/** Runs scripts on the host's terminals. @param settle microseconds to wait after each command */
export function runNative(scripts: readonly (readonly string[])[], settle: number): string[][] {
  const input = scripts.map((script) => `N\n${script.join('\n')}\n`).join('');
  const output = execFileSync(driver!, [String(settle)], { input, encoding: 'latin1', maxBuffer: 1 << 28 });
  return output
    .split('N\n')
    .slice(0, scripts.length)
    .map((text) => text.trimEnd().split('\n'));
}

/** Microseconds. A busy host may need the longer ones before its workers have run. */
const SETTLE_TIMES = [250, 3000, 30_000, 300_000];

/** @returns null when both agree, else what differs */
export function difference(script: readonly string[]): string | null {
  const ours = runHere(script);
  let report = '';
  for (const settle of SETTLE_TIMES) {
    const [theirs] = runNative([script], settle);
    const at = script.findIndex((_, i) => ours[i].trimEnd() !== theirs[i]?.trimEnd());
    if (at < 0) return null;
    report = `at ${at} "${script[at]}"\n  host: ${theirs[at]}\n  here: ${ours[at]}\n${script.slice(0, at + 1).join('\n')}`;
  }
  return report;
}
