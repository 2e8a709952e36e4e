/** struct banos_termios: a terminal's settings as drivers of lines and line disciplines see them. */
import type { Termios } from '../../pty/termios.js';
import type { KernelSpace } from './space.js';

const TERMIOS_SIZE = 48;
const LINE = 28;
const CC = 29;
/** Control characters that it has. */
const CC_COUNT = 19;

export function writeTermios(space: KernelSpace, address: number, termios: Readonly<Termios>): void {
  const bytes = new Uint8Array(TERMIOS_SIZE);
  const view = new DataView(bytes.buffer);
  const { iflag, oflag, cflag, lflag, ispeed, ospeed } = termios;
  for (const [i, word] of [TERMIOS_SIZE, iflag, oflag, cflag, lflag, ispeed, ospeed].entries()) {
    view.setUint32(i * 4, word, true);
  }
  bytes[LINE] = termios.line;
  bytes.set(termios.cc.subarray(0, CC_COUNT), CC);
  space.write(address, bytes);
}
