/** Flags of eventfd2, signalfd4 and pidfd calls, and their structures. @source uapi/linux/eventfd.h, signalfd.h, pidfd.h */
export const EFD_CLOEXEC = 0x80000;
export const EFD_NONBLOCK = 0x800;
export const EFD_SEMAPHORE = 1;
export const SFD_CLOEXEC = 0x80000;
export const SFD_NONBLOCK = 0x800;
/** struct signalfd_siginfo, bytes. */
export const SIGNALFD_SIGINFO_SIZE = 128;
export const PIDFD_NONBLOCK = 0x800;
/** The descriptor stands for a thread; the same bit as O_EXCL. */
export const PIDFD_THREAD = 0x80;
export const PIDFD_SIGNAL_PROCESS_GROUP = 4;
export const PIDFD_SIGNAL_THREAD = 1;
export const PIDFD_SIGNAL_THREAD_GROUP = 2;
