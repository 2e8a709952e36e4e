/** Exports for printing and for looking names up. */
import { isErr } from '../../../abi/errno.js';
import type { KernelCall } from '../call.js';
import { type Arguments, CallArguments, format, ListArguments } from '../format.js';
import type { ExportRow } from '../row.js';

/** Longest format. */
const MAX_FORMAT = 4096;
/** Longest name that is looked up. */
const MAX_NAME = 256;
/** Begins a prefix that says the level. @source Linux include/linux/kern_levels.h */
const START_OF_HEADER = '\x01';
const DEFAULT_LEVEL = 4;
const INFO_LEVEL = 6;
const LOG_KERN = 0;

function formatted(call: KernelCall, template: number, args: Arguments): string | null {
  const { space, symbols } = call.kernel.drivers;
  const text = space.readText(template, MAX_FORMAT);
  return isErr(text) ? null : format(space, text, args, (address) => symbols.describe(address));
}

function print(call: KernelCall, template: number, args: Arguments): number {
  const text = formatted(call, template, args);
  if (text === null) return call.bug('banos_printk with a bad format');
  const hasLevel = text[0] === START_OF_HEADER && text[1] !== undefined && text[1] >= '0' && text[1] <= '7';
  const level = hasLevel ? Number(text[1]) : DEFAULT_LEVEL;
  const message = (hasLevel ? text.slice(2) : text).replace(/\n$/, '');
  call.kernel.log.write(level, LOG_KERN, message);
  return message.length;
}

/** @returns the length that the whole text has */
function printInto(call: KernelCall, buffer: number, size: number, template: number, args: Arguments): number {
  const text = formatted(call, template, args);
  if (text === null) return call.bug('banos_snprintf with a bad format');
  if (size > 0) {
    const bytes = Buffer.from(`${text.slice(0, size - 1)}\0`, 'latin1');
    if (call.kernel.drivers.space.write(buffer, bytes) !== 0) return call.bug('banos_snprintf into bad memory');
  }
  return text.length;
}

export const printExports: readonly ExportRow[] = [
  {
    name: 'banos_dprintln',
    prototype: 'void banos_dprintln(const char *text)',
    fn: (call, address) => {
      const text = call.kernel.drivers.space.readText(address, MAX_FORMAT);
      if (isErr(text)) return call.bug('banos_dprintln with a bad pointer');
      call.kernel.log.write(INFO_LEVEL, LOG_KERN, text);
      return 0;
    },
  },
  {
    name: 'banos_lookup_symbol',
    prototype: 'void *banos_lookup_symbol(const char *name)',
    fn: (call, address) => {
      const { drivers } = call.kernel;
      const name = drivers.space.readText(address, MAX_NAME);
      if (isErr(name)) return call.bug('banos_lookup_symbol with a bad pointer');
      return drivers.find(name) ?? drivers.lookup(name) ?? 0;
    },
  },
  {
    name: 'banos_printk',
    prototype: 'int banos_printk(const char *format, ...)',
    fn: (call, template) => print(call, template, new CallArguments(call, 1)),
  },
  {
    name: 'banos_vprintk',
    prototype: 'int banos_vprintk(const char *format, __builtin_va_list args)',
    fn: (call, template, list) => print(call, template, new ListArguments(call.kernel.drivers.space, list)),
  },
  {
    name: 'banos_snprintf',
    prototype: 'int banos_snprintf(char *buffer, size_t size, const char *format, ...)',
    fn: (call, buffer, size, template) => printInto(call, buffer, size, template, new CallArguments(call, 3)),
  },
  {
    name: 'banos_vsnprintf',
    prototype: 'int banos_vsnprintf(char *buffer, size_t size, const char *format, __builtin_va_list args)',
    fn: (call, buffer, size, template, list) =>
      printInto(call, buffer, size, template, new ListArguments(call.kernel.drivers.space, list)),
  },
];
