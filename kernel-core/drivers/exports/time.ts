/** Exports for time: clocks, sleeping, timers. Nanoseconds everywhere. */
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { DriverTimer } from '../timer.js';
import { sleepUntil } from '../wait-queues.js';

const SECOND = 1_000_000_000;
const MILLISECOND = 1_000_000;
const UNINTERRUPTIBLE = 0;
const INTERRUPTIBLE = 1;

const clock = { sec: 0, nsec: 0 };

/** @returns 0 when the time is over, -ERESTARTSYS */
function sleepFor(call: KernelCall, duration: number, mode: number): number {
  const { host } = call.kernel;
  const deadline = host.monotonic() + Math.max(0, duration);
  return sleepUntil(call, mode, deadline, () => call.expired || host.monotonic() >= deadline);
}

export const timeExports: readonly ExportRow[] = [
  { name: 'banos_ktime_ns', prototype: 'banos_u64 banos_ktime_ns(void)', fn: (call) => call.kernel.host.monotonic() },
  {
    name: 'banos_real_ns',
    prototype: 'banos_u64 banos_real_ns(void)',
    fn: (call) => {
      call.kernel.host.realtime(clock);
      return clock.sec * SECOND + clock.nsec;
    },
  },
  {
    name: 'banos_msleep',
    prototype: 'void banos_msleep(banos_u32 milliseconds)',
    fn: (call, milliseconds) => sleepFor(call, (milliseconds >>> 0) * MILLISECOND, UNINTERRUPTIBLE),
  },
  {
    name: 'banos_sleep_interruptible',
    prototype: 'long banos_sleep_interruptible(banos_u64 nanoseconds)',
    fn: (call, nanoseconds) => sleepFor(call, nanoseconds, INTERRUPTIBLE),
  },
  {
    name: 'banos_timer_setup',
    prototype: 'void banos_timer_setup(struct banos_timer *timer, void (*function)(void *argument), void *argument)',
    fn: (call, address, fn, argument) => {
      const { drivers } = call.kernel;
      let timer = drivers.timers.get(address);
      if (timer === undefined) {
        timer = call.owner.add(new DriverTimer(drivers, call.owner, address));
        drivers.timers.set(address, timer);
      }
      timer.stop();
      timer.fn = { address: fn, isInt: true };
      timer.argument = argument;
      return 0;
    },
  },
  {
    name: 'banos_timer_start',
    prototype: 'void banos_timer_start(struct banos_timer *timer, banos_u64 nanoseconds)',
    fn: (call, address, nanoseconds) => {
      const timer = call.kernel.drivers.timers.get(address);
      if (timer === undefined) return call.bug('banos_timer_start without banos_timer_setup');
      timer.start(call.kernel.host.monotonic() + Math.max(0, nanoseconds));
      return 0;
    },
  },
  {
    name: 'banos_timer_stop',
    prototype: 'int banos_timer_stop(struct banos_timer *timer)',
    fn: (call, address) => (call.kernel.drivers.timers.get(address)?.stop() ? 1 : 0),
  },
];
