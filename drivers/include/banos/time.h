/*
 * Clocks, sleeping and timers. Times are nanoseconds.
 */
#ifndef BANOS_TIME_H
#define BANOS_TIME_H

#include <banos/types.h>

BANOS_BEGIN

/* Since boot, never going back; since 1970. */
banos_u64 banos_ktime_ns(void);
banos_u64 banos_real_ns(void);

void banos_msleep(banos_u32 milliseconds);
/* 0, or -BANOS_ERESTARTSYS. */
long banos_sleep_interruptible(banos_u64 nanoseconds);

/* Its function is called once for each start, and may not sleep. It may start the timer again. */
struct banos_timer {
	banos_u64 reserved[4];
};

void banos_timer_setup(struct banos_timer *timer, void (*function)(void *argument), void *argument);
/* From now on; one that runs already begins anew. */
void banos_timer_start(struct banos_timer *timer, banos_u64 nanoseconds);
/* 1 when it was running. */
int banos_timer_stop(struct banos_timer *timer);

BANOS_END

#endif
