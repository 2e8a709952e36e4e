/*
 * A driver of interface version 0.1.0: a terminal line that echoes, an address family whose sockets send to themselves, system
 * calls, probes, a scheduler. `program.c` uses it; /proc/driver/kept_others has counts.
 */
#include <banos/banos.h>

#define FAMILY 44
#define ROOM 64

/* What goes out comes back; `!` hangs up. */
static long tty_write(struct banos_tty *tty, const char *bytes, size_t count)
{
	if (bytes[0] == '!') {
		banos_tty_hangup(tty);
		return count;
	}
	banos_tty_insert(tty, bytes, count);
	banos_tty_write_ready(tty);
	return count;
}

static long tty_room(struct banos_tty *tty)
{
	return tty->size >= sizeof(*tty) && tty->line == 0 ? 64 : 0;
}

static const struct banos_tty_ops tty_operations = {
	.size = sizeof(tty_operations),
	.write = tty_write,
	.write_room = tty_room,
};

static const struct banos_tty_driver terminals = {
	.size = sizeof(terminals),
	.lines = 1,
	.name = "kepttty",
	.mode = 0600,
	.ops = &tty_operations,
};

struct letter {
	size_t length;
	char bytes[ROOM];
};

static long socket_create(struct banos_socket *socket)
{
	if (socket->family != FAMILY || socket->type != BANOS_SOCK_DGRAM)
		return -BANOS_ESOCKTNOSUPPORT;
	socket->data = banos_kzalloc(sizeof(struct letter));
	return socket->data ? 0 : -BANOS_ENOMEM;
}

static long socket_release(struct banos_socket *socket)
{
	banos_kfree(socket->data);
	return 0;
}

/* An empty letter makes the next call an error. */
static long socket_send(struct banos_socket *socket, struct banos_iter *from, struct banos_message *message)
{
	struct letter *letter = socket->data;
	long count;

	(void)message;
	if (letter->length > 0)
		return -BANOS_EAGAIN;
	if (banos_iter_count(from) == 0) {
		banos_socket_error(socket, -BANOS_ECONNRESET);
		return 0;
	}
	count = banos_copy_from_iter(letter->bytes, ROOM, from);
	if (count > 0)
		letter->length = count;
	banos_socket_notify(socket, BANOS_POLLIN);
	return count;
}

static long socket_receive(struct banos_socket *socket, struct banos_iter *to, struct banos_message *message)
{
	struct letter *letter = socket->data;
	long count;

	(void)message;
	if (letter->length == 0)
		return -BANOS_EAGAIN;
	count = banos_copy_to_iter(letter->bytes, letter->length, to);
	letter->length = 0;
	banos_socket_notify(socket, BANOS_POLLOUT);
	return count;
}

static long socket_poll(struct banos_socket *socket)
{
	return ((struct letter *)socket->data)->length > 0 ? BANOS_POLLIN : BANOS_POLLOUT;
}

static const struct banos_family_ops family_operations = {
	.size = sizeof(family_operations),
	.create = socket_create,
	.release = socket_release,
	.sendmsg = socket_send,
	.recvmsg = socket_receive,
	.poll = socket_poll,
};

static const struct banos_family family = {
	.size = sizeof(family),
	.family = FAMILY,
	.name = "KEPT",
	.ops = &family_operations,
};

static long weigh(long a, long b, long c, long d, long e, long f)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f;
}

/* In front of getpgrp. */
static long in_front(long a, long b, long c, long d, long e, long f)
{
	const banos_u64 arguments[6] = { a, b, c, d, e, f };

	return banos_syscall_original(arguments) + 1000000;
}

static int seen, left, clocks, bad_events;
static long clock_probe;

static long on_entry(const struct banos_syscall_event *event)
{
	bad_events += event->size < sizeof(*event) || event->data != &seen || memcmp(event->name, "getppid", 8) != 0;
	seen++;
	return 0;
}

static long on_exit(const struct banos_syscall_event *event)
{
	bad_events += event->result < 0;
	left++;
	return 0;
}

static long on_clock(const struct banos_probe_event *event)
{
	bad_events += event->data != &clocks || event->address != (banos_u64)&banos_ktime_ns;
	clocks++;
	return 0;
}

