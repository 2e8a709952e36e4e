/** Processor faults become signals of the task that made them. */
import { SIGKILL } from '../../abi/signal.js';
import type { FaultInfo } from '../../cpu/index.js';
import { relieveMemory } from '../oom.js';
import type { Task } from '../task.js';
import { forceSignal } from './send.js';
import { makeSignalInfo } from './state.js';

/** Exception vector of a page fault; CR2 of the frame keeps the address of the last one that became a signal. */
const PAGE_FAULT = 14;

/** A fault whose signal is SIGKILL says that no memory was left: the instruction runs again if some could be had. */
export function raiseFault(task: Task, fault: FaultInfo): void {
  if (fault.signal === SIGKILL) {
    relieveMemory(task);
    return;
  }
  task.faultTrap = fault.trapno;
  task.faultError = fault.err;
  if (fault.trapno === PAGE_FAULT) task.faultAddress = fault.cr2;
  const info = makeSignalInfo(fault.signal, fault.code);
  info.address = fault.address;
  forceSignal(task, info);
}
