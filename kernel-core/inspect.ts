/** Who may look into another task, and who becomes somebody whom others may not look into. */
import type { Credentials } from '../vfs/caller.js';
import { gains } from '../vfs/capability.js';
import { mayTrace } from '../vfs/permission.js';
import { DUMP_USER } from './core-dump/settings.js';
import type { Task } from './task.js';

/** What ptrace(2) asks for ("access mode checks"): the same identities all over, or the superuser. */
export function mayInspect(task: Task, target: Task): boolean {
  const { cred } = task;
  if (target.process === task.process) return true;
  const { uid, gid, capabilities } = cred;
  return mayTrace(cred, uid, gid, capabilities.permitted, target.cred, target.process.dumpable === DUMP_USER);
}

/** Whether whoever becomes `next` has memory that others must not see: he is another, or may do more. @source Linux commit_creds */
export const isRaised = (old: Credentials, next: Credentials): boolean =>
  next.euid !== old.euid ||
  next.egid !== old.egid ||
  next.fsuid !== old.fsuid ||
  next.fsgid !== old.fsgid ||
  gains(old, next);

/** The task has other credentials from now on. */
export function changeCredentials(task: Task, next: Credentials): void {
  if (isRaised(task.cred, next)) {
    task.process.dumpable = task.kernel.coreSettings.setIdDumpable;
    task.parentDeathSignal = 0;
  }
  task.cred = next;
}
