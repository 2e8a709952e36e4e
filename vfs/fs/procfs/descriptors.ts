/** /proc/PID/fd and fdinfo. @source Linux fs/proc/fd.c */
import { ENOENT, fail } from '../../../abi/errno.js';
import { O_CLOEXEC, O_PATH } from '../../../abi/fcntl.js';
import type { OpenFile } from '../../file.js';
import { fileString } from '../../path-string.js';
import { file, type LinkRow, type NumbersRow, type Row } from './row.js';
import type { ProcTask } from './source.js';

/** What F_GETFL adds for files that open(2) made: programs of 64 bits always have it. */
const O_LARGEFILE = 0o100000;
const READ_LINK = 0o500;
const WRITE_LINK = 0o300;
/** st_size of the links, whatever they lead to. */
const LINK_SIZE = 64;

const linkMode = (open: OpenFile): number => (open.readable ? READ_LINK : 0) | (open.writable ? WRITE_LINK : 0);

/** Rows by descriptor and mode: inodes compare them to learn whether they still stand for the same thing. */
const links = new Map<number, LinkRow<ProcTask>>();
const infos = new Map<number, Row<ProcTask>>();

function linkRow(fd: number, mode: number): LinkRow<ProcTask> {
  const key = fd * 0o1000 + mode;
  let row = links.get(key);
  if (row === undefined) {
    row = {
      kind: 'link',
      name: `${fd}`,
      mode,
      size: LINK_SIZE,
      guarded: true,
      readlink: (task, reader) => {
        const open = task.file(fd);
        const root = reader.root ?? task.directories?.root;
        return open === null || root === undefined ? fail(ENOENT) : fileString({ root }, open);
      },
      goal: (task) => {
        const open = task.file(fd);
        return open === null ? fail(ENOENT) : (open.path ?? open.inode);
      },
    };
    links.set(key, row);
  }
  return row;
}

function infoRow(fd: number): Row<ProcTask> {
  let row = infos.get(fd);
  if (row === undefined) {
    row = file<ProcTask>(
      `${fd}`,
      (task) => {
        const open = task.file(fd);
        return open === null ? fail(ENOENT) : info(open, task.isCloseOnExec(fd));
      },
      { guarded: true },
    );
    infos.set(fd, row);
  }
  return row;
}

function info(open: OpenFile, closeOnExec: boolean): string {
  let flags = open.flags;
  if (open.path !== null && !(flags & O_PATH)) flags |= O_LARGEFILE;
  if (closeOnExec) flags |= O_CLOEXEC;
  const mount = open.path?.mount.id ?? 0;
  return `pos:\t${open.offset}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${mount}\nino:\t${open.node.ino}\n${open.info}`;
}

const count = (task: ProcTask): number => {
  let open = 0;
  for (const _ of task.descriptors()) open++;
  return open;
};

export const FD_ROW: NumbersRow<ProcTask> = {
  kind: 'numbers',
  name: 'fd',
  mode: 0o500,
  isForItself: true,
  size: count,
  numbers: (task) => task.descriptors(),
  entry: (task, fd) => {
    const open = task.file(fd);
    return open === null ? null : { subject: task, row: linkRow(fd, linkMode(open)) };
  },
};

export const FDINFO_ROW: NumbersRow<ProcTask> = {
  kind: 'numbers',
  name: 'fdinfo',
  mode: 0o555,
  numbers: (task) => task.descriptors(),
  entry: (task, fd) => (task.file(fd) === null ? null : { subject: task, row: infoRow(fd) }),
};
