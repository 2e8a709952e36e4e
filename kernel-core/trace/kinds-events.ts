/** Arguments of the calls around epoll and the descriptors that stand for events: eventfd, timerfd, signalfd, inotify, pidfd. */
import * as eventFiles from '../../abi/event-files.js';
import * as epoll from '../../abi/eventpoll.js';
import * as inotify from '../../abi/inotify.js';
import * as time from '../../abi/time.js';
import { type ArgumentFormat, early, failed, filled, late, peekView, pointed, type TraceCall } from './call.js';
import { timespecAt } from './kinds-time.js';
import { flagText, hex, type Names, namesOf, pointer, SHOWN, sigsetText, valueText } from './text.js';

const flags = (names: Names, unknown: string): ArgumentFormat =>
  early((_call, value) => flagText(value, names, unknown));

const EPOLL_EVENTS = namesOf(
  epoll,
  'EPOLLIN EPOLLPRI EPOLLOUT EPOLLRDNORM EPOLLRDBAND EPOLLWRNORM EPOLLWRBAND EPOLLMSG EPOLLERR EPOLLHUP EPOLLRDHUP EPOLLEXCLUSIVE EPOLLWAKEUP EPOLLONESHOT EPOLLET',
);
const OPERATIONS = namesOf(epoll, 'EPOLL_CTL_ADD EPOLL_CTL_MOD EPOLL_CTL_DEL');

/** struct epoll_event: events (u32), data (u64), packed. */
function epollEventText(view: DataView, offset: number): string {
  const events = flagText(view.getUint32(offset, true), EPOLL_EVENTS, 'EPOLL???');
  const data = view.getBigUint64(offset + 4, true);
  return `{events=${events}, data={u32=${view.getUint32(offset + 4, true)}, u64=${data}}}`;
}

function epollEventList(call: TraceCall, value: number): string {
  if (failed(call) || call.result === null) return pointer(value);
  const shown = Math.min(call.result, SHOWN);
  const view = peekView(call, value, shown * epoll.EPOLL_EVENT_SIZE);
  if (view === null) return pointer(value);
  const parts = Array.from({ length: shown }, (_, i) => epollEventText(view, i * epoll.EPOLL_EVENT_SIZE));
  if (call.result > SHOWN) parts.push('...');
  return `[${parts.join(', ')}]`;
}

const itimerspec = (view: DataView): string => `{it_interval=${timespecAt(view, 0)}, it_value=${timespecAt(view, 16)}}`;

const TIMERFD = namesOf(time, 'TFD_TIMER_ABSTIME TFD_TIMER_CANCEL_ON_SET TFD_CLOEXEC TFD_NONBLOCK');
const WATCH = namesOf(
  inotify,
  'IN_ACCESS IN_MODIFY IN_ATTRIB IN_CLOSE_WRITE IN_CLOSE_NOWRITE IN_OPEN IN_MOVED_FROM IN_MOVED_TO IN_CREATE IN_DELETE IN_DELETE_SELF IN_MOVE_SELF IN_UNMOUNT IN_Q_OVERFLOW IN_IGNORED IN_ONLYDIR IN_DONT_FOLLOW IN_EXCL_UNLINK IN_MASK_CREATE IN_MASK_ADD IN_ISDIR IN_ONESHOT',
);
const SIGSET_SIZE = 8;

export const EVENT_KINDS = {
  epollFlags: flags(namesOf(epoll, 'EPOLL_CLOEXEC'), 'EPOLL_???'),
  epollOp: early((_call, value) => valueText(value, OPERATIONS, 'EPOLL_CTL_???')),
  epollEvent: early((call, value) => {
    const view = (call.args[1] | 0) === epoll.EPOLL_CTL_DEL ? null : peekView(call, value, epoll.EPOLL_EVENT_SIZE);
    return view === null ? pointer(value) : epollEventText(view, 0);
  }),
  epollEventsOut: late(epollEventList),
  eventfdFlags: flags(namesOf(eventFiles, 'EFD_SEMAPHORE EFD_CLOEXEC EFD_NONBLOCK'), 'EFD_???'),
  signalfdFlags: flags(namesOf(eventFiles, 'SFD_CLOEXEC SFD_NONBLOCK'), 'SFD_???'),
  /** A signal set whose size is the next argument. */
  sizedSigset: early((call, value, index) => {
    const view = call.args[index + 1] === SIGSET_SIZE ? peekView(call, value, SIGSET_SIZE) : null;
    return view === null ? pointer(value) : sigsetText(view.getUint32(0, true), view.getUint32(4, true));
  }),
  timerfdFlags: flags(TIMERFD, 'TFD_???'),
  itimerspecIn: pointed(32, itimerspec),
  itimerspecOut: filled(32, itimerspec),
  inotifyFlags: flags(namesOf(inotify, 'IN_NONBLOCK IN_CLOEXEC'), 'IN_???'),
  inotifyMask: flags(WATCH, 'IN_???'),
  /** strace 6.1 knows no name for any. */
  pidfdSignalFlags: early((_call, value) => hex(value >>> 0)),
  pidfdFlags: flags(namesOf(eventFiles, 'PIDFD_NONBLOCK'), 'PIDFD_???'),
} satisfies Record<string, ArgumentFormat>;
