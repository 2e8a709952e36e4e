/*
 * A driver of interface version 0.1.0: memory, printing, time, waiting, threads, a character device with all its operations,
 * files in /proc/driver and attributes in /sys, parameters, requests for modules. `program.c` uses it. The ioctl CHECK does
 * what needs no program, and answers 0, or the number of the line where something was not as it was in that version.
 */
#include <banos/banos.h>

#define ROOM 64
#define GET_LENGTH BANOS_IOR('k', 1, int)
#define SET_LIMIT BANOS_IOW('k', 2, int)
#define TEXT_LENGTH BANOS_IO('k', 3)
#define CHECK BANOS_IO('k', 4)
#define ASYNC BANOS_IO('k', 5)

static int limit = 16;
static char name[8] = "kept";
static int numbers[3] = { 1, 2, 3 };
static unsigned int given;
BANOS_PARAM(limit, int, 0644);
BANOS_PARAM_STRING(name, 0444);
BANOS_PARAM_ARRAY(numbers, int, &given, 0444);
BANOS_PARAM_DESCRIPTION(limit, "bytes that there is room for");
BANOS_AUTHOR("the interface's tests");

static struct banos_mutex lock;
static struct banos_wait_queue changed;
static struct banos_wait_queue ticked;
static struct banos_completion done;
static struct banos_spinlock spin;
static struct banos_timer timer;
static char ring[ROOM];
static int length, async, opened, ticks, released;
static long number;
static char *page;
static int level = 5;

static int check(int line, int is_so, int *failed)
{
	if (!is_so && *failed == 0)
		*failed = line;
	return is_so;
}
#define EXPECT(condition) check(__LINE__, condition, &failed)

static int print_into(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = banos_vsnprintf(buffer, size, format, arguments);
	va_end(arguments);
	return result;
}

static void print(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	banos_vprintk(format, arguments);
	va_end(arguments);
}

static int check_memory(void)
{
	static char text[] = "0123456789";
	int failed = 0;
	char *block = banos_kmalloc(10), *zeros = banos_kzalloc(10);

	EXPECT(block != NULL && zeros != NULL && ((unsigned long)block & 15) == 0);
	EXPECT(zeros[0] == 0 && zeros[9] == 0);
	memset(block, 'x', 10);
	block = banos_krealloc(block, 1000);
	EXPECT(block != NULL && block[0] == 'x' && block[9] == 'x');
	memcpy(zeros, text, 5);
	EXPECT(memcmp(zeros, text, 5) == 0 && memcmp("a", "b", 1) < 0);
	memmove(text + 1, text, 5);
	EXPECT(memcmp(text, "0012346789", 10) == 0 && strlen(text) == 10);
	banos_kfree(block);
	banos_kfree(zeros);
	banos_kfree(NULL);
	block = banos_alloc_pages(2);
	EXPECT(block != NULL && ((unsigned long)block & 4095) == 0 && block[8191] == 0);
	banos_free_pages(block);
	return failed;
}

static int check_print(void)
{
	char text[40];
	int failed = 0;

	EXPECT(banos_snprintf(text, sizeof(text), "%d %u %x %s %c %ld", -1, 7u, 0xabcu, "word", 'c', 1l << 40) == 29);
	EXPECT(memcmp(text, "-1 7 abc word c 1099511627776", 30) == 0);
	EXPECT(print_into(text, 4, "%s", "longer") == 6 && memcmp(text, "lon", 4) == 0);
	banos_printk(BANOS_NOTICE "kept: printk %d\n", 1);
	print(BANOS_INFO "kept: vprintk %s\n", "too");
	banos_dprintln("kept: dprintln");
	EXPECT(banos_lookup_symbol("banos_printk") == (void *)banos_printk);
	EXPECT(banos_lookup_symbol("banos_nothing_of_that_name") == NULL);
	return failed;
}

static void tick(void *argument)
{
	ticks++;
	banos_wake_up_one(argument);
	if (ticks < 3)
		banos_timer_start(&timer, 100000);
}

static int check_time(void)
{
	int failed = 0;
	banos_u64 before = banos_ktime_ns();

	banos_msleep(1);
	EXPECT(banos_ktime_ns() - before >= 1000000 && banos_real_ns() > 1000000000);
	EXPECT(banos_sleep_interruptible(1000) == 0);
	banos_timer_setup(&timer, tick, &ticked);
	banos_timer_start(&timer, 100000);
	EXPECT(banos_wait_event_interruptible(&ticked, ticks == 3) == 0);
	banos_timer_start(&timer, 1000000000);
	EXPECT(banos_timer_stop(&timer) == 1 && banos_timer_stop(&timer) == 0);
	EXPECT(banos_wait_event_timeout(&ticked, ticks == 4, 1000) == -BANOS_ETIMEDOUT);
	banos_wait_prepare(&ticked);
	banos_wait_finish();
	return failed;
}

