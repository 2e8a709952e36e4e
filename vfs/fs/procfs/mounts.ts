/** /proc/PID/mounts and mountinfo: what is mounted where, as the task's root shows it. @source Linux fs/proc_namespace.c */
import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
} from '../../../abi/mount.js';
import type { Dentry } from '../../dentry.js';
import { majorOf, minorOf } from '../../devices.js';
import type { Mount } from '../../mount.js';
import { workingDirectory } from '../../path-string.js';
import { escapeOctal } from './format.js';
import type { ProcTask } from './source.js';

const SEPARATORS = ' \t\n\\';

/** In the order in which they are shown. */
const MOUNT_OPTIONS: readonly (readonly [flag: number, name: string])[] = [
  [MS_NOSUID, ',nosuid'],
  [MS_NODEV, ',nodev'],
  [MS_NOEXEC, ',noexec'],
  [MS_NOATIME, ',noatime'],
  [MS_NODIRATIME, ',nodiratime'],
  [MS_RELATIME, ',relatime'],
  [MS_NOSYMFOLLOW, ',nosymfollow'],
];

function mountOptions(mount: Mount): string {
  let text = '';
  for (const [flag, name] of MOUNT_OPTIONS) if (mount.flags & flag) text += name;
  return text;
}

const access = (readOnly: boolean): string => (readOnly ? 'ro' : 'rw');

/** Where the task sees the mount, or null when it lies outside its root. */
function mountPoint(task: ProcTask, mount: Mount): string | null {
  const text = workingDirectory({ root: task.directories!.root, cwd: { mount, dentry: mount.root } });
  return typeof text === 'string' && text.startsWith('/') ? escapeOctal(text, SEPARATORS) : null;
}

/** The part of its file system that a mount shows. */
function shownRoot(dentry: Dentry): string {
  let text = '';
  for (let one = dentry; one.parent !== null; one = one.parent) text = `/${one.name}${text}`;
  return escapeOctal(text || '/', SEPARATORS);
}

const source = (mount: Mount): string => escapeOctal(mount.source || 'none', `${SEPARATORS}#`);

export function mounts(task: ProcTask): string {
  let text = '';
  for (const mount of task.directories?.mounts() ?? []) {
    const point = mountPoint(task, mount);
    if (point === null) continue;
    const options = `${access(mount.readOnly)}${mountOptions(mount)}${mount.fs.options()}`;
    text += `${source(mount)} ${point} ${mount.fs.type} ${options} 0 0\n`;
  }
  return text;
}

export function mountinfo(task: ProcTask): string {
  let text = '';
  for (const mount of task.directories?.mounts() ?? []) {
    const point = mountPoint(task, mount);
    if (point === null) continue;
    const { fs, id, parent } = mount;
    const device = `${majorOf(fs.device)}:${minorOf(fs.device)}`;
    const own = `${access((mount.flags & MS_RDONLY) !== 0)}${mountOptions(mount)}`;
    const whole = `${access((fs.flags & MS_RDONLY) !== 0)}${fs.options()}`;
    text += `${id} ${parent?.id ?? id} ${device} ${shownRoot(mount.root)} ${point} ${own}`;
    text += ` - ${fs.type} ${source(mount)} ${whole}\n`;
  }
  return text;
}
