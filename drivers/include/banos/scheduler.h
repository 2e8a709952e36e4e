/*
 * Schedulers: who runs next. `echo NAME > /proc/banos/scheduler` chooses one, `echo fifo` goes back to the kernel's own; while it
 * is chosen its driver cannot be unloaded.
 *
 * The functions may not sleep, and are called between the turns of tasks. The kernel knows by itself which tasks wait: a
 * scheduler that crashes, takes too long, names a task that does not wait or none, or lets one starve is given up for fifo.
 * It is not told when another is chosen: chosen again, it may name each task that it still has in mind once more.
 */
#ifndef BANOS_SCHEDULER_H
#define BANOS_SCHEDULER_H

#include <banos/types.h>

BANOS_BEGIN

/* The task has slept since it last ran, or is new. */
#define BANOS_SCHED_WOKEN 1u
/* A thread of the kernel. */
#define BANOS_SCHED_KERNEL 2u

struct banos_sched_task {
	banos_u32 size;
	/* What it is named by: its thread's number. */
	int tid;
	int pid;
	/* -20 to 19. */
	int nice;
	/* BANOS_SCHED_* */
	banos_u32 flags;
	/* SCHED_* of sched(7). */
	banos_u32 policy;
	banos_u64 reserved;
	char name[16];
};

/* Why a turn is over. */
#define BANOS_TURN_SLICE 0
#define BANOS_TURN_YIELD 1
#define BANOS_TURN_SLEEP 2
#define BANOS_TURN_GONE 3

struct banos_scheduler {
	/* sizeof(struct banos_scheduler) */
	banos_u32 size;
	banos_u32 flags;
	const char *name;
	/* The task waits for its turn. 0; a negative error gives the scheduler up. */
	long (*enqueue)(const struct banos_sched_task *task);
	/* The number of the task that is to run now. It waits no longer. */
	long (*pick_next)(void);
	/* Its turn is over after so many instructions, the kernel's work included. May be NULL. */
	long (*ran)(const struct banos_sched_task *task, banos_u64 instructions, int why);
	/* Instructions that it gets while others wait, 1000 to 1000000; 0: as many as usual, 100000. May be NULL. */
	long (*slice)(const struct banos_sched_task *task);
};

/* 0; -EINVAL; -EEXIST when there is one of that name. Registering does not choose it. */
long banos_register_scheduler(const struct banos_scheduler *scheduler);
/* 0; -ENOENT; -EBUSY while it is chosen. */
long banos_unregister_scheduler(const char *name);

BANOS_END

#endif
