/**
 * Driver code that does not come to an end. Time slices let others run meanwhile, so that nothing is lost but time: the log
 * says after a while where it is (as Linux' watchdog does), and whoever kills the process gets rid of it. What cannot be
 * put off is in everybody's way, and is ended by itself. Asked at ends of slices only.
 */
import { KERN_EMERG } from '../../abi/klog.js';
import type { KernelCall } from './call.js';

/** Instructions after which a call that cannot be put off is in a loop. */
const ATOMIC_DEADLINE = 20_000_000;
/** Instructions that a call may still take to see that its process was killed, and to tidy up. */
const KILLED_DEADLINE = 50_000_000;
const SECOND = 1_000_000_000;

/** /proc/sys/kernel/watchdog_thresh. */
export class Watchdog {
  /** Seconds; the log is told after twice as long. 0: never. @source Documentation/admin-guide/lockup-watchdogs.rst */
  threshold = 10;
}

/**
 * A call has used up a slice; its registers are on the processor.
 * @returns why it has to be ended; null: it goes on
 */
export function lockup(call: KernelCall): string | null {
  const { instructions, kernel, maySleep, isKilled } = call;
  const { drivers } = kernel;
  if (instructions > drivers.deadline || (!maySleep && instructions > ATOMIC_DEADLINE)) {
    return `soft lockup: ${instructions} instructions without an end`;
  }
  if (isKilled) {
    if (call.killedAt < 0) call.killedAt = instructions;
    else if (instructions - call.killedAt > KILLED_DEADLINE)
      return 'soft lockup: it goes on though its process was killed';
  }
  watch(call);
  return null;
}

function watch(call: KernelCall): void {
  const { drivers, host, log } = call.kernel;
  const { threshold } = drivers.watchdog;
  const now = host.monotonic();
  if (call.busySince < 0) call.busySince = now;
  const seconds = (now - call.busySince) / SECOND;
  if (threshold === 0 || seconds < 2 * threshold * (call.complaints + 1)) return;
  call.complaints++;
  const { task, owner, kernel } = call;
  const whose = task === null ? '' : ` [${task.comm}:${task.pid}]`;
  const place = drivers.symbols.describe(kernel.cpu.rip);
  log.write(
    KERN_EMERG,
    0,
    `watchdog: BUG: soft lockup - ${owner.name} does not come to an end for ${Math.round(seconds)}s!${whose}`,
  );
  log.write(KERN_EMERG, 0, `RIP: 0010:${place}`);
}
