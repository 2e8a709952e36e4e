/** What the superuser sets about core files, in /proc/sys. @source core(5), proc_sys_kernel(5), proc_sys_fs(5) */
import type { ProcCoreSettings } from '../../vfs/fs/procfs/settings.js';

export class CoreSettings implements ProcCoreSettings {
  pattern = 'core';
  usesPid = 0;
  setIdDumpable = 0;
}

/** Values of `Process.dumpable` and of `setIdDumpable`. @source prctl(2), proc_sys_fs(5) */
export const DUMP_NEVER = 0;
export const DUMP_USER = 1;
/** As a file of the superuser's, to an absolute path. */
export const DUMP_ROOT = 2;