static int worker(void *argument)
{
	banos_complete(argument);
	while (!banos_thread_should_stop())
		banos_sleep_interruptible(100000);
	return 42;
}

static int check_tasks(void)
{
	char comm[16];
	int failed = 0, thread;

	EXPECT(banos_current_pid() > 0 && banos_current_tid() >= banos_current_pid() && banos_current_uid() == 0);
	banos_current_comm(comm, sizeof(comm));
	EXPECT(memcmp(comm, "program", 8) == 0 && banos_signal_pending() == 0);
	thread = banos_thread_run(worker, &done, "kept_worker");
	EXPECT(thread > 0 && banos_wait_for_completion(&done, BANOS_INTERRUPTIBLE, 0) == 0);
	EXPECT(banos_thread_stop(thread) == 42);
	banos_complete_all(&done);
	EXPECT(banos_wait_for_completion(&done, BANOS_KILLABLE, banos_ktime_ns() + 1000) == 0);
	return failed;
}

static int check_locks(void)
{
	int failed = 0;

	EXPECT(banos_mutex_lock(&lock) == 0 && banos_mutex_trylock(&lock) == 0);
	banos_mutex_unlock(&lock);
	EXPECT(banos_mutex_lock_interruptible(&lock) == 0);
	banos_mutex_unlock(&lock);
	banos_spin_lock(&spin);
	EXPECT(banos_spin_trylock(&spin) == 0);
	banos_spin_unlock(&spin);
	EXPECT(banos_spin_trylock(&spin) == 1);
	banos_spin_unlock(&spin);
	return failed;
}

static int check_modules(void)
{
	int failed = 0;

	EXPECT(banos_request_module("no-module-of-that-name") == -BANOS_ENOENT);
	EXPECT(banos_unload_module("no-module-of-that-name") == -BANOS_ENOENT);
	EXPECT(banos_request_module("kept_core") == -BANOS_EEXIST && banos_unload_module("kept_core") == -BANOS_EBUSY);
	return failed;
}

static long check_all(void)
{
	int (*const checks[])(void) = { check_memory, check_print, check_time, check_tasks, check_locks, check_modules };

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		int failed = checks[i]();
		if (failed)
			return failed;
	}
	return 0;
}

static int kept_open(struct banos_file *file)
{
	if (file->size < sizeof(struct banos_file) || file->minor > 1 || file->data != &number)
		return -BANOS_EIO;
	file->private_data = (void *)(long)++opened;
	return 0;
}

static void kept_release(struct banos_file *file)
{
	released += file->private_data != NULL;
}

static long kept_read(struct banos_file *file, struct banos_iter *to, banos_u64 position)
{
	long result;

	(void)position;
	if (length == 0 && (file->flags & BANOS_O_NONBLOCK))
		return -BANOS_EAGAIN;
	result = banos_wait_event_killable(&changed, length > 0);
	if (result != 0)
		return result;
	result = banos_copy_to_iter(ring, length, to);
	if (result <= 0)
		return result;
	length -= result;
	memmove(ring, ring + result, length);
	banos_wake_up(&changed);
	banos_notify(number, BANOS_POLLOUT);
	return result;
}

static long kept_write(struct banos_file *file, struct banos_iter *from, banos_u64 position)
{
	long result;

	(void)file;
	(void)position;
	banos_wait_event(&changed, length < limit);
	result = banos_copy_from_iter(ring + length, limit - length, from);
	if (result <= 0)
		return result;
	length += result;
	banos_wake_up(&changed);
	banos_notify(number, BANOS_POLLIN);
	return result;
}

static long kept_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument)
{
	char text[16];
	int value = length;

	(void)file;
	switch (request) {
	case GET_LENGTH:
		return banos_copy_to_user((void *)argument, &value, sizeof(value)) ? -BANOS_EFAULT : 0;
	case SET_LIMIT:
		if (banos_copy_from_user(&value, (void *)argument, sizeof(value)))
			return -BANOS_EFAULT;
		if (value < 1 || value > ROOM)
			return -BANOS_EINVAL;
		limit = value;
		return 0;
	case TEXT_LENGTH:
		return banos_strncpy_from_user(text, (const char *)argument, sizeof(text));
	case CHECK:
		return check_all();
	case ASYNC:
		return async;
	default:
		return -BANOS_ENOTTY;
	}
}

