/*
 * Waiting, waking and locks. All objects are ready when they are all zeros; nothing has to be set up or torn down.
 *
 * A function that sleeps may be called by operations of devices, of files in /proc and /sys, by threads and init, but not by
 * timers and probes, nor while a spinlock is held: the kernel ends the call that does.
 */
#ifndef BANOS_WAIT_H
#define BANOS_WAIT_H

#include <banos/time.h>
#include <banos/types.h>

BANOS_BEGIN

/* Nothing, any signal, or only a deadly one ends the wait before its time. */
#define BANOS_UNINTERRUPTIBLE 0
#define BANOS_INTERRUPTIBLE 1
#define BANOS_KILLABLE 2

struct banos_wait_queue {
	banos_u64 reserved[2];
};

/*
 * Sleeping until something is so: prepare, look, schedule, finish. banos_wait_event does it in the right order.
 * banos_wait_schedule returns 0 when the queue was woken since banos_wait_prepare, -BANOS_ERESTARTSYS for a signal,
 * -BANOS_ETIMEDOUT when banos_ktime_ns() has come to the deadline (0: there is none).
 */
void banos_wait_prepare(struct banos_wait_queue *queue);
long banos_wait_schedule(banos_u32 mode, banos_u64 deadline);
void banos_wait_finish(void);
/* All who wait, or the one who waits longest. */
void banos_wake_up(struct banos_wait_queue *queue);
void banos_wake_up_one(struct banos_wait_queue *queue);

/* 0 once the condition holds, or what banos_wait_schedule returned. */
#define banos_wait_event_until(queue, condition, mode, deadline)                         \
	__extension__({                                                                  \
		long banos_result_ = 0;                                                  \
		for (;;) {                                                               \
			banos_wait_prepare(queue);                                       \
			if (condition) {                                                 \
				banos_result_ = 0;                                       \
				break;                                                   \
			}                                                                \
			if (banos_result_ != 0)                                          \
				break;                                                   \
			banos_result_ = banos_wait_schedule(mode, deadline);             \
		}                                                                        \
		banos_wait_finish();                                                     \
		banos_result_;                                                           \
	})
#define banos_wait_event(queue, condition) \
	((void)banos_wait_event_until(queue, condition, BANOS_UNINTERRUPTIBLE, 0))
#define banos_wait_event_interruptible(queue, condition) \
	banos_wait_event_until(queue, condition, BANOS_INTERRUPTIBLE, 0)
#define banos_wait_event_killable(queue, condition) banos_wait_event_until(queue, condition, BANOS_KILLABLE, 0)
#define banos_wait_event_timeout(queue, condition, nanoseconds) \
	banos_wait_event_until(queue, condition, BANOS_INTERRUPTIBLE, banos_ktime_ns() + (nanoseconds))

/* Whoever holds it may sleep. Served in the order of asking. */
struct banos_mutex {
	banos_u64 reserved[2];
};

/* 0; -BANOS_EIO when the one who held it has crashed. */
int banos_mutex_lock(struct banos_mutex *mutex);
/* As above, or -BANOS_ERESTARTSYS. */
int banos_mutex_lock_interruptible(struct banos_mutex *mutex);
/* 1 when it is held now, 0 when somebody else holds it. */
int banos_mutex_trylock(struct banos_mutex *mutex);
void banos_mutex_unlock(struct banos_mutex *mutex);

/* Whoever holds it may not sleep, and is not interrupted. */
struct banos_spinlock {
	banos_u64 reserved;
};

void banos_spin_lock(struct banos_spinlock *lock);
int banos_spin_trylock(struct banos_spinlock *lock);
void banos_spin_unlock(struct banos_spinlock *lock);

/* Something that happens once, or a number of times: each banos_complete lets one through. */
struct banos_completion {
	banos_u32 done;
	banos_u32 reserved[3];
};

/* 0, -BANOS_ERESTARTSYS, -BANOS_ETIMEDOUT. */
long banos_wait_for_completion(struct banos_completion *completion, banos_u32 mode, banos_u64 deadline);
void banos_complete(struct banos_completion *completion);
void banos_complete_all(struct banos_completion *completion);

BANOS_END

#endif
