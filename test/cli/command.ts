/** Runs the built `banos` command as a shell user would. */
import { type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The top of the source tree, also when the compiled copy of this file runs. */
export const PROJECT = (() => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
})();
export const MAIN = join(PROJECT, 'dist', 'bundle', 'cli.js');

export interface Outcome {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Input extends Pick<SpawnOptions, 'env' | 'cwd'> {
  /** Bytes of standard input; default: none. */
  input?: string;
}

/** Runs a program of the host to its end. */
export function execute(file: string, args: readonly string[], { input = '', env, cwd }: Input = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
    child.stdin.on('error', () => {
      // The program ended without reading all of its input; its own outcome tells.
    });
    child.stdin.end(input);
  });
}

export const banos = (args: readonly string[], input?: Input): Promise<Outcome> =>
  execute(process.execPath, [MAIN, ...args], input);

/** Through the host's shell, for what only a shell can set up; `$BANOS` is the command. */
export const viaShell = (script: string): Promise<Outcome> =>
  execute('sh', ['-c', script], { env: { BANOS: `"${process.execPath}" "${MAIN}"` } });
