/**
 * The out-of-memory killer: when no frame is left for a page that a program needs, the process that holds most memory
 * dies at once and gives it back, so that a small one does not pay for a large one.
 * @source mm/oom_kill.c oom_badness; proc(5) on oom_score_adj
 */
import { KERN_ERR, LOG_KERN } from '../abi/klog.js';
import { SIGKILL } from '../abi/signal.js';
import { exitTask } from './exit.js';
import type { Kernel } from './kernel.js';
import type { AddressSpace } from './mm/address-space.js';
import { PAGE_SIZE } from './mm/layout.js';
import { exitGroup } from './signals/send.js';
import type { Task } from './task.js';

/** oom_score_adj of a process that must not be chosen. */
const NEVER = -1000;

/**
 * Makes room for `needy`, whose system call or instruction failed for want of memory. No call of another task may be
 * half-way.
 * @returns whether memory was freed and `needy` may try again; if not it is itself to die
 */
export function relieveMemory(needy: Task): boolean {
  const { kernel } = needy;
  if (kernel.shrinkCaches()) return true;
  const victim = largestSpace(kernel) ?? needy.mm;
  if (victim === null || victim === needy.mm) {
    tell(needy);
    exitGroup(needy.process, SIGKILL);
    return false;
  }
  for (const task of [...kernel.processes.tasks()]) {
    if (task.mm !== victim) continue;
    if (task === task.process.leader) tell(task);
    exitGroup(task.process, SIGKILL);
    exitTask(task, SIGKILL);
  }
  return true;
}

function tell({ kernel, process, comm, mm, cred }: Task): void {
  const kib = ((mm?.rss ?? 0) * PAGE_SIZE) / 1024;
  const text = `Out of memory: Killed process ${process.pid} (${comm}) rss:${kib}kB, UID:${cred.uid}`;
  kernel.log.write(KERN_ERR, LOG_KERN, `${text} oom_score_adj:${process.oomScoreAdjustment}`);
}

/** @returns the space with the highest badness: pages, resident and of page tables, moved by oom_score_adj thousandths of all memory */
function largestSpace(kernel: Kernel): AddressSpace | null {
  let largest: AddressSpace | null = null;
  let worst = Number.NEGATIVE_INFINITY;
  for (const { mm, process } of kernel.processes.tasks()) {
    if (mm === null || process.oomScoreAdjustment <= NEVER) continue;
    const badness = mm.rss + mm.pageTable.leaves / 2 + (process.oomScoreAdjustment * kernel.memory.limitFrames) / 1000;
    // Of equals the youngest, as Linux chooses.
    if (badness < worst) continue;
    worst = badness;
    largest = mm;
  }
  return largest;
}
