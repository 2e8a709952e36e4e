/** How records of the kernel log read. @source Linux kernel/printk/printk.c; Documentation/ABI/testing/dev-kmsg */
import type { LogRecord } from './log.js';

const NS_PER_US = 1000;
const US_PER_S = 1_000_000;

export const priority = ({ level, facility }: LogRecord): number => (facility << 3) | level;

const microseconds = ({ time }: LogRecord): number => Math.floor(time / NS_PER_US);

/** `[   12.345678] `, with which every line begins. */
function stamp(record: LogRecord): string {
  const total = microseconds(record);
  const seconds = String(Math.floor(total / US_PER_S)).padStart(5);
  return `[${seconds}.${String(total % US_PER_S).padStart(6, '0')}] `;
}

const lines = (prefix: string, text: string): string =>
  text
    .split('\n')
    .map((line) => `${prefix}${line}\n`)
    .join('');

/** As on a console. Each line of the text gets the time. */
export const consoleText = (record: LogRecord): string => lines(stamp(record), record.text);

/** As syslog(2) and /proc/kmsg have it: `<6>[    0.000000] text`. */
export const syslogText = (record: LogRecord): string => lines(`<${priority(record)}>${stamp(record)}`, record.text);

/** As /dev/kmsg has it: `6,12,345678,-;text`, what cannot be printed as \xNN. */
export function kmsgText(record: LogRecord): string {
  let text = `${priority(record)},${record.sequence},${microseconds(record)},-;`;
  for (const c of record.text) {
    const code = c.charCodeAt(0);
    text += code < 0x20 || code >= 0x7f || c === '\\' ? `\\x${code.toString(16).padStart(2, '0')}` : c;
  }
  return `${text}\n`;
}

const PREFIX = /^<(\d{0,20})>/;

/**
 * What a program wrote: its own level and facility if it begins with <N>, which is the one and eight times the other.
 * A facility of 0 would be the kernel's.
 */
export function parsePrefix(
  text: string,
  level: number,
  facility: number,
): { level: number; facility: number; text: string } {
  const prefix = PREFIX.exec(text);
  if (prefix === null) return { level, facility, text };
  const number = Number(BigInt.asUintN(32, BigInt(prefix[1])));
  return { level: number & 7, facility: (number >>> 3) & 0xff || facility, text: text.slice(prefix[0].length) };
}
