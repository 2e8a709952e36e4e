/** Rows of procfs: a directory is a table of them, and what a row shows is a function of the directory's subject. */

import type { Err } from '../../../abi/errno.js';
import type { Caller } from '../../caller.js';
import type { Path } from '../../dentry.js';
import type { OpenFile } from '../../file.js';
import type { Inode } from '../../inode.js';
import type { ShownText } from '../shown-text.js';
import type { ProcFile } from './nodes.js';
import type { ProcNetwork, ProcSource, ProcTask } from './source.js';

/** Who reads. */
export interface Reader {
  readonly caller: Caller;
  readonly source: ProcSource;
  /** Root that names are shown from; null for the kernel itself. */
  readonly root: Path | null;
  /** Character devices, ascending by major number. */
  readonly devices: readonly { readonly major: number; readonly name: string }[];
}

interface RowBase {
  readonly name: string;
  /** Permission bits. */
  readonly mode: number;
}

export interface FileRow<S> extends RowBase {
  readonly kind: 'file';
  /** Only for those who may inspect the task. */
  readonly guarded?: boolean;
  /** `read` and `write` may answer SUSPENDED, and are asked again; and say themselves when there is nothing any more. */
  readonly sleeps?: boolean;
  /** Permission bits, where they depend on what it is about. */
  modeOf?(subject: S): number;
  /** Why it cannot be opened now. @param flags O_* */
  refusal?(subject: S, flags: number, reader: Reader): 0 | Err;
  read?(subject: S, reader: Reader): ShownText;
  /** @param text what one write(2) brought @param position where in the file @returns 0 or an error */
  write?(subject: S, text: string, reader: Reader, position: number): number | Err;
}

/** A file that is not a text: its own description does the work. */
export interface SpecialRow<S> extends RowBase {
  readonly kind: 'special';
  readonly guarded?: boolean;
  open(inode: ProcFile<S>, subject: S, flags: number, caller: Caller): OpenFile | Err;
}

export interface DirectoryRow<S> extends RowBase {
  readonly kind: 'directory';
  /** Its rows come and go: nothing is remembered about names. */
  readonly changes?: boolean;
  readonly rows: readonly Row<S>[];
}

export interface LinkRow<S> extends RowBase {
  readonly kind: 'link';
  /** st_size; 0 when absent. */
  readonly size?: number;
  readonly guarded?: boolean;
  readlink(subject: S, reader: Reader): string | Err;
  /** What following it leads to, without a reference; absent for links that are just text. */
  goal?(subject: S): Path | Inode | Err;
}

/** A directory of which each network namespace has its own: who looks finds that of his. */
export interface NetworkRow extends RowBase {
  readonly kind: 'network';
  readonly row: DirectoryRow<ProcNetwork>;
}

/** A directory whose names are numbers that come and go. */
export interface NumbersRow<S> extends RowBase {
  readonly kind: 'numbers';
  /** The process itself may look there whomever it belongs to: who must not be inspected loses it to the superuser. */
  readonly isForItself?: boolean;
  /** st_size, in entries. */
  size?(subject: S): number;
  numbers(subject: S): Iterable<number>;
  /** Rows of one number, or null when it is not there. */
  entry(subject: S, number: number): NumberEntry | null;
}

export interface NumberEntry {
  readonly subject: ProcTask;
  readonly row: Row<ProcTask>;
}

export type Row<S> = FileRow<S> | SpecialRow<S> | DirectoryRow<S> | LinkRow<S> | NumbersRow<S> | NetworkRow;

const READ_ALL = 0o444;
const LINK = 0o777;

export const file = <S>(
  name: string,
  read: FileRow<S>['read'],
  more: Partial<Pick<FileRow<S>, 'mode' | 'write' | 'guarded' | 'refusal' | 'sleeps'>> = {},
): FileRow<S> => ({ kind: 'file', name, mode: READ_ALL, read, ...more });

export const directory = <S>(name: string, rows: readonly Row<S>[], mode = 0o555): DirectoryRow<S> => ({
  kind: 'directory',
  name,
  mode,
  rows,
});

export const link = <S>(name: string, readlink: LinkRow<S>['readlink']): LinkRow<S> => ({
  kind: 'link',
  name,
  mode: LINK,
  readlink,
});
