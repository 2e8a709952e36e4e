/*
 * RAM disks: /dev/ramdisk0 and /dev/ramdisk1 hold bytes until the driver is unloaded, and a small file system on them,
 * `mount -t ramdiskfs /dev/ramdisk0 /mnt`, keeps its files over umount and mount. An ioctl, or the option `format`, makes
 * an empty one. How many there are, and how large, the parameters `count` and `size` say.
 * The disk comes first here, the file system is in ramdisk_fs.h; both only meet in `block_at`.
 *
 * Locking: operations that may not sleep run in one piece. Reads and writes are done block by block, each under the disk's
 * spinlock, and bytes go to and from the process without it, for a page fault may call us again.
 */
#include <banos/banos.h>

#define MAX_DISKS 8
#define BLOCK_SIZE 1024
/* Room for the tables of the file system, and something in it; what can be searched in one go. */
#define MIN_SIZE 256
#define MAX_SIZE 262144
/* Memory is taken in pieces of so many blocks, when they are written to. */
#define PIECE_BLOCKS 64

/* As Linux numbers them. */
#define BLKGETSIZE BANOS_IO(0x12, 96)
#define BLKFLSBUF BANOS_IO(0x12, 97)
#define BLKSSZGET BANOS_IO(0x12, 104)
#define BLKGETSIZE64 BANOS_IOR(0x12, 114, size_t)
#define RAMDISK_FORMAT BANOS_IO('r', 1)

static unsigned int count = 2;
static unsigned int size = 8192;
BANOS_PARAM(count, uint, 0444);
BANOS_PARAM_DESCRIPTION(count, "disks, 1 to 8");
BANOS_PARAM(size, uint, 0444);
BANOS_PARAM_DESCRIPTION(size, "KiB of each disk, 256 to 262144");
BANOS_DESCRIPTION("Disks in memory, and a file system for them");

struct disk {
	struct banos_spinlock lock;
	int is_mounted;
	/* Block of the file system that was taken last. */
	banos_u32 last;
	char **pieces;
};

static struct disk disks[MAX_DISKS];
/* Of each disk. */
static banos_u32 blocks;
static const char zeros[BLOCK_SIZE];

/* NULL when it is outside, or (never without `make`) there is no memory. */
static void *block_at(struct disk *disk, banos_u32 block, int make)
{
	char **piece;

	if (block >= blocks)
		return 0;
	piece = &disk->pieces[block / PIECE_BLOCKS];
	if (!*piece) {
		if (!make)
			return (void *)zeros;
		*piece = banos_kzalloc(PIECE_BLOCKS * BLOCK_SIZE);
		if (!*piece)
			return 0;
	}
	return *piece + block % PIECE_BLOCKS * BLOCK_SIZE;
}

#include "ramdisk_fs.h"

static banos_u32 smaller(banos_u64 a, banos_u64 b)
{
	return a < b ? a : b;
}

static long disk_read(struct banos_file *file, struct banos_iter *to, banos_u64 position)
{
	struct disk *disk = &disks[file->minor];
	banos_u64 end = (banos_u64)blocks * BLOCK_SIZE;
	char bytes[BLOCK_SIZE];
	long done = 0;

	while (banos_iter_count(to) > 0 && position + done < end) {
		banos_u32 within = (position + done) % BLOCK_SIZE;
		banos_u32 piece = smaller(BLOCK_SIZE - within, banos_iter_count(to));
		long moved;

		banos_spin_lock(&disk->lock);
		memcpy(bytes, (char *)block_at(disk, (position + done) / BLOCK_SIZE, 0) + within, piece);
		banos_spin_unlock(&disk->lock);
		moved = banos_copy_to_iter(bytes, piece, to);
		if (moved <= 0)
			return done > 0 ? done : moved;
		done += moved;
	}
	return done;
}

