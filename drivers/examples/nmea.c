/*
 * NMEA 0183 on any terminal: the line discipline that a program for a satellite receiver, an echo sounder or an autopilot
 * wants under it. It cuts what comes in into sentences, drops those whose checksum is wrong, and gives one sentence per read,
 * as a line; what does not fit into the buffer comes with the next read. A write is one sentence, with or without its $: the
 * checksum and the end of line are made here. Bytes between sentences (a receiver that has just been switched on) are skipped.
 *
 *   int number = BANOS_N_DEVELOPMENT;
 *   ioctl(fd, TIOCSETD, &number);
 *   while ((n = read(fd, line, sizeof line)) > 0) ...
 */
#include <banos/banos.h>

#define NMEA_GET_COUNTS BANOS_IOR('N', 1, struct nmea_counts)
/* 1: what has no checksum is no sentence; 0, as at first: it is one. */
#define NMEA_SET_STRICT BANOS_IO('N', 2)
/* Bytes that the next read gives at most. */
#define NMEA_FIONREAD 0x541b

/* The standard says 82, with the end of line; receivers' own sentences are longer. */
#define LONGEST 120
/* Sentences that wait for a reader. The oldest ones go first: a position is worth less the older it is. */
#define WAITING 32

struct nmea_counts {
	banos_u64 sentences;
	banos_u64 bad_checksums;
	/* Too long, not printable, cut off by the next one. */
	banos_u64 malformed;
	/* Nobody read them in time. */
	banos_u64 overrun;
	banos_u64 sent;
};

struct sentence {
	banos_u32 length;
	char text[LONGEST + 1];
};

