/*
 * A sensor: /dev/sensor measures something that wanders about at random, every `interval` milliseconds. A read waits for the
 * next value that the file has not had yet and gives it as a line of text; poll, select and epoll know when there is one.
 * /sys/class/sensor/sensor/ has the last value, how many there were, and the interval, which can be written. The same seed
 * gives the same walk.
 */
#include <banos/banos.h>

#define MILLISECOND 1000000ull
#define LINE_SIZE 24

static unsigned int interval = 100;
static unsigned int seed = 1;
BANOS_PARAM(interval, uint, 0444);
BANOS_PARAM_DESCRIPTION(interval, "milliseconds between two values");
BANOS_PARAM(seed, uint, 0444);
BANOS_PARAM_DESCRIPTION(seed, "the walk that it takes");
BANOS_DESCRIPTION("A sensor whose value wanders about");

static struct banos_timer timer;
static struct banos_wait_queue measured;
static banos_u32 number;
static banos_u64 state;
static long value;
/* Values so far; a file has in `private_data` how many there were at its last read. */
static banos_u64 count;

/* A step of -10 to 10: the upper bits of a linear congruential generator. */
static int step(void)
{
	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (int)((state >> 33) % 21) - 10;
}

static void measure(void *argument)
{
	(void)argument;
	value += step();
	count++;
	banos_timer_start(&timer, interval * MILLISECOND);
	banos_wake_up(&measured);
	banos_notify(number, BANOS_POLLIN);
	banos_attribute_changed(number, "value");
}

static int sensor_open(struct banos_file *file)
{
	file->private_data = (void *)count;
	return 0;
}

static int is_new(struct banos_file *file)
{
	return count != (banos_u64)file->private_data;
}

static long sensor_read(struct banos_file *file, struct banos_iter *to, banos_u64 position)
{
	char line[LINE_SIZE];
	banos_u64 seen;
	int length;
	long result;

	(void)position;
	if (!is_new(file) && (file->flags & BANOS_O_NONBLOCK))
		return -BANOS_EAGAIN;
	result = banos_wait_event_interruptible(&measured, is_new(file));
	if (result != 0)
		return result;
	seen = count;
	length = banos_snprintf(line, sizeof(line), "%ld\n", value);
	if (banos_iter_count(to) < (size_t)length)
		return -BANOS_EINVAL;
	result = banos_copy_to_iter(line, length, to);
	if (result > 0)
		file->private_data = (void *)seen;
	return result;
}

static banos_u32 sensor_poll(struct banos_file *file)
{
	return is_new(file) ? BANOS_POLLIN : 0;
}

static long show_value(void *data, char *buffer, size_t size)
{
	(void)data;
	return banos_snprintf(buffer, size, "%ld\n", value);
}

static long show_count(void *data, char *buffer, size_t size)
{
	(void)data;
	return banos_snprintf(buffer, size, "%lu\n", (unsigned long)count);
}

static long show_interval(void *data, char *buffer, size_t size)
{
	(void)data;
	return banos_snprintf(buffer, size, "%u\n", interval);
}

static long store_interval(void *data, const char *text, size_t length)
{
	unsigned int wanted = 0;
	size_t i;

	(void)data;
	for (i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++) {
		wanted = wanted * 10 + text[i] - '0';
		if (wanted > 1000000)
			return -BANOS_ERANGE;
	}
	if (wanted == 0 || (text[i] != '\n' && text[i] != 0))
		return -BANOS_EINVAL;
	interval = wanted;
	banos_timer_start(&timer, interval * MILLISECOND);
	return 0;
}

static const struct banos_attribute attributes[] = {
	{ .size = sizeof(struct banos_attribute), .mode = 0444, .name = "value", .show = show_value },
	{ .size = sizeof(struct banos_attribute), .mode = 0444, .name = "count", .show = show_count },
	{ .size = sizeof(struct banos_attribute), .mode = 0644, .name = "interval", .show = show_interval,
	  .store = store_interval },
};

static const struct banos_chrdev_ops operations = {
	.size = sizeof(operations),
	.open = sensor_open,
	.read = sensor_read,
	.poll = sensor_poll,
};

static const struct banos_chrdev device = {
	.size = sizeof(device),
	.minors = 1,
	.name = "sensor",
	.mode = 0444,
	.ops = &operations,
};

static int sensor_init(Banos_Driver *driver)
{
	long result;

	(void)driver;
	if (interval < 1 || interval > 1000000)
		return -BANOS_EINVAL;
	state = seed;
	result = banos_chrdev_register(&device);
	if (result < 0)
		return result;
	number = result;
	for (unsigned int i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		result = banos_attribute_add(number, &attributes[i]);
		if (result < 0)
			return result;
	}
	banos_timer_setup(&timer, measure, 0);
	banos_timer_start(&timer, interval * MILLISECOND);
	return 0;
}

static int sensor_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("sensor", "MIT", BANOS_VERSION_WORD(1, 0, 0), sensor_init, sensor_uninit);
