/*
 * A scheduler: everybody in turn, with time by niceness. A task of nice 0 gets the usual slice; five steps up or down half of it
 * or twice as much. Tasks that come from sleep go before those that used up their slice, so that who types is answered at once,
 * but after eight of them in a row one of the others is next.
 *
 *   insmod round_robin.o; echo round_robin > /proc/banos/scheduler
 */
#include <banos/banos.h>

#define USUAL_SLICE 100000
#define WOKEN_IN_A_ROW 8

struct entry {
	struct entry *next;
	int tid;
};

struct queue {
	struct entry *first;
	struct entry *last;
};

static struct queue woken;
static struct queue others;
static int in_a_row;

static void put(struct queue *queue, struct entry *entry)
{
	entry->next = NULL;
	if (queue->last == NULL)
		queue->first = entry;
	else
		queue->last->next = entry;
	queue->last = entry;
}

static long take(struct queue *queue)
{
	struct entry *entry = queue->first;
	long tid = entry->tid;

	queue->first = entry->next;
	if (queue->first == NULL)
		queue->last = NULL;
	banos_kfree(entry);
	return tid;
}

static long enqueue(const struct banos_sched_task *task)
{
	struct entry *entry = banos_kmalloc(sizeof *entry);

	if (entry == NULL)
		return -BANOS_ENOMEM;
	entry->tid = task->tid;
	put(task->flags & BANOS_SCHED_WOKEN ? &woken : &others, entry);
	return 0;
}

static long pick_next(void)
{
	if (woken.first != NULL && (others.first == NULL || in_a_row < WOKEN_IN_A_ROW)) {
		in_a_row++;
		return take(&woken);
	}
	in_a_row = 0;
	return others.first == NULL ? 0 : take(&others);
}

static long slice(const struct banos_sched_task *task)
{
	int steps = task->nice / 5;

	return steps >= 0 ? USUAL_SLICE >> steps : USUAL_SLICE << -steps;
}

static const struct banos_scheduler round_robin = {
	.size = sizeof round_robin,
	.name = "round_robin",
	.enqueue = enqueue,
	.pick_next = pick_next,
	.slice = slice,
};

static int init(Banos_Driver *driver)
{
	(void)driver;
	return banos_register_scheduler(&round_robin);
}

static int uninit(Banos_Driver *driver)
{
	(void)driver;
	return banos_unregister_scheduler(round_robin.name);
}

BANOS_DRIVER("round_robin", "MIT", BANOS_VERSION_WORD(1, 0, 0), init, uninit);
