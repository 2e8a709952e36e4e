/** Who may look into another task. */
import { mayTrace } from '../vfs/permission.js';
import type { Task } from './task.js';

/** What ptrace(2) asks for ("access mode checks"): the same identities all over, or the superuser. */
export function mayInspect(task: Task, target: Task): boolean {
  const { cred } = task;
  if (target.process === task.process) return true;
  const { uid, gid, capabilities } = cred;
  return mayTrace(cred, uid, gid, capabilities.permitted, target.cred, target.process.dumpable === 1);
}
