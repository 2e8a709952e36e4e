/** Processor faults become signals of the task that made them. */
import { SIGKILL } from '../../abi/signal.js';
import type { FaultInfo } from '../../cpu/index.js';
import type { Task } from '../task.js';
import { exitGroup, forceSignal } from './send.js';
import { makeSignalInfo } from './state.js';

/** A fault whose signal is SIGKILL stands for the out-of-memory killer: it cannot be handled. */
export function raiseFault(task: Task, fault: FaultInfo): void {
  if (fault.signal === SIGKILL) {
    exitGroup(task.process, SIGKILL);
    return;
  }
  task.faultTrap = fault.trapno;
  task.faultError = fault.err;
  task.faultAddress = fault.cr2;
  forceSignal(task, makeSignalInfo(fault.signal, fault.code, { address: fault.address }));
}
