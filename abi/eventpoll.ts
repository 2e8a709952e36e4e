/** epoll: operations, event bits beyond those of poll(2), struct epoll_event. @source uapi/linux/eventpoll.h */
export const EPOLL_CLOEXEC = 0x80000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLNVAL = 0x020;
export const EPOLLRDNORM = 0x040;
export const EPOLLRDBAND = 0x080;
export const EPOLLWRNORM = 0x100;
export const EPOLLWRBAND = 0x200;
export const EPOLLMSG = 0x400;
export const EPOLLRDHUP = 0x2000;
/** Wake one of the sets that have it, not all. */
export const EPOLLEXCLUSIVE = 1 << 28;
/** Keep the machine from suspending while the event is handled. */
export const EPOLLWAKEUP = 1 << 29;
export const EPOLLONESHOT = 1 << 30;
/** Edge-triggered. */
export const EPOLLET = 1 << 31;
/** struct epoll_event is packed: events (u32), data (u64). */
export const EPOLL_EVENT_SIZE = 12;
/** Most events that one wait may ask for: INT_MAX bytes' worth. */
export const EP_MAX_EVENTS = 178956970;
