/*
 * Counts system calls: how often each was made, how often it failed, and how many each process has made. `cat /dev/count_calls`
 * shows it, `echo clear > /dev/count_calls` begins anew, and ioctls ask for one number. Nothing of it costs anything once the
 * driver is unloaded.
 */
#include <banos/banos.h>

#define NUMBERS 1536
#define PROCESSES 1024
#define NAME_SIZE 24
#define LINE_SIZE 96

/* Give and take the number of a call, of a process; the result is how many calls there were. */
#define COUNT_OF_CALL BANOS_IOW('c', 1, int)
#define COUNT_OF_PROCESS BANOS_IOW('c', 2, int)
#define COUNT_CLEAR BANOS_IO('c', 3)

struct count {
	banos_u64 made;
	banos_u64 failed;
	char name[NAME_SIZE];
};

struct process {
	int pid;
	banos_u32 reserved;
	banos_u64 made;
	char name[16];
};

static struct count *counts;
static struct process *processes;

/* The place of a process, found from its number on, or a free one for it; when the table is full the first is for all others. */
static struct process *process_at(int pid)
{
	for (banos_u32 i = 0; i < PROCESSES; i++) {
		struct process *one = &processes[((banos_u32)pid + i) % PROCESSES];

		if (one->pid == pid || one->pid == 0)
			return one;
	}
	return &processes[0];
}

static void copy_name(char *to, const char *from, size_t size)
{
	size_t i = 0;

	for (; i + 1 < size && from[i] != 0; i++)
		to[i] = from[i];
	to[i] = 0;
}

static long on_entry(const struct banos_syscall_event *event)
{
	struct process *process = process_at(event->pid);

	if (process->pid == 0)
		process->pid = event->pid;
	process->made++;
	banos_current_comm(process->name, sizeof process->name);
	if (event->number >= 0 && event->number < NUMBERS) {
		struct count *count = &counts[event->number];

		if (count->made++ == 0)
			copy_name(count->name, event->name, NAME_SIZE);
	}
	return 0;
}

static long on_exit(const struct banos_syscall_event *event)
{
	if (event->number >= 0 && event->number < NUMBERS && banos_is_error(event->result))
		counts[event->number].failed++;
	return 0;
}

static void clear(void)
{
	memset(counts, 0, NUMBERS * sizeof *counts);
	memset(processes, 0, PROCESSES * sizeof *processes);
}

/* One line for each call that was made, then one for each process, as far as there is room behind `position`. */
static long count_read(struct banos_file *file, struct banos_iter *to, banos_u64 position)
{
	char line[LINE_SIZE];
	banos_u64 at = 0;
	long done = 0;

	(void)file;
	for (banos_u32 i = 0; i < NUMBERS + PROCESSES && banos_iter_count(to) > 0; i++) {
		long length;
		long moved;

		if (i < NUMBERS) {
			if (counts[i].made == 0)
				continue;
			length = banos_snprintf(line, sizeof line, "call %u %s %lu failed %lu\n", i, counts[i].name,
						counts[i].made, counts[i].failed);
		} else {
			struct process *one = &processes[i - NUMBERS];

			if (one->made == 0)
				continue;
			length = banos_snprintf(line, sizeof line, "process %d %s %lu\n", one->pid, one->name, one->made);
		}
		at += length;
		if (at <= position + done)
			continue;
		moved = banos_copy_to_iter(line + length - (at - position - done), at - position - done, to);
		if (moved < 0)
			return done > 0 ? done : moved;
		done += moved;
	}
	return done;
}

static long count_write(struct banos_file *file, struct banos_iter *from, banos_u64 position)
{
	char word[8] = { 0 };
	size_t length = banos_iter_count(from);

	(void)file;
	(void)position;
	if (length < 5 || length > 6 || banos_copy_from_iter(word, length, from) != (long)length)
		return -BANOS_EINVAL;
	if (memcmp(word, "clear", 5) != 0 || (length == 6 && word[5] != '\n'))
		return -BANOS_EINVAL;
	clear();
	return length;
}

static long count_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument)
{
	int number = argument;

	(void)file;
	switch (request) {
	case COUNT_OF_CALL:
		return number < 0 || number >= NUMBERS ? -BANOS_EINVAL : (long)counts[number].made;
	case COUNT_OF_PROCESS:
		return number <= 0 ? -BANOS_EINVAL : (long)process_at(number)->made;
	case COUNT_CLEAR:
		clear();
		return 0;
	}
	return -BANOS_ENOTTY;
}

static const struct banos_chrdev_ops operations = {
	.size = sizeof operations,
	.flags = BANOS_CHRDEV_SEEKABLE,
	.read = count_read,
	.write = count_write,
	.ioctl = count_ioctl,
};

static int init(Banos_Driver *driver)
{
	struct banos_chrdev device = {
		.size = sizeof device,
		.minors = 1,
		.name = "count_calls",
		.mode = 0644,
		.ops = &operations,
	};
	struct banos_syscall_probe probe = {
		.size = sizeof probe,
		.number = -1,
		.entry = on_entry,
		.exit = on_exit,
	};
	long result;

	(void)driver;
	counts = banos_kzalloc(NUMBERS * sizeof *counts);
	processes = banos_kzalloc(PROCESSES * sizeof *processes);
	if (counts == NULL || processes == NULL)
		return -BANOS_ENOMEM;
	result = banos_chrdev_register(&device);
	if (result < 0)
		return result;
	result = banos_register_syscall_probe(&probe);
	return banos_is_error(result) ? result : 0;
}

/* Probe, device and memory go with the driver. */
static int uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("count_calls", "MIT", BANOS_VERSION_WORD(1, 0, 0), init, uninit);
