/** Exports for waiting and waking, and for locks. */
import { SUSPENDED } from '../../../vfs/file.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { sleepUntil } from '../wait-queues.js';

/** A completion that completes everybody from now on. @source Linux kernel/sched/completion.c */
const COMPLETE_ALL = 0x7fffffff;

function schedule(call: KernelCall, mode: number, deadline: number): number {
  if (call.queue === 0) return call.bug('banos_wait_schedule without banos_wait_prepare');
  return sleepUntil(call, mode, deadline, () => call.isWoken);
}

function waitForCompletion(call: KernelCall, address: number, mode: number, deadline: number): number {
  const { space, waitQueues } = call.kernel.drivers;
  const take = (): boolean => {
    const done = space.readU32(address);
    if (!(done > 0)) return false;
    if (done !== COMPLETE_ALL) space.writeU32(address, done - 1);
    waitQueues.finish(call);
    return true;
  };
  if (Number.isNaN(space.readU32(address))) return call.bug('banos_wait_for_completion with a bad pointer');
  waitQueues.prepare(call, address);
  const result = sleepUntil(call, mode, deadline, take);
  if (result !== SUSPENDED) waitQueues.finish(call);
  return result;
}

function complete(call: KernelCall, address: number, all: boolean): number {
  const { space, waitQueues } = call.kernel.drivers;
  const done = space.readU32(address);
  const next = all || done === COMPLETE_ALL ? COMPLETE_ALL : done + 1;
  if (Number.isNaN(done) || space.writeU32(address, next) !== 0) return call.bug('banos_complete with a bad pointer');
  waitQueues.wake(address, Number.POSITIVE_INFINITY);
  return 0;
}

export const waitExports: readonly ExportRow[] = [
  {
    name: 'banos_wait_prepare',
    prototype: 'void banos_wait_prepare(struct banos_wait_queue *queue)',
    fn: (call, queue) => {
      call.kernel.drivers.waitQueues.prepare(call, queue);
      return 0;
    },
  },
  {
    name: 'banos_wait_schedule',
    prototype: 'long banos_wait_schedule(banos_u32 mode, banos_u64 deadline)',
    fn: (call, mode, deadline) => schedule(call, mode & 3, deadline),
  },
  {
    name: 'banos_wait_finish',
    prototype: 'void banos_wait_finish(void)',
    fn: (call) => {
      call.kernel.drivers.waitQueues.finish(call);
      return 0;
    },
  },
  {
    name: 'banos_wake_up',
    prototype: 'void banos_wake_up(struct banos_wait_queue *queue)',
    fn: (call, queue) => {
      call.kernel.drivers.waitQueues.wake(queue, Number.POSITIVE_INFINITY);
      return 0;
    },
  },
  {
    name: 'banos_wake_up_one',
    prototype: 'void banos_wake_up_one(struct banos_wait_queue *queue)',
    fn: (call, queue) => {
      call.kernel.drivers.waitQueues.wake(queue, 1);
      return 0;
    },
  },
  {
    name: 'banos_mutex_lock',
    prototype: 'int banos_mutex_lock(struct banos_mutex *mutex)',
    fn: (call, mutex) => call.kernel.drivers.mutexes.lock(call, mutex, 0),
  },
  {
    name: 'banos_mutex_lock_interruptible',
    prototype: 'int banos_mutex_lock_interruptible(struct banos_mutex *mutex)',
    fn: (call, mutex) => call.kernel.drivers.mutexes.lock(call, mutex, 1),
  },
  {
    name: 'banos_mutex_trylock',
    prototype: 'int banos_mutex_trylock(struct banos_mutex *mutex)',
    fn: (call, mutex) => call.kernel.drivers.mutexes.tryLock(call, mutex),
  },
  {
    name: 'banos_mutex_unlock',
    prototype: 'void banos_mutex_unlock(struct banos_mutex *mutex)',
    fn: (call, mutex) => call.kernel.drivers.mutexes.unlock(call, mutex),
  },
  {
    name: 'banos_spin_lock',
    prototype: 'void banos_spin_lock(struct banos_spinlock *lock)',
    fn: (call, lock) => call.kernel.drivers.spinLocks.lock(call, lock),
  },
  {
    name: 'banos_spin_trylock',
    prototype: 'int banos_spin_trylock(struct banos_spinlock *lock)',
    fn: (call, lock) => call.kernel.drivers.spinLocks.tryLock(call, lock),
  },
  {
    name: 'banos_spin_unlock',
    prototype: 'void banos_spin_unlock(struct banos_spinlock *lock)',
    fn: (call, lock) => call.kernel.drivers.spinLocks.unlock(call, lock),
  },
  {
    name: 'banos_wait_for_completion',
    prototype:
      'long banos_wait_for_completion(struct banos_completion *completion, banos_u32 mode, banos_u64 deadline)',
    fn: (call, completion, mode, deadline) => waitForCompletion(call, completion, mode & 3, deadline),
  },
  {
    name: 'banos_complete',
    prototype: 'void banos_complete(struct banos_completion *completion)',
    fn: (call, completion) => complete(call, completion, false),
  },
  {
    name: 'banos_complete_all',
    prototype: 'void banos_complete_all(struct banos_completion *completion)',
    fn: (call, completion) => complete(call, completion, true),
  },
];
