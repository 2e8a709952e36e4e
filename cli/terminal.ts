/**
 * The host terminal while a guest has it: raw, its size followed, and given back in order however the process ends.
 */
import { spawnSync } from 'node:child_process';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Pty } from '../kernel-core/index.js';

/**
 * Node's raw mode goes on turning line feeds into CR LF, which the guest's own terminal has done already. stty can stop
 * that; where there is none the guest's lines end in CR CR LF, which looks the same. Giving the terminal back undoes it.
 */
function leaveOutputAlone(): void {
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
}

/** Connects the terminal of this process to `pty`. @returns a function that gives it back; calling it again is harmless */
export function bridgeTerminal(stdin: ReadStream, stdout: WriteStream, pty: Pty): () => void {
  const input = (bytes: Buffer): void => pty.write(bytes);
  const resize = (): void => pty.resize(Math.max(1, stdout.columns ?? 80), Math.max(1, stdout.rows ?? 24));
  const output = pty.onData((text) => {
    if (!stdout.write(text)) {
      pty.pause();
      stdout.once('drain', () => pty.resume());
    }
  });
  const wasRaw = stdin.isRaw;
  let given = true;
  const restore = (): void => {
    if (!given) return;
    given = false;
    output.dispose();
    stdin.off('data', input);
    stdout.off('resize', resize);
    process.off('exit', restore);
    stdin.setRawMode(wasRaw);
    stdin.pause();
  };
  process.on('exit', restore);
  stdin.setRawMode(true);
  leaveOutputAlone();
  stdin.on('data', input);
  stdout.on('resize', resize);
  resize();
  return restore;
}