static banos_u32 kept_poll(struct banos_file *file)
{
	(void)file;
	return (length > 0 ? BANOS_POLLIN : 0) | (length < limit ? BANOS_POLLOUT : 0);
}

static int kept_mmap(struct banos_file *file, struct banos_mapping *mapping)
{
	(void)file;
	if (mapping->length != 4096 || mapping->offset != 8192 || !mapping->shared || mapping->protection != 3)
		return -BANOS_EINVAL;
	return banos_map_pages(mapping, mapping->offset, page, 1);
}

static int kept_fasync(struct banos_file *file, int on)
{
	(void)file;
	async = on;
	return 0;
}

static banos_s64 kept_llseek(struct banos_file *file, banos_s64 offset, int whence)
{
	(void)file;
	return whence == 2 ? offset + 1000 : offset;
}

static int kept_fsync(struct banos_file *file)
{
	(void)file;
	return page[0] == 'p' ? 0 : -BANOS_EIO;
}

static const struct banos_chrdev_ops operations = {
	.size = sizeof(operations),
	.open = kept_open,
	.release = kept_release,
	.read = kept_read,
	.write = kept_write,
	.ioctl = kept_ioctl,
	.poll = kept_poll,
	.mmap = kept_mmap,
	.fasync = kept_fasync,
	.llseek = kept_llseek,
	.fsync = kept_fsync,
};

static const struct banos_chrdev device = {
	.size = sizeof(device),
	.minors = 2,
	.name = "kept",
	.mode = 0640,
	.ops = &operations,
	.data = &number,
};

static const struct banos_chrdev other = {
	.size = sizeof(other),
	.minors = 1,
	.name = "kept_other",
	.major = 0,
	.ops = &operations,
};

static long show_level(void *data, char *buffer, size_t size)
{
	return banos_snprintf(buffer, size, "%d\n", *(int *)data);
}

static long store_level(void *data, const char *text, size_t size)
{
	if (size < 1 || text[0] < '0' || text[0] > '9')
		return -BANOS_EINVAL;
	*(int *)data = text[0] - '0';
	banos_attribute_changed(number, "level");
	return 0;
}

static long show_counts(void *data, char *buffer, size_t size)
{
	(void)data;
	return banos_snprintf(buffer, size, "opened %d released %d name %s numbers %d,%d given %u\n", opened, released, name,
			      numbers[0], numbers[1], given);
}

static int store_counts(void *data, const char *text, size_t size)
{
	(void)data;
	if (size != 2 || text[0] != '0')
		return -BANOS_EINVAL;
	opened = released = 0;
	return 0;
}

static const struct banos_attribute attribute = {
	.size = sizeof(attribute),
	.mode = 0644,
	.name = "level",
	.show = show_level,
	.store = store_level,
	.data = &level,
};

static const struct banos_proc_file file = {
	.size = sizeof(file),
	.mode = 0644,
	.name = "kept",
	.show = show_counts,
	.store = store_counts,
};

static int core_init(Banos_Driver *driver)
{
	struct banos_attribute second = attribute;
	struct banos_proc_file third = file;
	long result = banos_chrdev_register(&other);
	int failed = 0;

	EXPECT(driver->driver_size == sizeof(*driver) && result > 0 && banos_chrdev_unregister(result) == 0);
	number = banos_chrdev_register(&device);
	EXPECT(number > 0);
	second.name = "second";
	EXPECT(banos_attribute_add(number, &attribute) == 0 && banos_attribute_add(number, &second) == 0);
	EXPECT(banos_attribute_add(number, &second) == -BANOS_EEXIST && banos_attribute_remove(number, "second") == 0);
	third.name = "third";
	EXPECT(banos_proc_create(&file) == 0 && banos_proc_create(&third) == 0 && banos_proc_remove("third") == 0);
	page = banos_alloc_pages(1);
	EXPECT(page != NULL);
	if (page)
		page[0] = 'p';
	if (failed)
		banos_printk(BANOS_ERR "kept_core: line %d\n", failed);
	return failed ? -BANOS_EIO : 0;
}

static int core_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("kept_core", "MIT", BANOS_VERSION_WORD(0, 1, 0), core_init, core_uninit);
