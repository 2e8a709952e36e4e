/** Which characters of input mean something under the present settings. @source termios(3); Linux drivers/tty/n_tty.c (behaviour) */
import {
  ECHO,
  ICANON,
  ICRNL,
  IEXTEN,
  IGNCR,
  INLCR,
  ISIG,
  IXON,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VINTR,
  VKILL,
  VLNEXT,
  VQUIT,
  VREPRINT,
  VSTART,
  VSTOP,
  VSUSP,
  VWERASE,
} from '../abi/termios.js';
import { DISABLED } from './ldisc-host.js';
import type { Termios } from './termios.js';

const LF = 10;
const CR = 13;

/** @param map gets 1 for each such character, else 0 */
export function markSpecial({ iflag, lflag, cc }: Readonly<Termios>, map: Uint8Array): void {
  map.fill(0);
  if ((iflag & (IGNCR | ICRNL)) !== 0) map[CR] = 1;
  if ((iflag & INLCR) !== 0) map[LF] = 1;
  if ((lflag & ICANON) !== 0) {
    map[LF] = 1;
    for (const i of [VERASE, VKILL, VEOF, VEOL]) map[cc[i]] = 1;
    if ((lflag & IEXTEN) !== 0) {
      for (const i of [VWERASE, VLNEXT, VEOL2]) map[cc[i]] = 1;
      if ((lflag & ECHO) !== 0) map[cc[VREPRINT]] = 1;
    }
  }
  if ((iflag & IXON) !== 0) map[cc[VSTART]] = map[cc[VSTOP]] = 1;
  if ((lflag & ISIG) !== 0) map[cc[VINTR]] = map[cc[VQUIT]] = map[cc[VSUSP]] = 1;
  map[DISABLED] = 0;
}
