/** What terminals ask of the kernel about sessions and process groups (pty's `SessionControl`). */
import { SIGCONT, SIGHUP } from '../abi/signal.js';
import type { SessionControl } from '../pty/job-control.js';
import type { Kernel } from './kernel.js';
import { kernelSignal, sendToGroup, sendToProcess } from './signals/send.js';

/** @param kernel asked for at each call: terminals are made before the kernel object is */
export function sessionControl(kernel: () => Kernel): SessionControl {
  const detach = (sid: number): void => {
    for (const process of kernel().processes.all()) if (process.session.sid === sid) process.tty = null;
  };
  return {
    get disciplines() {
      return kernel().disciplines;
    },
    signalGroup(pgid, signal) {
      sendToGroup(kernel(), pgid, kernelSignal(signal));
    },
    hangupSession(sid, foreground) {
      const leader = kernel().processes.get(sid);
      if (leader !== null && !leader.isZombie) {
        leader.session.hungUpGroup = foreground;
        sendToProcess(leader, kernelSignal(SIGHUP));
        sendToProcess(leader, kernelSignal(SIGCONT));
      }
      detach(sid);
    },
    detachSession: detach,
    groupInSession: (pgid, sid) => kernel().processes.groupInSession(pgid, sid),
    idExists: (id) => kernel().processes.get(id) !== null || !kernel().processes.inGroup(id).next().done,
  };
}
