/** Who speaks the remote protocol to the machine without being gdb, and what such a peer may say. */
import { connect as connectTcp, type Socket } from 'node:net';
import fc from 'fast-check';
import { encodePacket, escapeBinary, type Item, PacketReader } from '../../kernel-core/gdb/packet.js';
import { type BootedKernel, boot } from '../../kernel-core/index.js';

/** A peer without gdb's manners. */
export class Peer {
  readonly #socket: Socket;
  readonly #reader = new PacketReader();
  readonly #items: Item[] = [];
  #wake: () => void = () => {};
  readonly closed: Promise<void>;

  constructor(kernel: Pick<BootedKernel, 'gdbPort'>) {
    this.#socket = connectTcp(kernel.gdbPort!, '127.0.0.1');
    this.#socket.on('data', (bytes) => {
      this.#items.push(...this.#reader.read(bytes));
      this.#wake();
    });
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => this.#socket.on('close', () => resolve()));
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** @returns data of the next packet */
  async answer(): Promise<string> {
    for (;;) {
      const item = this.#items.shift();
      if (item?.kind === 'packet') return item.data;
      if (item === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async ask(data: string): Promise<string> {
    this.send(encodePacket(escapeBinary(data)));
    return this.answer();
  }

  /** Goes when all has arrived that it sent. */
  finish(): Promise<void> {
    this.#socket.end();
    return this.closed;
  }

  end(): Promise<void> {
    this.#socket.destroy();
    return this.closed;
  }
}

export const bootWaiting = (): Promise<BootedKernel> => boot({ gdb: { port: 0, wait: true } });

/** Commands that exist, with arguments that need not make sense. */
export const packets = fc.oneof(
  fc.constantFrom(
    '?',
    'g',
    'vCont?',
    's',
    'vCont;s',
    'qfThreadInfo',
    'qXfer:features:read:target.xml:0,fff',
    'qC',
    '!',
    'z0,0,0',
  ),
  fc
    .tuple(
      fc.constantFrom(
        ...[
          'm',
          'M',
          'X',
          'G',
          'P',
          'p',
          'H',
          'T',
          'Z0,',
          'Z1,',
          'Z2,',
          'Z4,',
          'z0,',
          'z2,',
          'vCont;',
          'vCont;r',
          'vFile:open:',
        ],
        ...[
          'vFile:pread:',
          'vFile:fstat:',
          'vFile:close:',
          'vFile:readlink:',
          'vFile:setfs:',
          'qXfer:auxv:read::',
          'qAttached:',
        ],
        ...[
          'qXfer:threads:read:',
          'qXfer:siginfo:read::',
          'qSupported:',
          'QPassSignals:',
          'qThreadExtraInfo,',
          'vAttach;',
          'vRun;',
          'QEnvironmentHexEncoded:',
          'QSetWorkingDir:',
          'S',
          'q',
          'Q',
          'v',
        ],
      ),
      fc.oneof(
        fc.string({ unit: 'binary-ascii', maxLength: 40 }),
        fc.stringMatching(/^[0-9a-f]{0,16}[,:;=]?[0-9a-f]{0,20}([,:][0-9a-f]{0,9})?$/),
        fc.stringMatching(/^[csCS0-9;:p.-]{0,24}$/),
      ),
    )
    .map(([command, rest]) => command + rest),
);
