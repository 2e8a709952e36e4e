/** The kernel log as the embedder gets it. */
import { fromKernelText } from '../text.js';
import type { KernelLog } from './log.js';
import { consoleText } from './text.js';

/** A record of the kernel log. */
export interface KernelLogRecord {
  /** From 0, without gaps. */
  sequence: number;
  /** 0 emergency, 1 alert, 2 critical, 3 error, 4 warning, 5 notice, 6 information, 7 debugging. */
  level: number;
  /** 0: the kernel; others as syslog(3), for what programs wrote to /dev/kmsg. */
  facility: number;
  /** Nanoseconds since boot. */
  time: number;
  /** What was said; without a newline at its end. */
  text: string;
  /** As a console would show it, with the time and newlines: `[    0.000123] text`. */
  line: string;
  /** Its level is one that goes to the console: `dmesg -n` says which do. */
  toConsole: boolean;
}

export type KernelLogListener = (record: KernelLogRecord) => void;

export function listenTo(log: KernelLog, listener: KernelLogListener): void {
  log.listener = (record) => {
    const { sequence, level, facility, time, text } = record;
    listener({
      sequence,
      level,
      facility,
      time,
      text: fromKernelText(text),
      line: fromKernelText(consoleText(record)),
      toConsole: level < log.settings.consoleLevel,
    });
  };
}
