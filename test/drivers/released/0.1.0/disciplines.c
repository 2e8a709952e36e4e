/*
 * A driver of interface version 0.1.0: line disciplines. Number 28 takes what comes in three bytes at a time, keeps nine, answers
 * each piece with its length, and gives it to readers in pieces; number 30 is the ordinary one, with `-` for every blank. `program.c`
 * uses them; the log has what they were told.
 */
#include <banos/banos.h>

#define ROOM 9
#define COUNT BANOS_IOR('K', 40, int)

static char kept[ROOM];
static long length;
static struct banos_ldisc_tty *held;
static int wakeups, changes, flushes;

static long pieces_open(struct banos_ldisc_tty *tty)
{
	if (tty->size < sizeof(*tty) || tty->device >> 20 != 136 || tty->data || tty->name[0] != 'p')
		return -BANOS_EIO;
	tty->data = kept;
	if (held)
		return -BANOS_EBUSY;
	held = tty;
	banos_ldisc_hold(tty);
	return 0;
}

static void pieces_close(struct banos_ldisc_tty *tty)
{
	banos_printk("pieces: closed, %d set, %d flushed, woken %d\n", changes, flushes, wakeups > 0);
}

static void pieces_flush(struct banos_ldisc_tty *tty)
{
	flushes++;
	length = 0;
}

static long pieces_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count)
{
	long taken = count < 3 ? count : 3;
	char digit;

	if (taken > ROOM - length)
		taken = ROOM - length;
	memcpy((char *)tty->data + length, bytes, taken);
	length += taken;
	digit = '0' + taken;
	if (taken > 0)
		banos_ldisc_send(tty, &digit, 1);
	if (taken < (long)count && length < ROOM)
		banos_ldisc_input_wanted(tty);
	banos_ldisc_wake(tty, BANOS_POLLIN);
	return taken;
}

static long pieces_read(struct banos_ldisc_tty *tty, struct banos_iter *to)
{
	long moved = length == 0 ? -BANOS_EAGAIN : banos_copy_to_iter(kept, length, to);

	if (moved <= 0)
		return moved;
	length -= moved;
	memmove(kept, kept + moved, length);
	return moved;
}

static long pieces_write(struct banos_ldisc_tty *tty, struct banos_iter *from)
{
	char bytes[64];
	long count = banos_copy_from_iter(bytes, sizeof(bytes), from);

	if (count < 0)
		return count;
	return banos_ldisc_room(tty) < count ? -BANOS_EAGAIN : banos_ldisc_send(tty, bytes, count);
}

static long pieces_ioctl(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument)
{
	int count = length;

	if (request != COUNT)
		return -BANOS_ENOTTY;
	return banos_copy_to_user((void *)argument, &count, sizeof(count)) ? -BANOS_EFAULT : 0;
}

static long pieces_poll(struct banos_ldisc_tty *tty)
{
	return length > 0 ? BANOS_POLLIN | BANOS_POLLOUT : BANOS_POLLOUT;
}

static void pieces_wakeup(struct banos_ldisc_tty *tty)
{
	wakeups++;
}

static void pieces_hangup(struct banos_ldisc_tty *tty)
{
	banos_printk("pieces: hung up\n");
}

static void pieces_set(struct banos_ldisc_tty *tty, const struct banos_termios *now, const struct banos_termios *old)
{
	if (now->line == 28 && (changes == 0) == (old == NULL))
		changes++;
}

static const struct banos_ldisc_ops pieces_operations = {
	.size = sizeof(pieces_operations),
	.open = pieces_open,
	.close = pieces_close,
	.flush_buffer = pieces_flush,
	.read = pieces_read,
	.write = pieces_write,
	.ioctl = pieces_ioctl,
	.poll = pieces_poll,
	.receive = pieces_receive,
	.write_wakeup = pieces_wakeup,
	.hangup = pieces_hangup,
	.set_termios = pieces_set,
};

static const struct banos_ldisc pieces = {
	.size = sizeof(pieces),
	.number = 28,
	.name = "kept_pieces",
	.ops = &pieces_operations,
};

static long dashes_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count)
{
	char dashed[64];
	long taken = count < sizeof(dashed) ? count : sizeof(dashed);

	for (long i = 0; i < taken; i++)
		dashed[i] = bytes[i] == ' ' ? '-' : bytes[i];
	return banos_ldisc_deliver(tty, dashed, taken);
}

static const struct banos_ldisc_ops dashes_operations = {
	.size = sizeof(dashes_operations),
	.flags = BANOS_LDISC_INHERIT,
	.receive = dashes_receive,
};

static const struct banos_ldisc dashes = {
	.size = sizeof(dashes),
	.number = 30,
	.name = "kept_dashes",
	.ops = &dashes_operations,
};

static int disciplines_init(Banos_Driver *driver)
{
	(void)driver;
	if (banos_register_ldisc(&pieces) != 0 || banos_register_ldisc(&dashes) != 0)
		return -BANOS_EBUSY;
	if (banos_register_ldisc(&dashes) != -BANOS_EEXIST || banos_unregister_ldisc(30) != 0)
		return -BANOS_EIO;
	return banos_register_ldisc(&dashes);
}

static int disciplines_uninit(Banos_Driver *driver)
{
	(void)driver;
	if (held && banos_ldisc_send(held, "x", 1) == -BANOS_EIO)
		banos_ldisc_put(held);
	return banos_unregister_ldisc(28);
}

BANOS_DRIVER("kept_disciplines", "MIT", BANOS_VERSION_WORD(0, 1, 0), disciplines_init, disciplines_uninit);
