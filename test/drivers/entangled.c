/*
 * A driver of everything (a device, lines, line disciplines, files, probes, a timer) whose every operation does something at
 * random, mostly what leads back to it: it hangs up what it is asked about, inserts and sends bytes, registers and takes away,
 * crashes. Nothing that it does may harm the kernel (entangled.test.ts).
 */
#include <banos/banos.h>

unsigned long state = 1;
/* Whether it may crash, and loop for ever. */
long crashes;

#define PROBES 3
#define DEPTH 3

static struct banos_tty *line;
static struct banos_ldisc_tty *opened, *held;
static struct banos_timer timer;
static long number, probes[PROBES], call_probe;
static int depth;

static unsigned draw(unsigned below)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (state >> 33) % below;
}

static long act(void);

static long line_open(struct banos_tty *tty) { line = tty; return act() < -50 ? -BANOS_EIO : 0; }
static void line_does(struct banos_tty *tty) { act(); }
static long line_write(struct banos_tty *tty, const char *bytes, size_t count)
{
	if (draw(2))
		banos_tty_insert(tty, bytes, count);
	act();
	return draw(4) ? (long)count : draw(count + 2);
}
static long line_room(struct banos_tty *tty) { if (!draw(4)) act(); return draw(100); }
static long line_unsent(struct banos_tty *tty) { if (!draw(4)) act(); return draw(8) ? 0 : 5; }
static void line_settings(struct banos_tty *tty, const struct banos_termios *now, const struct banos_termios *old) { act(); }
static long line_break(struct banos_tty *tty, int duration) { return act(); }
static long line_bits(struct banos_tty *tty) { return act(); }
static long line_set_bits(struct banos_tty *tty, banos_u32 set, banos_u32 clear) { return act(); }
static long line_ioctl(struct banos_tty *tty, banos_u32 request, unsigned long argument) { act(); return draw(2) ? -BANOS_ENOTTY : 0; }
static const struct banos_tty_ops line_ops = {
	sizeof line_ops, 0, line_open, line_does, line_write, line_room, line_unsent, line_does, line_settings, line_does,
	line_does, line_does, line_does, line_does, line_break, line_bits, line_set_bits, line_ioctl,
};
static const struct banos_tty_driver lines = { .size = sizeof lines, .lines = 2, .name = "ttyE", .mode = 0666, .ops = &line_ops };

static long disc_open(struct banos_ldisc_tty *tty)
{
	opened = tty;
	if (act() >= -50)
		return 0;
	opened = 0;
	return -BANOS_EIO;
}
static void disc_close(struct banos_ldisc_tty *tty) { act(); if (opened == tty) opened = 0; }
static void disc_does(struct banos_ldisc_tty *tty) { act(); }
static long disc_read(struct banos_ldisc_tty *tty, struct banos_iter *to)
{
	act();
	return draw(2) ? -BANOS_EAGAIN : banos_copy_to_iter("hello", 5, to);
}
static long disc_write(struct banos_ldisc_tty *tty, struct banos_iter *from)
{
	char bytes[64];
	long count = banos_copy_from_iter(bytes, sizeof bytes, from);

	act();
	return count > 0 && draw(2) ? banos_ldisc_send(tty, bytes, count) : count;
}
static long disc_ioctl(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument) { act(); return draw(2) ? -BANOS_ENOTTY : 0; }
static long disc_poll(struct banos_ldisc_tty *tty) { if (!draw(4)) act(); return draw(256); }
static long disc_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count)
{
	act();
	if (draw(2))
		banos_ldisc_send(tty, bytes, count);
	return draw(3) ? (long)count : draw(count + 1);
}
static void disc_settings(struct banos_ldisc_tty *tty, const struct banos_termios *now, const struct banos_termios *old) { act(); }
static const struct banos_ldisc_ops own_ops = {
	sizeof own_ops, 0, disc_open, disc_close, disc_does, disc_read, disc_write, disc_ioctl, disc_poll, disc_receive, disc_does,
	disc_does, disc_settings,
};
static const struct banos_ldisc own = { sizeof own, 29, "own", &own_ops };
static const struct banos_ldisc_ops inheriting_ops = {
	.size = sizeof inheriting_ops, .flags = BANOS_LDISC_INHERIT, .open = disc_open, .close = disc_close,
	.flush_buffer = disc_does, .receive = disc_receive, .write_wakeup = disc_does, .hangup = disc_does,
};
static const struct banos_ldisc inheriting = { sizeof inheriting, 28, "inheriting", &inheriting_ops };

static long show(void *data, char *buffer, size_t size) { act(); return banos_snprintf(buffer, size, "text"); }
static int store_proc(void *data, const char *text, size_t size) { act(); return draw(2) ? 0 : -BANOS_EIO; }
static long store(void *data, const char *text, size_t size) { return store_proc(data, text, size); }
static const struct banos_proc_file file = { .size = sizeof file, .mode = 0666, .name = "entangled", .show = show, .store = store_proc };
static const struct banos_attribute attribute = { .size = sizeof attribute, .mode = 0666, .name = "text", .show = show, .store = store };

