/**
 * A person at a terminal: a program on a real pseudo-terminal of the host (node-pty), its output drawn by a terminal
 * emulator (xterm.js without a display), and waiting for what the screen shows. Nothing here sleeps: a wait ends when
 * the screen shows what was expected, or fails with a picture of the screen after a generous time.
 */
import { createRequire } from 'node:module';
import xterm from '@xterm/headless';
import { PROJECT } from '../cli/command.js';

const WAIT_MS = Number(process.env.BANOS_TERMINAL_WAIT ?? 60) * 1000;

/** What is used of node-pty; its own types are not there where npm left it out. */
interface HostPty {
  write(text: string): void;
  resize(cols: number, rows: number): void;
  kill(signal: string): void;
  onData(listener: (text: string) => void): void;
  onExit(listener: (status: ExitStatus) => void): void;
}

interface ExitStatus {
  exitCode: number;
  signal?: number;
}

interface PtyModule {
  spawn(file: string, args: readonly string[], options: object): HostPty;
}

/** node-pty is an optional dependency: built by a compiler that need not be there. */
function loadPty(): PtyModule | Error {
  try {
    return createRequire(import.meta.url)('node-pty');
  } catch (error) {
    return error as Error;
  }
}

/** Why there are no terminals here; undefined when there are. */
export function whyNoTerminal(): string | undefined {
  const pty = loadPty();
  return pty instanceof Error ? `node-pty: ${pty.message.split('\n')[0]}` : undefined;
}

export interface SessionOptions {
  cols?: number;
  rows?: number;
}

type Check = () => void;

export class Session {
  readonly #pty: HostPty;
  readonly #screen: InstanceType<typeof xterm.Terminal>;
  /** All output so far; `expect` looks behind what it found last. */
  #output = '';
  #seen = 0;
  #status: ExitStatus | null = null;
  readonly #checks = new Set<Check>();

  constructor(argv: readonly string[], { cols = 80, rows = 24 }: SessionOptions = {}) {
    const pty = loadPty();
    if (pty instanceof Error) throw pty;
    this.#screen = new xterm.Terminal({ cols, rows, allowProposedApi: true });
    this.#pty = pty.spawn(argv[0], argv.slice(1), { cols, rows, name: 'xterm', cwd: PROJECT, encoding: 'utf8' });
    // The terminal leaves the question for the cursor's position (CSI 6n) without an answer, as some do: busybox takes
    // what is typed until it has read the answer for a part of it, and nothing tells when that is.
    this.#pty.onData((text) => {
      this.#screen.write(text, () => {
        this.#output += text;
        this.#changed();
      });
    });
    this.#pty.onExit((status) => {
      this.#status = status;
      this.#changed();
    });
  }

  #changed(): void {
    for (const check of [...this.#checks]) check();
  }

  /** Types, as the keyboard would send it. */
  type(text: string): void {
    this.#pty.write(text);
  }

  resize(cols: number, rows: number): void {
    this.#screen.resize(cols, rows);
    this.#pty.resize(cols, rows);
  }

  /** Lines of the visible screen, trailing blanks cut. */
  lines(): string[] {
    const buffer = this.#screen.buffer.active;
    return Array.from(
      { length: this.#screen.rows },
      (_, y) =>
        buffer
          .getLine(buffer.baseY + y)
          ?.translateToString(true)
          .trimEnd() ?? '',
    );
  }

  /** Column and row of the cursor on the visible screen, from 0. */
  get cursor(): { x: number; y: number } {
    const { cursorX, cursorY } = this.#screen.buffer.active;
    return { x: cursorX, y: cursorY };
  }

  /** True while a full-screen program shows its own screen. */
  get isAlternate(): boolean {
    return this.#screen.buffer.active.type === 'alternate';
  }

  /** Waits until the output since the last `expect` holds `what`, and forgets all up to its end. */
  async expect(what: string | RegExp): Promise<RegExpMatchArray> {
    const pattern = typeof what === 'string' ? new RegExp(what.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : what;
    let match: RegExpMatchArray | null = null;
    await this.until(`output ${pattern}`, () => {
      match = this.#output.slice(this.#seen).match(pattern);
      return match !== null;
    });
    const found = match as unknown as RegExpMatchArray;
    this.#seen += (found.index ?? 0) + found[0].length;
    return found;
  }

  /** Waits until the screen passes `holds`. */
  until(what: string, holds: (lines: string[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer);
        this.#checks.delete(check);
        if (error === undefined) resolve();
        else reject(error);
      };
      const check: Check = () => {
        if (holds(this.lines())) finish();
        else if (this.#status !== null && !what.startsWith('exit'))
          finish(this.#failure(`ended while waiting for ${what}`));
      };
      const timer = setTimeout(() => finish(this.#failure(`nothing came of waiting for ${what}`)), WAIT_MS);
      this.#checks.add(check);
      check();
    });
  }

  #failure(message: string): Error {
    const picture = this.lines().map((line) => `  |${line}\n`);
    while (picture.at(-1) === '  |\n') picture.pop();
    const tail = JSON.stringify(this.#output.slice(-400));
    const error = new Error(message);
    const trace = error.stack;
    error.message = `${message}\n${picture.join('')}  last output ${tail}`;
    error.stack = trace;
    return error;
  }

  /** Waits for the end; the exit status, 128+signal when the program was killed. */
  async ended(): Promise<number> {
    await this.until('exit', () => this.#status !== null);
    const { exitCode, signal } = this.#status as ExitStatus;
    return signal ? 128 + signal : exitCode;
  }

  /** Ends the program if it still runs. */
  dispose(): void {
    if (this.#status === null) this.#pty.kill('SIGKILL');
    this.#screen.dispose();
  }
}
