/** Exports about the task that a driver works for, and for threads of its own. */
import { ESRCH, fail, isErr } from '../../../abi/errno.js';
import { SUSPENDED } from '../../../vfs/file.js';
import type { KernelCall } from '../call.js';
import type { ExportRow } from '../row.js';
import { startThread } from '../thread.js';

const MAX_NAME = 16;

function runThread(call: KernelCall, fn: number, argument: number, nameAt: number): number {
  const { kernel, owner } = call;
  const { drivers } = kernel;
  const name = drivers.space.readText(nameAt, MAX_NAME);
  if (isErr(name)) return call.bug('banos_thread_run with a bad name');
  const thread = startThread(kernel, owner, name, (task) =>
    drivers.runner.prepare(owner, task, { address: fn, isInt: true }, argument),
  );
  if (isErr(thread)) return thread;
  drivers.threads.set(thread.task.tid, thread);
  return thread.task.tid;
}

/** Asks a thread to end and waits until it has. @returns what its function returned, -ESRCH */
function stopThread(call: KernelCall, tid: number): number {
  const { drivers } = call.kernel;
  const thread = drivers.threads.get(tid);
  if (thread === undefined || thread.owner !== call.owner) return fail(ESRCH);
  if (thread.call === call) return call.bug('a thread stops itself');
  thread.isStopping = true;
  thread.call.isWoken = true;
  thread.call.wake();
  const onEnd = (): void => call.wake();
  thread.endHook.on('notify', onEnd);
  const attempt = (): number => {
    if (thread.result === null) return SUSPENDED;
    thread.endHook.off('notify', onEnd);
    drivers.threads.delete(tid);
    return thread.result;
  };
  const now = attempt();
  return now === SUSPENDED ? call.sleep(attempt) : now;
}

export const taskExports: readonly ExportRow[] = [
  { name: 'banos_current_pid', prototype: 'int banos_current_pid(void)', fn: (call) => call.task?.pid ?? 0 },
  { name: 'banos_current_tid', prototype: 'int banos_current_tid(void)', fn: (call) => call.task?.tid ?? 0 },
  {
    name: 'banos_current_uid',
    prototype: 'banos_u32 banos_current_uid(void)',
    fn: (call) => call.task?.cred.euid ?? 0,
  },
  {
    name: 'banos_current_comm',
    prototype: 'void banos_current_comm(char *name, size_t size)',
    fn: (call, address, size) => {
      if (size <= 0) return 0;
      const name = (call.task?.comm ?? 'swapper/0').slice(0, Math.min(size, MAX_NAME) - 1);
      const failed = call.kernel.drivers.space.write(address, Buffer.from(`${name}\0`, 'latin1'));
      return failed === 0 ? 0 : call.bug('banos_current_comm with a bad pointer');
    },
  },
  {
    name: 'banos_signal_pending',
    prototype: 'int banos_signal_pending(void)',
    fn: (call) => (call.isInterrupted ? 1 : 0),
  },
  {
    name: 'banos_thread_run',
    prototype: 'int banos_thread_run(int (*function)(void *argument), void *argument, const char *name)',
    fn: runThread,
  },
  {
    name: 'banos_thread_stop',
    prototype: 'int banos_thread_stop(int thread)',
    fn: (call, thread) => stopThread(call, thread | 0),
  },
  {
    name: 'banos_thread_should_stop',
    prototype: 'int banos_thread_should_stop(void)',
    fn: (call) => (call.task?.kernelThread?.isStopping ? 1 : 0),
  },
];
