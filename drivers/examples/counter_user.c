/*
 * /dev/tally: counts what is written to it, and forgets it, so that `make 2>&1 | tee /dev/tally` can be watched from elsewhere.
 * Its counters (tally.bytes, tally.lines, tally.writes, tally.opens) are counter_lib's: that is a module of its own, which is loaded
 * with this one, and can be unloaded when this one is gone.
 */
#include "counter.h"

#define PIECE 512

static struct counter *bytes, *lines, *writes, *opens;

static int tally_open(struct banos_file *file)
{
	(void)file;
	counter_add(opens, 1);
	return 0;
}

static long tally_write(struct banos_file *file, struct banos_iter *from, banos_u64 position)
{
	char piece[PIECE];
	long done = 0;

	(void)file;
	(void)position;
	counter_add(writes, 1);
	while (banos_iter_count(from) > 0) {
		long count = banos_copy_from_iter(piece, sizeof(piece), from);
		banos_u64 ends = 0;

		if (count <= 0)
			return done > 0 ? done : count;
		for (long i = 0; i < count; i++)
			ends += piece[i] == '\n';
		counter_add(bytes, count);
		counter_add(lines, ends);
		done += count;
	}
	return done;
}

static const struct banos_chrdev_ops operations = {
	.size = sizeof(operations),
	.open = tally_open,
	.write = tally_write,
};

static const struct banos_chrdev device = {
	.size = sizeof(device),
	.minors = 1,
	.name = "tally",
	.mode = 0222,
	.ops = &operations,
};

static int tally_init(Banos_Driver *driver)
{
	long number;

	(void)driver;
	bytes = counter_get("tally.bytes");
	lines = counter_get("tally.lines");
	writes = counter_get("tally.writes");
	opens = counter_get("tally.opens");
	if (!bytes || !lines || !writes || !opens)
		return -BANOS_ENOSPC;
	number = banos_chrdev_register(&device);
	return number < 0 ? number : 0;
}

static int tally_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("counter_user", "MIT", BANOS_VERSION_WORD(1, 0, 0), tally_init, tally_uninit);
BANOS_DEPENDS("counter_lib");
BANOS_DESCRIPTION("A device that counts what is written to it");
