/** The port at which gdb finds the machine: `boot({ gdb })`. One debugger at a time. */
import { Debugger } from '../debug/debugger.js';
import { type Listener, listen } from '../host-listener.js';
import type { Kernel } from '../kernel.js';
import { Session } from './session.js';

export interface GdbOptions {
  /** TCP port, on loopback only; 0: any that is free, see `gdbPort` of the kernel. */
  port: number;
  /** The first program that is started waits before its first instruction until a debugger has come. Default: false. */
  wait?: boolean;
}

export class GdbServer {
  readonly #kernel: Kernel;
  readonly #debugger: Debugger;
  #listener: Listener | null = null;
  #session: Session | null = null;

  /** @throws Error of Node when it cannot listen there */
  static async start(kernel: Kernel, { port, wait = false }: GdbOptions): Promise<GdbServer> {
    const server = new GdbServer(kernel, wait);
    server.#listener = await listen(port, (connection) => server.#accept(connection));
    return server;
  }

  private constructor(kernel: Kernel, wait: boolean) {
    this.#kernel = kernel;
    this.#debugger = new Debugger(kernel, wait);
    kernel.debugger = this.#debugger;
  }

  get port(): number {
    return this.#listener!.port;
  }

  /** Nobody holds anything any more. */
  close(): void {
    this.#session?.closed();
    this.#debugger.detachAll();
    this.#listener?.close();
  }

  #accept(connection: ConstructorParameters<typeof Session>[2]) {
    if (this.#session !== null) return null;
    const session = new Session(this.#kernel, this.#debugger, connection);
    this.#session = session;
    return {
      received: (bytes: Uint8Array) => session.received(bytes),
      closed: () => {
        session.closed();
        if (this.#session === session) this.#session = null;
      },
    };
  }
}