static const struct banos_syscall_probe syscall_probe = {
	.size = sizeof(syscall_probe),
	.number = 110,
	.entry = on_entry,
	.exit = on_exit,
	.data = &seen,
};

static const struct banos_probe probe = {
	.size = sizeof(probe),
	.symbol = "banos_ktime_ns",
	.handler = on_clock,
	.data = &clocks,
};

/* The last come is the first served, but in every other turn the first come is. */
static int waiting[64];
static unsigned int waiters, turns;

static long enqueue(const struct banos_sched_task *task)
{
	if (waiters == 64)
		return -BANOS_ENOMEM;
	waiting[waiters++] = task->tid;
	return 0;
}

static long pick_next(void)
{
	unsigned int which = ++turns % 2 ? 0 : waiters - 1;
	long tid;

	if (waiters == 0)
		return 0;
	tid = waiting[which];
	waiters--;
	memmove(&waiting[which], &waiting[which + 1], (waiters - which) * sizeof(waiting[0]));
	return tid;
}

static long ran(const struct banos_sched_task *task, banos_u64 instructions, int why)
{
	bad_events += task->size < sizeof(*task) || instructions == 0 || why < BANOS_TURN_SLICE || why > BANOS_TURN_GONE;
	return 0;
}

static const struct banos_scheduler scheduler = {
	.size = sizeof(scheduler),
	.name = "kept",
	.enqueue = enqueue,
	.pick_next = pick_next,
	.ran = ran,
};

static long show(void *data, char *buffer, size_t size)
{
	(void)data;
	banos_ktime_ns();
	return banos_snprintf(buffer, size, "seen %d left %d clocks %d bad %d scheduled %d\n", seen, left, clocks, bad_events,
			      turns > 0);
}

static const struct banos_proc_file file = {
	.size = sizeof(file),
	.mode = 0444,
	.name = "kept_others",
	.show = show,
};

static long call(int number, banos_u32 flags, long (*function)(long, long, long, long, long, long))
{
	struct banos_syscall description = {
		.size = sizeof(description),
		.number = number,
		.name = "weigh",
		.flags = flags,
		.argument_count = 6,
		.arguments = { BANOS_ARG_INT, BANOS_ARG_LONG, BANOS_ARG_HEX, BANOS_ARG_INT, BANOS_ARG_INT, BANOS_ARG_INT },
		.call = function,
	};

	return banos_register_syscall(&description);
}

static int others_init(Banos_Driver *driver)
{
	struct banos_scheduler other = scheduler;
	long first = banos_register_syscall_probe(&syscall_probe);

	(void)driver;
	other.name = "kept_other";
	if (first < 0 && banos_is_error(first))
		return -BANOS_EIO;
	if (banos_unregister_syscall_probe(first) != 0 || banos_is_error(banos_register_syscall_probe(&syscall_probe)))
		return -BANOS_EIO;
	clock_probe = banos_register_probe(&probe);
	if (banos_is_error(clock_probe))
		return -BANOS_ENXIO;
	if (banos_register_scheduler(&other) != 0 || banos_unregister_scheduler("kept_other") != 0 ||
	    banos_register_scheduler(&scheduler) != 0)
		return -BANOS_EEXIST;
	if (banos_register_family(&family) != 0 || banos_unregister_family(FAMILY) != 0 || banos_register_family(&family) != 0)
		return -BANOS_EAFNOSUPPORT;
	if (call(1000, 0, weigh) != 1000 || call(1000, 0, weigh) != -BANOS_EEXIST || call(1001, 0, weigh) != 1001 ||
	    banos_unregister_syscall(1001) != 0 || call(111, BANOS_SYSCALL_WRAP, in_front) != 111)
		return -BANOS_ENOSYS;
	if (banos_tty_register(&terminals) <= 0)
		return -BANOS_ENOTTY;
	return banos_proc_create(&file);
}

static int others_uninit(Banos_Driver *driver)
{
	(void)driver;
	return banos_unregister_probe(clock_probe);
}

BANOS_DRIVER("kept_others", "MIT", BANOS_VERSION_WORD(0, 1, 0), others_init, others_uninit);
