/** Canonical mode of N_TTY: what characters do to the line that is being typed, and which end it. @source Linux drivers/tty/n_tty.c */
import {
  ECHO,
  ECHOCTL,
  ECHONL,
  IEXTEN,
  PARMRK,
  VEOF,
  VEOL,
  VEOL2,
  VERASE,
  VKILL,
  VLNEXT,
  VREPRINT,
  VWERASE,
} from '../abi/termios.js';
import { type EditState, erase, finishErasing } from './erase.js';
import { DISABLED } from './ldisc-host.js';

const BS = 8;
const LF = 10;
const CARET = 0x5e;

/** Echoes a character of the line. */
export function echoTyped(ldisc: EditState, c: number): void {
  if (ldisc.buffer.canonHead === ldisc.buffer.head) ldisc.echo.setCanonColumn();
  ldisc.echo.char(c);
}

/** Canonical mode: editing and line ends. @returns whether `c` was one of these */
export function edit(ldisc: EditState, c: number): boolean {
  const { iflag, lflag, cc } = ldisc.host.termios;
  const { buffer, echo } = ldisc;
  const isExtended = (lflag & IEXTEN) !== 0;
  const isEchoing = (lflag & ECHO) !== 0;
  if (c === cc[VERASE] || c === cc[VKILL] || (c === cc[VWERASE] && isExtended)) {
    erase(ldisc, c);
    echo.commit();
    return true;
  }
  if (c === cc[VLNEXT] && isExtended) {
    ldisc.isNextLiteral = true;
    if (isEchoing) {
      finishErasing(ldisc);
      if ((lflag & ECHOCTL) !== 0) {
        echo.raw(CARET);
        echo.raw(BS);
        echo.commit();
      }
    }
    return true;
  }
  if (c === cc[VREPRINT] && isEchoing && isExtended) {
    finishErasing(ldisc);
    echo.char(c);
    echo.raw(LF);
    for (let i = buffer.canonHead; i < buffer.head; i++) echo.char(buffer.at(i));
    echo.commit();
    return true;
  }
  if (c === LF) {
    if ((lflag & (ECHO | ECHONL)) !== 0) {
      echo.raw(LF);
      echo.commit();
    }
  } else if (c === cc[VEOF]) {
    endLine(ldisc, DISABLED);
    return true;
  } else if (c === cc[VEOL] || (c === cc[VEOL2] && isExtended)) {
    if (isEchoing) {
      echoTyped(ldisc, c);
      echo.commit();
    }
    if (c === 0xff && (iflag & PARMRK) !== 0) buffer.put(c);
  } else {
    return false;
  }
  endLine(ldisc, c);
  return true;
}

function endLine(ldisc: EditState, c: number): void {
  ldisc.buffer.endLine(c);
  ldisc.host.readable();
}
