/** `#!` lines. @source fs/binfmt_script.c */

/** Bytes of a program that are looked at to tell what it is; zeros behind the end of a shorter file. */
export const HEAD_SIZE = 256;

export interface ScriptLine {
  /** latin1 */
  readonly interpreter: string;
  /** Everything behind the interpreter's name, blanks inside included; null: nothing. */
  readonly argument: string | null;
}

const NEWLINE = 10;
const isBlank = (byte: number): boolean => byte === 32 || byte === 9;

export const isScript = (head: Uint8Array): boolean => head[0] === 0x23 && head[1] === 0x21;

/**
 * @param head the first HEAD_SIZE bytes
 * @returns null: no usable line (-ENOEXEC), because it names nothing or the name may be cut off
 */
export function parseScript(head: Uint8Array): ScriptLine | null {
  let end = head.indexOf(NEWLINE);
  if (end < 0) {
    end = HEAD_SIZE - 1;
    const name = skipBlanks(head, 2, end);
    if (name < 0 || findTerminator(head, name, end) < 0) return null;
  }
  while (isBlank(head[end - 1]!)) end--;
  const name = skipBlanks(head, 2, end);
  if (name < 0 || name === end) return null;
  const separator = findTerminator(head, name, end);
  const hasMore = separator >= 0 && separator < end && head[separator] !== 0;
  const argument = hasMore ? skipBlanks(head, separator, end) : -1;
  return {
    interpreter: text(head, name, hasMore ? separator : end),
    argument: argument < 0 ? null : text(head, argument, end),
  };
}

/** First byte of [from, last] that is no blank, or -1. */
function skipBlanks(bytes: Uint8Array, from: number, last: number): number {
  for (let i = from; i <= last; i++) if (!isBlank(bytes[i]!)) return i;
  return -1;
}

/** First blank or zero byte of [from, last], or -1. */
function findTerminator(bytes: Uint8Array, from: number, last: number): number {
  for (let i = from; i <= last; i++) if (isBlank(bytes[i]!) || bytes[i] === 0) return i;
  return -1;
}

/** Up to `end` or a zero byte. */
function text(bytes: Uint8Array, start: number, end: number): string {
  let result = '';
  for (let i = start; i < end && bytes[i] !== 0; i++) result += String.fromCharCode(bytes[i]!);
  return result;
}
