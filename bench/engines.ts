/** What runs a program: this machine, qemu-user on it, and Banos in a Node process of its own. All take the same paths. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { BootOptions } from '../kernel-core/index.js';
import type { AgentRequest } from './agent.js';
import { type Run, shorten } from './guest.js';

export interface Engine {
  readonly name: string;
  run(argv: readonly string[]): Promise<Run>;
  close(): void;
}

/** A program of the host, perhaps with an emulator before it. */
export class HostEngine implements Engine {
  readonly name: string;
  readonly #before: readonly string[];

  constructor(name: string, before: readonly string[] = []) {
    this.name = name;
    this.#before = before;
  }

  run(argv: readonly string[]): Promise<Run> {
    const [file, ...args] = [...this.#before, ...argv];
    return new Promise((resolve, reject) => {
      const start = performance.now();
      const child = spawn(file, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      });
      const output: Uint8Array[] = [];
      const errors: Uint8Array[] = [];
      child.stdout.on('data', (bytes: Uint8Array) => output.push(bytes));
      child.stderr.on('data', (bytes: Uint8Array) => errors.push(bytes));
      child.on('error', reject);
      child.on('close', (status, signal) => {
        const ms = performance.now() - start;
        if (status === 0) resolve({ output: shorten(output), ms });
        else reject(new Error(`${argv.join(' ')}: ${signal ?? `exit status ${status}`} ${shorten(errors).trim()}`));
      });
    });
  }

  close(): void {}
}

/** Host directories that Debian's dynamically linked programs need; the first is where its programs look. */
const LIBRARIES = [
  { host: '/usr/lib/x86_64-linux-gnu', guest: '/lib/x86_64-linux-gnu' },
  { host: '/usr/lib64', guest: '/lib64' },
];

export interface BanosOptions {
  /** Node binary. */
  node: string;
  /** Host directory that the guest sees under the same path. */
  folder: string;
  translator: boolean;
  /** Whether the host has a Debian's library directories. */
  libraries: boolean;
}

const PATIENCE_MS = 180_000;

export class BanosEngine implements Engine {
  readonly name: string;
  /** Of the Node binary; known after the first request. */
  version = '';
  readonly #options: BanosOptions;
  #agent: ChildProcess | null = null;

  constructor(name: string, options: BanosOptions) {
    this.name = name;
    this.#options = options;
  }

  async run(argv: readonly string[]): Promise<Run> {
    return (await this.ask({ kind: 'run', argv })) as Run;
  }

  /** @throws Error with what went wrong in the agent; an agent that died or hangs is replaced at the next request */
  async ask(request: AgentRequest): Promise<unknown> {
    const agent = this.#agent ?? (await this.#start());
    const answer = this.#answer(agent);
    agent.send(request);
    return answer;
  }

  async #start(): Promise<ChildProcess> {
    const { node, folder, translator, libraries } = this.#options;
    const mounts = [{ host: folder, guest: folder }, ...(libraries ? LIBRARIES : [])];
    const options: BootOptions & { translator?: boolean } = {
      mounts: mounts.map((mount) => ({ ...mount, readOnly: true })),
      ...(!translator && { translator: false }),
    };
    const extension = import.meta.filename.endsWith('.ts') ? 'ts' : 'js';
    const agent = fork(join(import.meta.dirname, `agent.${extension}`), [JSON.stringify(options)], {
      execPath: node,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#agent = agent;
    this.version = (await this.#answer(agent)) as string;
    return agent;
  }

  #answer(agent: ChildProcess): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new Error('no answer in time')), true), PATIENCE_MS);
      const settle = (report: () => void, lost: boolean): void => {
        clearTimeout(timer);
        agent.removeAllListeners();
        if (lost) this.close();
        report();
      };
      agent.on('message', ({ value, error }: { value?: unknown; error?: string }) => {
        settle(() => (error === undefined ? resolve(value) : reject(new Error(error))), false);
      });
      agent.on('error', (error) => settle(() => reject(error), true));
      agent.on('exit', (status, signal) => settle(() => reject(new Error(`Node ended: ${signal ?? status}`)), true));
    });
  }

  /** Ends the kernel; the next request starts a new one. */
  close(): void {
    this.#agent?.kill('SIGKILL');
    this.#agent = null;
  }
}
