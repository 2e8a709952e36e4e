/*
 * A message device: /dev/message0 to /dev/message3 are four pipes of bytes, each with a ring of its own. Readers sleep until
 * there is something, writers until there is room; poll, select and epoll know. ioctls say how much is there, empty the
 * ring, and set how much of it may be used.
 */
#include <banos/banos.h>

#define MINORS 4
#define RING_SIZE 4096

/* Bytes that are there; forget them; the most that may be there (1 to 4096). */
#define MESSAGE_GET_LENGTH BANOS_IOR('m', 1, int)
#define MESSAGE_CLEAR BANOS_IO('m', 2)
#define MESSAGE_SET_LIMIT BANOS_IOW('m', 3, int)

struct ring {
	struct banos_mutex lock;
	struct banos_wait_queue changed;
	banos_u32 number;
	banos_u32 start;
	banos_u32 length;
	banos_u32 limit;
	char bytes[RING_SIZE];
};

static struct ring *rings;

static struct ring *ring_of(struct banos_file *file)
{
	return &rings[file->minor];
}

static int is_nonblocking(struct banos_file *file)
{
	return (file->flags & BANOS_O_NONBLOCK) != 0;
}

static void tell(struct ring *ring, banos_u32 mask)
{
	banos_wake_up(&ring->changed);
	banos_notify(ring->number, mask);
}

static long message_read(struct banos_file *file, struct banos_iter *to, banos_u64 position)
{
	struct ring *ring = ring_of(file);
	long done = 0;

	(void)position;
	for (;;) {
		long result = banos_mutex_lock_interruptible(&ring->lock);
		if (result != 0)
			return result;
		if (ring->length > 0 || banos_iter_count(to) == 0)
			break;
		banos_mutex_unlock(&ring->lock);
		if (is_nonblocking(file))
			return -BANOS_EAGAIN;
		result = banos_wait_event_interruptible(&ring->changed, ring->length > 0);
		if (result != 0)
			return result;
	}
	while (ring->length > 0 && banos_iter_count(to) > 0) {
		banos_u32 piece = RING_SIZE - ring->start;
		long moved;

		if (piece > ring->length)
			piece = ring->length;
		moved = banos_copy_to_iter(ring->bytes + ring->start, piece, to);
		if (moved < 0) {
			if (done == 0)
				done = moved;
			break;
		}
		ring->start = (ring->start + moved) % RING_SIZE;
		ring->length -= moved;
		done += moved;
	}
	banos_mutex_unlock(&ring->lock);
	if (done > 0)
		tell(ring, BANOS_POLLOUT);
	return done;
}

static long message_write(struct banos_file *file, struct banos_iter *from, banos_u64 position)
{
	struct ring *ring = ring_of(file);
	long done = 0;

	(void)position;
	while (banos_iter_count(from) > 0) {
		banos_u32 end, piece;
		long result = banos_mutex_lock_interruptible(&ring->lock);

		if (result != 0)
			return done > 0 ? done : result;
		if (ring->length >= ring->limit) {
			banos_mutex_unlock(&ring->lock);
			if (is_nonblocking(file))
				return done > 0 ? done : -BANOS_EAGAIN;
			result = banos_wait_event_interruptible(&ring->changed, ring->length < ring->limit);
			if (result != 0)
				return done > 0 ? done : result;
			continue;
		}
		end = (ring->start + ring->length) % RING_SIZE;
		piece = ring->limit - ring->length;
		if (piece > RING_SIZE - end)
			piece = RING_SIZE - end;
		result = banos_copy_from_iter(ring->bytes + end, piece, from);
		if (result > 0)
			ring->length += result;
		banos_mutex_unlock(&ring->lock);
		if (result < 0)
			return done > 0 ? done : result;
		done += result;
		tell(ring, BANOS_POLLIN);
	}
	return done;
}

static long message_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument)
{
	struct ring *ring = ring_of(file);
	int value;

	switch (request) {
	case MESSAGE_GET_LENGTH:
		value = ring->length;
		return banos_copy_to_user((void *)argument, &value, sizeof(value)) ? -BANOS_EFAULT : 0;
	case MESSAGE_CLEAR:
		ring->length = 0;
		tell(ring, BANOS_POLLOUT);
		return 0;
	case MESSAGE_SET_LIMIT:
		if (banos_copy_from_user(&value, (const void *)argument, sizeof(value)))
			return -BANOS_EFAULT;
		if (value < 1 || value > RING_SIZE)
			return -BANOS_EINVAL;
		ring->limit = value;
		tell(ring, BANOS_POLLOUT);
		return 0;
	default:
		return -BANOS_ENOTTY;
	}
}

static banos_u32 message_poll(struct banos_file *file)
{
	struct ring *ring = ring_of(file);

	return (ring->length > 0 ? BANOS_POLLIN : 0) | (ring->length < ring->limit ? BANOS_POLLOUT : 0);
}

static const struct banos_chrdev_ops operations = {
	.size = sizeof(operations),
	.flags = BANOS_CHRDEV_SPLICE,
	.read = message_read,
	.write = message_write,
	.ioctl = message_ioctl,
	.poll = message_poll,
};

static const struct banos_chrdev device = {
	.size = sizeof(device),
	.minors = MINORS,
	.name = "message",
	.mode = 0666,
	.ops = &operations,
};

static int message_init(Banos_Driver *driver)
{
	long number;
	int i;

	(void)driver;
	rings = banos_kzalloc(MINORS * sizeof(struct ring));
	if (!rings)
		return -BANOS_ENOMEM;
	number = banos_chrdev_register(&device);
	if (number < 0)
		return number;
	for (i = 0; i < MINORS; i++) {
		rings[i].number = number + i;
		rings[i].limit = RING_SIZE;
	}
	return 0;
}

static int message_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("message", "MIT", BANOS_VERSION_WORD(1, 0, 0), message_init, message_uninit);
