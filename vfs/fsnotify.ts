/**
 * What happens to files, told to those who marked an inode (inotify). Marks keep their inode from being forgotten.
 *
 * An event of an open file or of metadata is told to the marks of the directory that has its name, with the name, and
 * then to those of the inode itself; one of a name to the marks of its directory. Names are those of the dentry that was
 * used. Called when the change is done; marks never throw. @source inotify(7), Linux include/linux/fsnotify.h
 */
import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CLOSE_NOWRITE,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_OPEN,
} from '../abi/inotify.js';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK } from '../abi/stat.js';
import type { Dentry } from './dentry.js';
import type { OpenFile } from './file.js';
import type { AttributeChange, Inode } from './inode.js';

/** Somebody's interest in an inode. */
export interface Mark {
  /**
   * @param mask one IN_* event, maybe with IN_ISDIR
   * @param name of the child it happened to, latin1; empty: to the inode itself
   * @param cookie joins the two halves of a move, else 0
   * @param unlinked it came through a description whose name is gone
   */
  event(mask: number, name: string, cookie: number, unlinked: boolean): void;
  /** The inode goes: IN_UNMOUNT or 0. The mark must take itself off. */
  inodeGone(mask: number): void;
}

/** Puts a mark on `inode`, which it keeps. */
export function addMark(inode: Inode, mark: Mark): void {
  if (inode.marks === null) {
    inode.marks = new Set();
    inode.fs.marked.add(inode);
  }
  inode.marks.add(mark);
}

export function removeMark(inode: Inode, mark: Mark): void {
  const { marks } = inode;
  if (marks === null || !marks.delete(mark) || marks.size > 0) return;
  inode.marks = null;
  inode.fs.marked.delete(inode);
  inode.releaseIfUnused();
}

const isSpecial = ({ mode }: Inode): boolean => {
  const type = mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK || type === S_IFIFO || type === S_IFSOCK;
};

const directoryBit = (inode: Inode): number => (inode.isDirectory ? IN_ISDIR : 0);

function tell(inode: Inode, mask: number, name: string, cookie = 0, unlinked = false): void {
  if (inode.marks === null) return;
  for (const mark of [...inode.marks]) mark.event(mask, name, cookie, unlinked);
}

/** An event of what `dentry` names. */
function tellDentry(dentry: Dentry, event: number, byFile: boolean): void {
  const { inode, parent } = dentry;
  if (inode.marks === null && (parent === null || parent.inode.marks === null)) return;
  const mask = event | directoryBit(inode);
  const unlinked = byFile && dentry.deleted;
  // Data that go through a device or fifo concern only those who watch it itself.
  const isStream = isSpecial(inode) && (event & (IN_ACCESS | IN_MODIFY)) !== 0;
  if (parent !== null && !isStream) tell(parent.inode, mask, dentry.name, 0, unlinked);
  tell(inode, mask, '', 0, unlinked);
}

function tellFile(file: OpenFile, event: number): void {
  if (file.path !== null) tellDentry(file.path.dentry, event, true);
}

export const fileOpened = (file: OpenFile): void => tellFile(file, IN_OPEN);
export const fileClosed = (file: OpenFile): void => tellFile(file, file.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
/** Something was read, a directory listed. */
export const fileAccessed = (file: OpenFile): void => tellFile(file, IN_ACCESS);
export const fileModified = (file: OpenFile): void => tellFile(file, IN_MODIFY);

/** @param dentry null for what has no name */
export function attributesChanged(dentry: Dentry | null, change: AttributeChange): void {
  if (dentry === null) return;
  let event = 0;
  if (change.mode !== undefined || change.uid !== undefined || change.gid !== undefined) event |= IN_ATTRIB;
  if (change.size !== undefined) event |= IN_MODIFY;
  if (change.atime !== undefined && change.mtime !== undefined) event |= IN_ATTRIB;
  else if (change.atime !== undefined) event |= IN_ACCESS;
  else if (change.mtime !== undefined) event |= IN_MODIFY;
  tellDentry(dentry, event, false);
}

/** `inode` got the name `name` in `dir`. @param another it had one before */
export function nameMade(dir: Inode, name: string, inode: Inode, another: boolean): void {
  if (another) tell(inode, IN_ATTRIB, '');
  tell(dir, IN_CREATE | directoryBit(inode), name);
}

/** A name of `inode` is about to go, and perhaps the inode with it. */
export function linkLost(inode: Inode): void {
  tell(inode, IN_ATTRIB, '');
}

/** The name is gone, and the inode if that was the last use of it. */
export function nameRemoved(dir: Inode, name: string, wasDirectory: boolean): void {
  tell(dir, IN_DELETE | (wasDirectory ? IN_ISDIR : 0), name);
}

let lastCookie = 0;

/** @param replaced what had the new name before */
export function nameMoved(
  from: Inode,
  oldName: string,
  to: Inode,
  newName: string,
  inode: Inode,
  replaced: Inode | null,
): void {
  if (from.marks === null && to.marks === null && inode.marks === null && (replaced?.marks ?? null) === null) return;
  lastCookie = (lastCookie + 1) >>> 0;
  const bit = directoryBit(inode);
  tell(from, IN_MOVED_FROM | bit, oldName, lastCookie);
  tell(to, IN_MOVED_TO | bit, newName, lastCookie);
  if (replaced !== null) linkLost(replaced);
  tell(inode, IN_MOVE_SELF, '');
}

/** Nothing uses `inode` any more and it has no name: it is deleted. */
export function inodeDeleted(inode: Inode): void {
  if (inode.marks === null) return;
  tell(inode, IN_DELETE_SELF, '');
  endMarks(inode, 0);
}

/** Takes all marks off. @param mask IN_UNMOUNT, or 0 */
export function endMarks(inode: Inode, mask: number): void {
  if (inode.marks === null) return;
  for (const mark of [...inode.marks]) mark.inodeGone(mask);
}
