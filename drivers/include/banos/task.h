/*
 * The process that a driver works for, and kernel threads.
 */
#ifndef BANOS_TASK_H
#define BANOS_TASK_H

#include <banos/types.h>

BANOS_BEGIN

int banos_current_pid(void);
int banos_current_tid(void);
/* Effective user. */
banos_u32 banos_current_uid(void);
void banos_current_comm(char *name, size_t size);
/* Is there a signal that an interruptible wait would end for? */
int banos_signal_pending(void);

/* Starts a thread of the kernel; it ends when its function returns. Returns its number, or a negative error. */
int banos_thread_run(int (*function)(void *argument), void *argument, const char *name);
/* Asks a thread of this driver to end, wakes it, and waits until it has. Returns what its function returned. */
int banos_thread_stop(int thread);
int banos_thread_should_stop(void);

BANOS_END

#endif
