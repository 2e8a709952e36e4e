/**
 * The line discipline N_NULL: nothing can be read or written. Input stays where it is until another discipline takes it.
 * @source Linux drivers/tty/n_null.c (behaviour, verified against the host's own terminals)
 */
import { EINVAL, EOPNOTSUPP, type Err, fail } from '../abi/errno.js';
import type { DisciplineType, LineDiscipline } from './ldisc.js';

const N_NULL = 27;

const NOTHING: LineDiscipline = {
  number: N_NULL,
  isTerminal: false,
  unread: 0,
  readTimeout: Number.POSITIVE_INFINITY,
  open: () => 0,
  close: () => {},
  flushInput: () => {},
  read: (): Err => fail(EOPNOTSUPP),
  write: (): Err => fail(EOPNOTSUPP),
  // It has no ioctl at all: not even settings are known.
  ioctl: (): Err => fail(EINVAL),
  poll: () => 0,
  receive: () => 0,
  lookAhead: () => {},
  writeWakeup: () => {},
  hangUp: () => {},
  termiosChanged: () => {},
};

export const NULL_DISCIPLINE: DisciplineType = { number: N_NULL, name: 'n_null', make: () => NOTHING };
