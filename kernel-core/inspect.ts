/** Who may look into another task. */
import type { Task } from './task.js';

/** What ptrace(2) asks for ("access mode checks"): the same identities all over, or the superuser. */
export function mayInspect(task: Task, target: Task): boolean {
  const { cred } = task;
  if (target.process === task.process || cred.euid === 0) return true;
  const { uid, euid, suid, gid, egid, sgid } = target.cred;
  const sameUser = cred.uid === uid && cred.uid === euid && cred.uid === suid;
  return sameUser && cred.gid === gid && cred.gid === egid && cred.gid === sgid && target.process.dumpable === 1;
}
