/** Exports for terminal lines. */
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import type { DriverLine } from '../tty.js';
import { registerLines } from '../tty-lines.js';

/** The caller's line at an address; undefined: there is none. */
function lineAt(call: KernelCall, address: number): DriverLine | undefined {
  const line = call.kernel.drivers.lines.get(address);
  return line?.owner === call.owner ? line : undefined;
}

export const ttyExports: readonly ExportRow[] = [
  {
    name: 'banos_tty_register',
    prototype: 'long banos_tty_register(const struct banos_tty_driver *driver)',
    fn: (call, driver) => registerLines(call, driver),
  },
  {
    name: 'banos_tty_insert',
    prototype: 'long banos_tty_insert(struct banos_tty *tty, const char *bytes, size_t count)',
    fn: (call, tty, bytes, count) => {
      const taken = count >= 0 ? lineAt(call, tty)?.insert(bytes, count) : undefined;
      return taken ?? call.bug('banos_tty_insert with a bad pointer');
    },
  },
  {
    name: 'banos_tty_write_ready',
    prototype: 'void banos_tty_write_ready(struct banos_tty *tty)',
    fn: (call, address) => {
      const line = lineAt(call, address);
      if (line === undefined) return call.bug('banos_tty_write_ready with a bad pointer');
      line.tty.outputReady();
      return 0;
    },
  },
  {
    name: 'banos_tty_hangup',
    prototype: 'void banos_tty_hangup(struct banos_tty *tty)',
    fn: (call, address) => {
      const line = lineAt(call, address);
      if (line === undefined) return call.bug('banos_tty_hangup with a bad pointer');
      line.tty.hangUp(true);
      return 0;
    },
  },
];
