/*
 * A random walk that a file in /proc/driver shows and sets up: every 10 ms (or what /proc/driver/walk is told) a timer makes
 * a value, and readers of /dev/walk sleep until there is one that they have not seen.
 */
#include <banos/banos.h>

struct reader {
	banos_u64 seen;
};

static struct banos_timer timer;
static struct banos_wait_queue fresh;
static long number;
static banos_u64 count;
static int value;
static banos_u32 milliseconds = 10;
static banos_u64 state = 88172645463325252ull;

/* Marsaglia's xorshift: the walk is the same every time. */
static banos_u64 next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void measure(void *argument)
{
	(void)argument;
	value += (int)(next_random() % 7) - 3;
	count++;
	banos_wake_up(&fresh);
	banos_notify(number, BANOS_POLLIN);
	banos_timer_start(&timer, milliseconds * 1000000ull);
}

static int walk_open(struct banos_file *file)
{
	file->private_data = banos_kzalloc(sizeof(struct reader));
	return file->private_data ? 0 : -BANOS_ENOMEM;
}

static void walk_release(struct banos_file *file)
{
	banos_kfree(file->private_data);
}

static long walk_read(struct banos_file *file, struct banos_iter *to, banos_u64 position)
{
	struct reader *reader = file->private_data;
	char line[24];
	long result;

	(void)position;
	if (reader->seen == count) {
		if (file->flags & BANOS_O_NONBLOCK)
			return -BANOS_EAGAIN;
		result = banos_wait_event_interruptible(&fresh, reader->seen != count);
		if (result != 0)
			return result;
	}
	result = banos_snprintf(line, sizeof(line), "%d\n", value);
	if (banos_iter_count(to) < (size_t)result)
		return -BANOS_EINVAL;
	reader->seen = count;
	return banos_copy_to_iter(line, result, to);
}

static banos_u32 walk_poll(struct banos_file *file)
{
	struct reader *reader = file->private_data;

	return reader->seen != count ? BANOS_POLLIN : 0;
}

static long show(void *data, char *buffer, size_t size)
{
	(void)data;
	return banos_snprintf(buffer, size, "measurements %lu\ninterval %u ms\n", count, milliseconds);
}

static int store(void *data, const char *text, size_t size)
{
	banos_u32 given = 0;

	(void)data;
	for (; size > 0 && *text >= '0' && *text <= '9' && given < 100000; text++, size--)
		given = given * 10 + (*text - '0');
	if (given == 0 || (size > 0 && *text != '\n'))
		return -BANOS_EINVAL;
	milliseconds = given;
	return 0;
}

static const struct banos_chrdev_ops operations = {
	.size = sizeof(operations),
	.open = walk_open,
	.release = walk_release,
	.read = walk_read,
	.poll = walk_poll,
};

static const struct banos_chrdev device = {
	.size = sizeof(device),
	.minors = 1,
	.name = "walk",
	.mode = 0444,
	.ops = &operations,
};

static const struct banos_proc_file settings = {
	.size = sizeof(settings),
	.mode = 0644,
	.name = "walk",
	.show = show,
	.store = store,
};

static int walk_init(Banos_Driver *driver)
{
	long result;

	(void)driver;
	number = banos_chrdev_register(&device);
	if (number < 0)
		return number;
	result = banos_proc_create(&settings);
	if (result < 0)
		return result;
	banos_timer_setup(&timer, measure, 0);
	banos_timer_start(&timer, milliseconds * 1000000ull);
	return 0;
}

static int walk_uninit(Banos_Driver *driver)
{
	(void)driver;
	banos_timer_stop(&timer);
	return 0;
}

BANOS_DRIVER("walk", "MIT", BANOS_VERSION_WORD(1, 0, 0), walk_init, walk_uninit);
