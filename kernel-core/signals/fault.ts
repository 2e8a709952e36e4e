/** Processor faults become signals of the task that made them. */
import { SIGKILL } from '../../abi/signal.js';
import type { FaultInfo } from '../../cpu/index.js';
import type { Task } from '../task.js';
import { exitGroup, forceSignal } from './send.js';
import { makeSignalInfo } from './state.js';

/** Exception vector of a page fault; CR2 of the frame keeps the address of the last one that became a signal. */
const PAGE_FAULT = 14;

/** A fault whose signal is SIGKILL stands for the out-of-memory killer: it cannot be handled. */
export function raiseFault(task: Task, fault: FaultInfo): void {
  if (fault.signal === SIGKILL) {
    exitGroup(task.process, SIGKILL);
    return;
  }
  task.faultTrap = fault.trapno;
  task.faultError = fault.err;
  if (fault.trapno === PAGE_FAULT) task.faultAddress = fault.cr2;
  forceSignal(task, makeSignalInfo(fault.signal, fault.code, { address: fault.address }));
}
