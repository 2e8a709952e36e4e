/**
 * ERASE, WERASE and KILL: takes characters back from the line being edited and makes the screen show it.
 * @source termios(3); Linux drivers/tty/n_tty.c (behaviour)
 */
import { ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHOPRT, VERASE, VKILL, VWERASE } from '../abi/termios.js';
import { isAlphanumeric, isControl } from './char-class.js';
import type { EchoQueue } from './echo.js';
import type { LdiscHost } from './ldisc-host.js';
import type { OutputProcessor } from './output.js';
import type { ReadBuffer } from './read-buffer.js';

const BS = 8;
const TAB = 9;
const LF = 10;
const SPACE = 0x20;
const SLASH = 0x2f;
const BACKSLASH = 0x5c;
const UNDERSCORE = 0x5f;

/** The parts of a line discipline that editing touches. */
export interface EditState {
  readonly host: LdiscHost;
  readonly buffer: ReadBuffer;
  readonly output: OutputProcessor;
  readonly echo: EchoQueue;
  /** Inside a run of characters erased with ECHOPRT: a backslash was shown, a slash is due. */
  erasing: boolean;
  /** The next character has no meaning but itself (LNEXT). */
  isNextLiteral: boolean;
}

/** Closes a run of characters erased in ECHOPRT form. */
export function finishErasing(ldisc: EditState): void {
  if (!ldisc.erasing) return;
  ldisc.echo.raw(SLASH);
  ldisc.erasing = false;
}

/** @param key the character typed: VERASE, VWERASE or else VKILL */
export function erase(ldisc: EditState, key: number): void {
  const { buffer, output } = ldisc;
  const { lflag, cc } = ldisc.host.termios;
  if (buffer.head === buffer.canonHead) return;
  const isCharacter = key === cc[VERASE];
  const isWord = !isCharacter && key === cc[VWERASE];
  if (!isCharacter && !isWord && killsAtOnce(ldisc)) return;

  let seenAlphanumeric = false;
  while (buffer.head !== buffer.canonHead) {
    let head = buffer.head;
    let c: number;
    do {
      c = buffer.at(--head);
    } while (output.isContinuation(c) && head !== buffer.canonHead);
    // Continuation bytes without a start are no character that could be erased whole.
    if (output.isContinuation(c)) break;
    if (isWord) {
      if (isAlphanumeric(c) || c === UNDERSCORE) seenAlphanumeric = true;
      else if (seenAlphanumeric) break;
    }
    const length = buffer.head - head;
    buffer.head = head;
    if ((lflag & ECHO) !== 0) showErased(ldisc, c, length, isCharacter);
    if (isCharacter) break;
  }
  if (buffer.head === buffer.canonHead && (lflag & ECHO) !== 0) finishErasing(ldisc);
}

/** KILL where the screen need not show each character going. @returns whether it was done */
function killsAtOnce(ldisc: EditState): boolean {
  const { buffer, echo } = ldisc;
  const { lflag, cc } = ldisc.host.termios;
  if ((lflag & ECHO) === 0) {
    buffer.head = buffer.canonHead;
    return true;
  }
  const visual = ECHOK | ECHOKE | ECHOE;
  if ((lflag & visual) === visual) return false;
  buffer.head = buffer.canonHead;
  finishErasing(ldisc);
  echo.char(cc[VKILL]);
  if ((lflag & ECHOK) !== 0) echo.raw(LF);
  return true;
}

/** Echo for one erased character `c` of `length` bytes, which starts at the head of the buffer. */
function showErased(ldisc: EditState, c: number, length: number, isCharacter: boolean): void {
  const { buffer, echo } = ldisc;
  const { lflag, cc } = ldisc.host.termios;
  if ((lflag & ECHOPRT) !== 0) {
    if (!ldisc.erasing) {
      echo.raw(BACKSLASH);
      ldisc.erasing = true;
    }
    echo.char(c);
    for (let i = 1; i < length; i++) {
      echo.raw(buffer.at(buffer.head + i));
      echo.moveBackColumn();
    }
  } else if (isCharacter && (lflag & ECHOE) === 0) {
    echo.char(cc[VERASE]);
  } else if (c === TAB) {
    showErasedTab(ldisc);
  } else {
    const cells = isControl(c) ? ((lflag & ECHOCTL) !== 0 ? 2 : 0) : 1;
    for (let i = 0; i < cells; i++) {
      echo.raw(BS);
      echo.raw(SPACE);
      echo.raw(BS);
    }
  }
}

/** The columns a tab covered depend on what stands before it, back to the last tab or the start of the line. */
function showErasedTab(ldisc: EditState): void {
  const { buffer, output } = ldisc;
  const showsControls = (ldisc.host.termios.lflag & ECHOCTL) !== 0;
  let columns = 0;
  let afterTab = false;
  for (let i = buffer.head - 1; i >= buffer.canonHead; i--) {
    const c = buffer.at(i);
    if (c === TAB) {
      afterTab = true;
      break;
    }
    if (isControl(c)) columns += showsControls ? 2 : 0;
    else if (!output.isContinuation(c)) columns++;
  }
  ldisc.echo.eraseTab(columns, afterTab);
}
