/** Arguments that point to times and timers. */
import * as stat from '../../abi/stat.js';
import { getI64 } from '../syscalls/layouts.js';
import { type ArgumentFormat, failed, filled, late, peekView, pointed } from './call.js';
import { dateText, pointer } from './text.js';

export const timespecAt = (view: DataView, offset: number): string =>
  `{tv_sec=${getI64(view, offset)}, tv_nsec=${getI64(view, offset + 8)}}`;

export const timevalAt = (view: DataView, offset: number): string =>
  `{tv_sec=${getI64(view, offset)}, tv_usec=${getI64(view, offset + 8)}}`;

export const timespecText = (view: DataView): string => timespecAt(view, 0);
export const timevalText = (view: DataView): string => timevalAt(view, 0);

/** A file time to set, with the date in a remark. @param digits of the fraction: 9 or 6 */
function fileTimeText(view: DataView, offset: number, digits: 9 | 6): string {
  const seconds = getI64(view, offset);
  const fraction = getI64(view, offset + 8);
  if (digits === 9 && fraction === stat.UTIME_NOW) return 'UTIME_NOW';
  if (digits === 9 && fraction === stat.UTIME_OMIT) return 'UTIME_OMIT';
  const text = digits === 9 ? timespecAt(view, offset) : timevalAt(view, offset);
  const below = fraction === 0 ? '' : String(fraction).padStart(digits, '0');
  return `${text} /* ${dateText(seconds, below)} */`;
}

const itimerval = (view: DataView): string => `{it_interval=${timevalAt(view, 0)}, it_value=${timevalAt(view, 16)}}`;

const timespec = pointed(16, timespecText);

export const TIME_KINDS = {
  timespecIn: timespec,
  timespecOut: filled(16, timespecText),
  /** What is left of a sleep: filled in only when a signal ended it. */
  timespecRemainder: late((call, value) => {
    const view = failed(call) && value !== 0 ? peekView(call, value, 16) : null;
    return view === null ? pointer(value) : timespecText(view);
  }),
  timespecInOut: timespec,
  futexTimeout: timespec,
  timespecPair: pointed(32, (view) => `[${fileTimeText(view, 0, 9)}, ${fileTimeText(view, 16, 9)}]`),
  timevalIn: pointed(16, timevalText),
  timevalOut: filled(16, timevalText),
  timevalInOut: pointed(16, timevalText),
  timevalPair: pointed(32, (view) => `[${fileTimeText(view, 0, 6)}, ${fileTimeText(view, 16, 6)}]`),
  utimbuf: pointed(16, (view) => {
    const [actime, modtime] = [getI64(view, 0), getI64(view, 8)];
    return `{actime=${actime} /* ${dateText(actime, '')} */, modtime=${modtime} /* ${dateText(modtime, '')} */}`;
  }),
  itimervalIn: pointed(32, itimerval),
  itimervalOut: filled(32, itimerval),
  timexInOut: pointed(4, (view) => `{modes=${view.getUint32(0, true)}, ...}`),
  tmsOut: filled(32, (view) => {
    const [user, system, childUser, childSystem] = [0, 8, 16, 24].map((offset) => getI64(view, offset));
    return `{tms_utime=${user}, tms_stime=${system}, tms_cutime=${childUser}, tms_cstime=${childSystem}}`;
  }),
} satisfies Record<string, ArgumentFormat>;
