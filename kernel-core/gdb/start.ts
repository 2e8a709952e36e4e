/**
 * Programs that gdb starts (`run`): the packet vRun, and the settings that come before it. They run as the superuser on a
 * terminal of their own; what they write there is shown by gdb. Nobody types on it.
 * @source GDB manual, "vRun packet", "QEnvironmentHexEncoded", "QSetWorkingDir"
 */
import { openPty } from '../host-pty.js';
import type { Kernel } from '../kernel.js';
import type { Process } from '../process.js';
import { DEFAULT_ENV, DEFAULT_UMASK, spawnProcess } from '../spawn.js';
import { fromHex } from './packet.js';

const SIZE = { cols: 80, rows: 24 };
/** Characters that are kept while gdb does not listen; then programs wait. */
const MAX_KEPT = 65536;

export class Starter {
  readonly #kernel: Kernel;
  /** Takes output. @returns false: not now, it is offered again with the next `flush` */
  readonly #show: (text: string) => boolean;
  #environment: Record<string, string> = { ...DEFAULT_ENV };
  #directory = '/';
  /** Name and arguments of the last one. */
  #last: string[] = [];
  readonly #consoles = new Set<Console>();

  constructor(kernel: Kernel, show: (text: string) => boolean) {
    this.#kernel = kernel;
    this.#show = show;
  }

  /** A setting. @param packet what follows `Q` @returns whether it was one */
  set(packet: string): boolean {
    const colon = packet.indexOf(':');
    const name = colon < 0 ? packet : packet.slice(0, colon);
    const value = textOf(packet.slice(name.length + 1));
    if (value === null) return false;
    switch (name) {
      case 'EnvironmentReset':
        this.#environment = { ...DEFAULT_ENV };
        return true;
      case 'EnvironmentHexEncoded': {
        const equals = value.indexOf('=');
        if (equals < 1) return false;
        this.#environment = { ...this.#environment, [value.slice(0, equals)]: value.slice(equals + 1) };
        return true;
      }
      case 'EnvironmentUnset': {
        const { [value]: _gone, ...left } = this.#environment;
        this.#environment = left;
        return true;
      }
      case 'SetWorkingDir':
        this.#directory = value === '' ? '/' : value;
        return true;
      default:
        return false;
    }
  }

  /**
   * Starts a program; it has not run yet.
   * @param packet what follows `vRun;`: name and arguments; no name: as the last time
   * @returns null: it cannot be started
   */
  run(packet: string): Process | null {
    const words = packet.split(';').map(textOf);
    if (words.includes(null)) return null;
    const [name = '', ...args] = words as string[];
    const argv = [name === '' ? this.#last[0] : name, ...args];
    if (argv[0] === undefined || argv.some((word) => word!.includes('\0'))) return null;
    this.#last = argv as string[];
    return this.#spawn(this.#last);
  }

  /** Output that is on its way, or was kept, is shown now. */
  flush(): void {
    for (const console of this.#consoles) console.flush();
  }

  /** gdb is gone: what was started by it writes for nobody. */
  close(): void {
    for (const console of this.#consoles) console.ignore();
    this.#consoles.clear();
  }

  #spawn(argv: readonly string[]): Process | null {
    let console: Console | null = null;
    try {
      const { pty, slave } = openPty(this.#kernel, SIZE);
      console = new Console(pty, this.#show);
      this.#consoles.add(console);
      void pty.closed.then(() => console !== null && this.#consoles.delete(console));
      return spawnProcess(this.#kernel, {
        argv,
        env: this.#environment,
        cwd: this.#directory,
        identity: { uid: 0, gid: 0 },
        umask: DEFAULT_UMASK,
        files: [slave, slave.ref(), slave.ref()],
        terminal: true,
        onExit: () => {},
      });
    } catch {
      // ErrnoError: no such program, no terminal …
      console?.hangUp();
      return null;
    }
  }
}

/** The terminal of a program that gdb started. */
class Console {
  readonly #pty: ReturnType<typeof openPty>['pty'];
  #show: ((text: string) => boolean) | null;
  #kept = '';

  constructor(pty: ReturnType<typeof openPty>['pty'], show: (text: string) => boolean) {
    this.#pty = pty;
    this.#show = show;
    pty.onData((text) => this.#take(text));
  }

  flush(): void {
    this.#pty.resume();
    this.#pty.transferNow();
    this.#take('');
  }

  ignore(): void {
    this.#show = null;
    this.#kept = '';
    this.#pty.resume();
  }

  hangUp(): void {
    this.#pty.hangUp();
  }

  #take(text: string): void {
    if (this.#show === null) return;
    this.#kept += text;
    if (this.#kept !== '' && this.#show(this.#kept)) this.#kept = '';
    if (this.#kept.length > MAX_KEPT) this.#pty.pause();
  }
}

/** @returns null when it is no hexadecimal text */
function textOf(hex: string): string | null {
  const bytes = fromHex(hex);
  return bytes === null ? null : Buffer.from(bytes).toString();
}