struct nmea {
	struct nmea_counts counts;
	int is_strict;
	/* A sentence is coming in. */
	int is_inside;
	struct sentence coming;
	/* Ring of those that are complete, and how much of the first one has been read. */
	struct sentence waiting[WAITING];
	banos_u32 first;
	banos_u32 count;
	banos_u32 taken;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Of what stands between $ and *. */
static unsigned checksum(const char *text, banos_u32 length)
{
	unsigned sum = 0;

	for (banos_u32 i = 0; i < length; i++)
		sum ^= (unsigned char)text[i];
	return sum;
}

/* A sentence has come to its end. Returns whether it is one. */
static int is_good(struct nmea *nmea)
{
	const char *text = nmea->coming.text;
	banos_u32 length = nmea->coming.length;
	banos_u32 star = 0;
	int high, low;

	while (star < length && text[star] != '*')
		star++;
	if (star == length && !nmea->is_strict && length > 1)
		return 1;
	if (star < 2 || star + 3 != length) {
		nmea->counts.malformed++;
		return 0;
	}
	high = digit(text[star + 1]);
	low = digit(text[star + 2]);
	if (high >= 0 && low >= 0 && high * 16 + low == (int)checksum(text + 1, star - 1))
		return 1;
	nmea->counts.bad_checksums++;
	return 0;
}

static void drop_first(struct nmea *nmea)
{
	nmea->first = (nmea->first + 1) % WAITING;
	nmea->count--;
	nmea->taken = 0;
}

static void finish(struct nmea *nmea)
{
	struct sentence *last;

	nmea->is_inside = 0;
	if (!is_good(nmea))
		return;
	if (nmea->count == WAITING) {
		drop_first(nmea);
		nmea->counts.overrun++;
	}
	last = &nmea->waiting[(nmea->first + nmea->count++) % WAITING];
	*last = nmea->coming;
	last->text[last->length++] = '\n';
	nmea->counts.sentences++;
}

static long nmea_receive(struct banos_ldisc_tty *tty, const char *bytes, size_t count)
{
	struct nmea *nmea = tty->data;
	banos_u64 before = nmea->counts.sentences;

	for (size_t i = 0; i < count; i++) {
		char c = bytes[i];

		if (c == '$' || c == '!') {
			if (nmea->is_inside)
				nmea->counts.malformed++;
			nmea->is_inside = 1;
			nmea->coming.length = 0;
		}
		if (!nmea->is_inside)
			continue;
		if (c == '\r' || c == '\n') {
			finish(nmea);
		} else if (c < ' ' || c > '~' || nmea->coming.length == LONGEST) {
			nmea->is_inside = 0;
			nmea->counts.malformed++;
		} else {
			nmea->coming.text[nmea->coming.length++] = c;
		}
	}
	if (nmea->counts.sentences != before)
		banos_ldisc_wake(tty, BANOS_POLLIN);
	return count;
}

static long nmea_read(struct banos_ldisc_tty *tty, struct banos_iter *to)
{
	struct nmea *nmea = tty->data;
	struct sentence *first = &nmea->waiting[nmea->first];
	long moved;

	if (nmea->count == 0)
		return banos_iter_count(to) == 0 ? 0 : -BANOS_EAGAIN;
	moved = banos_copy_to_iter(first->text + nmea->taken, first->length - nmea->taken, to);
	if (moved < 0)
		return moved;
	nmea->taken += moved;
	if (nmea->taken == first->length)
		drop_first(nmea);
	return moved;
}

static long nmea_write(struct banos_ldisc_tty *tty, struct banos_iter *from)
{
	static const char digits[] = "0123456789ABCDEF";
	struct nmea *nmea = tty->data;
	char text[LONGEST + 6];
	size_t count = banos_iter_count(from);
	banos_u32 length = 0;
	unsigned sum;

	if (count > LONGEST)
		return -BANOS_EMSGSIZE;
	text[0] = '$';
	if (banos_copy_from_iter(text + 1, count, from) != (long)count)
		return -BANOS_EFAULT;
	length = count + 1;
	if (count > 0 && (text[1] == '$' || text[1] == '!')) {
		length--;
		memmove(text, text + 1, length);
	}
	while (length > 1 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
		length--;
	if (length < 2)
		return -BANOS_EINVAL;
	for (banos_u32 i = 1; i < length; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '$' || text[i] == '!' || text[i] == '*')
			return -BANOS_EINVAL;
	sum = checksum(text + 1, length - 1);
	text[length++] = '*';
	text[length++] = digits[sum >> 4];
	text[length++] = digits[sum & 15];
	text[length++] = '\r';
	text[length++] = '\n';
	/* A sentence goes out whole, or waits. */
	if (banos_ldisc_room(tty) < (long)length)
		return -BANOS_EAGAIN;
	banos_ldisc_send(tty, text, length);
	nmea->counts.sent++;
	return count;
}

static long nmea_poll(struct banos_ldisc_tty *tty)
{
	struct nmea *nmea = tty->data;
	long mask = banos_ldisc_room(tty) >= LONGEST + 6 ? BANOS_POLLOUT : 0;

	return nmea->count > 0 ? mask | BANOS_POLLIN : mask;
}

static long nmea_ioctl(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument)
{
	struct nmea *nmea = tty->data;
	int unread;

	switch (request) {
	case NMEA_GET_COUNTS:
		return banos_copy_to_user((void *)argument, &nmea->counts, sizeof(nmea->counts)) ? -BANOS_EFAULT : 0;
	case NMEA_SET_STRICT:
		if (argument > 1)
			return -BANOS_EINVAL;
		nmea->is_strict = argument;
		return 0;
	case NMEA_FIONREAD:
		unread = nmea->count > 0 ? nmea->waiting[nmea->first].length - nmea->taken : 0;
		return banos_copy_to_user((void *)argument, &unread, sizeof(unread)) ? -BANOS_EFAULT : 0;
	default:
		return -BANOS_ENOTTY;
	}
}

static void nmea_flush(struct banos_ldisc_tty *tty)
{
	struct nmea *nmea = tty->data;

	nmea->count = 0;
	nmea->taken = 0;
	nmea->is_inside = 0;
}

static long nmea_open(struct banos_ldisc_tty *tty)
{
	tty->data = banos_kzalloc(sizeof(struct nmea));
	return tty->data ? 0 : -BANOS_ENOMEM;
}

static void nmea_close(struct banos_ldisc_tty *tty)
{
	banos_kfree(tty->data);
}

static const struct banos_ldisc_ops operations = {
	.size = sizeof(operations),
	.open = nmea_open,
	.close = nmea_close,
	.flush_buffer = nmea_flush,
	.read = nmea_read,
	.write = nmea_write,
	.ioctl = nmea_ioctl,
	.poll = nmea_poll,
	.receive = nmea_receive,
};

static const struct banos_ldisc discipline = {
	.size = sizeof(discipline),
	.number = BANOS_N_DEVELOPMENT,
	.name = "nmea",
	.ops = &operations,
};

static int nmea_init(Banos_Driver *driver)
{
	(void)driver;
	return banos_register_ldisc(&discipline);
}

/* What is registered goes with the driver. */
static int nmea_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("nmea", "MIT", BANOS_VERSION_WORD(1, 0, 0), nmea_init, nmea_uninit);