static long disk_write(struct banos_file *file, struct banos_iter *from, banos_u64 position)
{
	struct disk *disk = &disks[file->minor];
	banos_u64 end = (banos_u64)blocks * BLOCK_SIZE;
	char bytes[BLOCK_SIZE];
	long done = 0;

	while (banos_iter_count(from) > 0) {
		banos_u32 within = (position + done) % BLOCK_SIZE;
		long moved;
		char *block;

		if (position + done >= end)
			return done > 0 ? done : -BANOS_ENOSPC;
		moved = banos_copy_from_iter(bytes, smaller(BLOCK_SIZE - within, banos_iter_count(from)), from);
		if (moved <= 0)
			return done > 0 ? done : moved;
		banos_spin_lock(&disk->lock);
		block = block_at(disk, (position + done) / BLOCK_SIZE, 1);
		if (block)
			memcpy(block + within, bytes, moved);
		banos_spin_unlock(&disk->lock);
		if (!block)
			return done > 0 ? done : -BANOS_ENOMEM;
		done += moved;
	}
	return done;
}

static banos_s64 disk_llseek(struct banos_file *file, banos_s64 offset, int whence)
{
	banos_s64 end = (banos_s64)blocks * BLOCK_SIZE;

	(void)file;
	if (whence == 2)
		offset += end;
	else if (whence != 0)
		return -BANOS_EINVAL;
	return offset < 0 || offset > end ? -BANOS_EINVAL : offset;
}

static long disk_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument)
{
	struct disk *disk = &disks[file->minor];
	banos_u64 bytes = (banos_u64)blocks * BLOCK_SIZE;
	banos_u64 sectors = bytes / 512;
	int sector = 512;

	switch (request) {
	case BLKGETSIZE64:
		return banos_copy_to_user((void *)argument, &bytes, sizeof(bytes)) ? -BANOS_EFAULT : 0;
	case BLKGETSIZE:
		return banos_copy_to_user((void *)argument, &sectors, sizeof(sectors)) ? -BANOS_EFAULT : 0;
	case BLKSSZGET:
		return banos_copy_to_user((void *)argument, &sector, sizeof(sector)) ? -BANOS_EFAULT : 0;
	case BLKFLSBUF:
		return 0;
	case RAMDISK_FORMAT:
		if ((file->flags & BANOS_O_ACCMODE) == 0)
			return -BANOS_EACCES;
		return disk->is_mounted ? -BANOS_EBUSY : fs_format(disk);
	default:
		return -BANOS_ENOTTY;
	}
}

static int disk_fsync(struct banos_file *file)
{
	(void)file;
	return 0;
}

static const struct banos_chrdev_ops disk_operations = {
	.size = sizeof(disk_operations),
	.read = disk_read,
	.write = disk_write,
	.ioctl = disk_ioctl,
	.llseek = disk_llseek,
	.fsync = disk_fsync,
};

static struct banos_chrdev device = {
	.size = sizeof(device),
	.name = "ramdisk",
	.mode = 0660,
	.ops = &disk_operations,
};

static int ramdisk_init(Banos_Driver *driver)
{
	long result;

	(void)driver;
	if (count < 1 || count > MAX_DISKS || size < MIN_SIZE || size > MAX_SIZE)
		return -BANOS_EINVAL;
	blocks = size * (1024 / BLOCK_SIZE);
	for (unsigned int i = 0; i < count; i++) {
		disks[i].pieces = banos_kzalloc((blocks + PIECE_BLOCKS - 1) / PIECE_BLOCKS * sizeof(char *));
		if (!disks[i].pieces)
			return -BANOS_ENOMEM;
	}
	device.minors = count;
	result = banos_chrdev_register(&device);
	return result < 0 ? result : banos_register_filesystem("ramdiskfs", &fs_operations);
}

static int ramdisk_uninit(Banos_Driver *driver)
{
	(void)driver;
	return 0;
}

BANOS_DRIVER("ramdisk", "MIT", BANOS_VERSION_WORD(1, 0, 0), ramdisk_init, ramdisk_uninit);