static int dev_open(struct banos_file *file) { act(); return 0; }
static void dev_release(struct banos_file *file) { act(); }
static long dev_move(struct banos_file *file, struct banos_iter *iter, banos_u64 position)
{
	act();
	if (!draw(4))
		banos_msleep(1);
	return draw(3);
}
static long dev_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument)
{
	act();
	if (!draw(4))
		banos_msleep(1);
	return act();
}
static banos_u32 dev_poll(struct banos_file *file) { act(); return draw(70); }
static int dev_mmap(struct banos_file *file, struct banos_mapping *mapping) { act(); return 0; }
static int dev_fasync(struct banos_file *file, int on) { act(); return 0; }
static int dev_fsync(struct banos_file *file) { act(); return 0; }
static const struct banos_chrdev_ops dev_ops = {
	sizeof dev_ops, 0, dev_open, dev_release, dev_move, dev_move, dev_ioctl, dev_poll, dev_mmap, dev_fasync, 0, dev_fsync,
};
static const struct banos_chrdev device = { .size = sizeof device, .minors = 1, .name = "entangled", .mode = 0666, .ops = &dev_ops };

static void tick(void *argument) { act(); }
static long told(const struct banos_probe_event *event) { act(); return 0; }
static long told_call(const struct banos_syscall_event *event) { act(); return draw(20) ? 0 : -BANOS_EIO; }
__attribute__((noinline)) static long probed(long a) { __asm__ volatile("" : "+r"(a)); return a; }

static void probe(long *place)
{
	static const char *const names[] = { "probed", "banos_ktime_ns", "banos_tty_insert", "banos_snprintf", "disc_receive", "line_write" };
	struct banos_probe one = { .size = sizeof one, .symbol = names[draw(6)] };
	long result;

	if (draw(2))
		one.handler = told;
	if (draw(2) || !one.handler)
		one.returned = told;
	result = banos_register_probe(&one);
	*place = banos_is_error(result) ? 0 : result;
}

static long do_something(void)
{
	static unsigned last;
	long *place = &probes[draw(PROBES)];

	/* What leads back here does the same once more, often. */
	if (depth == 1 || draw(2))
		last = draw(36);
	switch (last) {
	case 0:
		if (line)
			banos_tty_hangup(line);
		break;
	case 1:
	case 2:
		return line ? banos_tty_insert(line, "ab\3cd\n\4", 1 + draw(7)) : 0;
	case 3:
		return line ? banos_tty_insert(line, "0123456789012345678901234567890123456789", 40) : 0;
	case 4:
		if (line)
			banos_tty_write_ready(line);
		break;
	case 5:
	case 6:
		return opened ? banos_ldisc_send(opened, "xy\3\n", 1 + draw(4)) : 0;
	case 7:
		if (opened)
			banos_ldisc_wake(opened, draw(256));
		break;
	case 8:
	case 9:
		if (opened)
			banos_ldisc_input_wanted(opened);
		break;
	case 10:
	case 11:
		return opened ? banos_ldisc_deliver(opened, "qr\3s\n", 1 + draw(5)) : 0;
	case 12:
		if (opened && !held) {
			held = opened;
			banos_ldisc_hold(held);
		}
		break;
	case 13:
		if (held)
			banos_ldisc_put(held);
		held = 0;
		break;
	case 14:
		return banos_unregister_ldisc(29);
	case 15:
		return banos_register_ldisc(&own);
	case 16:
		return banos_notify(number, draw(256));
	case 17:
		return banos_proc_remove("entangled");
	case 18:
		return banos_proc_create(&file);
	case 19:
		return banos_attribute_remove(number, "text");
	case 20:
		return banos_attribute_add(number, &attribute);
	case 21:
		return banos_attribute_changed(number, "text");
	case 22:
	case 23:
		if (!*place)
			probe(place);
		break;
	case 24:
	case 25:
		if (*place)
			banos_unregister_probe(*place);
		*place = 0;
		break;
	case 26:
		if (!call_probe) {
			struct banos_syscall_probe one = { .size = sizeof one, .number = -1, .entry = told_call, .exit = told_call };

			call_probe = banos_register_syscall_probe(&one);
		}
		break;
	case 27:
	case 28:
		if (call_probe)
			banos_unregister_syscall_probe(call_probe);
		call_probe = 0;
		break;
	case 29:
		banos_timer_start(&timer, draw(3000000));
		break;
	case 30:
		return probed(banos_ktime_ns() & 7);
	case 31:
		return -(long)draw(100);
	case 32:
		if (draw(3))
			break;
		banos_chrdev_unregister(number);
		number = banos_chrdev_register(&device);
		break;
	case 33:
		if (crashes && !draw(6))
			*(volatile int *)8 = 1;
		break;
	case 34:
		if (crashes && !draw(6))
			for (;;)
				;
		break;
	}
	return 0;
}

/* A crash leaves `depth` as it is: after a few of them nothing happens any more. */
static long act(void)
{
	long result;

	if (depth >= DEPTH)
		return 0;
	depth++;
	result = do_something();
	depth--;
	return result;
}

static int init(Banos_Driver *driver)
{
	long first;

	banos_timer_setup(&timer, tick, 0);
	number = banos_chrdev_register(&device);
	first = banos_tty_register(&lines);
	if (number < 0 || first < 0)
		return -BANOS_EIO;
	banos_attribute_add(number, &attribute);
	banos_proc_create(&file);
	banos_register_ldisc(&own);
	banos_register_ldisc(&inheriting);
	return 0;
}

BANOS_DRIVER("entangled", "MIT", 1, init, 0);
