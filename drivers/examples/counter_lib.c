/*
 * A driver for drivers: counters that any of them may use, in /proc/driver/counters as lines `NAME VALUE`; writing `reset`
 * there sets all to 0. It has no device of its own, and is loaded when a driver that uses it is (counter_user.c).
 *
 * Counters lie in a table of the library's own, not on the heap: a block belongs to the driver on whose behalf it was asked
 * for, and would go with that.
 */
#include "counter.h"

#define COUNTERS 32
#define NAME_SIZE 32

struct counter {
	char name[NAME_SIZE];
	banos_u64 value;
};

static struct counter counters[COUNTERS];
/* Those that have a name, the first ones; they never lose it. */
static unsigned int used;
static struct banos_spinlock lock;

struct counter *counter_get(const char *name)
{
	size_t size = strlen(name) + 1;
	struct counter *found = 0;

	if (size == 1 || size > NAME_SIZE)
		return 0;
	banos_spin_lock(&lock);
	for (unsigned int i = 0; i < used && !found; i++)
		if (memcmp(counters[i].name, name, size) == 0)
			found = &counters[i];
	if (!found && used < COUNTERS) {
		found = &counters[used++];
		memcpy(found->name, name, size);
	}
	banos_spin_unlock(&lock);
	return found;
}
BANOS_EXPORT(counter_get);

void counter_add(struct counter *counter, banos_u64 amount)
{
	__atomic_fetch_add(&counter->value, amount, __ATOMIC_RELAXED);
}
BANOS_EXPORT(counter_add);

static long show(void *data, char *buffer, size_t size)
{
	long length = 0;

	(void)data;
	for (unsigned int i = 0; i < used; i++)
		length += banos_snprintf(buffer + length, size - length, "%s %lu\n", counters[i].name,
					 (unsigned long)counters[i].value);
	return length;
}

static int store(void *data, const char *text, size_t size)
{
	(void)data;
	if (size < 5 || memcmp(text, "reset", 5) != 0 || (text[5] != '\n' && text[5] != 0))
		return -BANOS_EINVAL;
	for (unsigned int i = 0; i < used; i++)
		counters[i].value = 0;
	return 0;
}

static const struct banos_proc_file file = {
	.size = sizeof(file),
	.mode = 0644,
	.name = "counters",
	.show = show,
	.store = store,
};

static int lib_init(Banos_Driver *driver)
{
	(void)driver;
	return banos_proc_create(&file);
}

static int lib_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("counter_lib", "MIT", BANOS_VERSION_WORD(1, 0, 0), lib_init, lib_uninit);
BANOS_DESCRIPTION("Counters for other drivers");
