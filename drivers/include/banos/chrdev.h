/*
 * Character devices: nodes in /dev whose operations are functions of the driver.
 *
 * The structures that a driver fills in begin with their size, so that later versions can be longer: what a driver does not
 * know it does not have. Operations that are NULL answer as Linux does without them.
 */
#ifndef BANOS_CHRDEV_H
#define BANOS_CHRDEV_H

#include <banos/types.h>

BANOS_BEGIN

/* Of banos_file.flags: as open(2) got them. */
#define BANOS_O_ACCMODE 3
#define BANOS_O_NONBLOCK 04000
/* What poll answers. */
#define BANOS_POLLIN 0x0041
#define BANOS_POLLPRI 0x0002
#define BANOS_POLLOUT 0x0104
#define BANOS_POLLERR 0x0008
#define BANOS_POLLHUP 0x0010
/* Numbers of ioctl(2) requests. */
#define BANOS_IOC(direction, type, number, size) \
	(((banos_u32)(direction) << 30) | ((banos_u32)(size) << 16) | ((banos_u32)(type) << 8) | (banos_u32)(number))
#define BANOS_IO(type, number) BANOS_IOC(0, type, number, 0)
#define BANOS_IOW(type, number, argument) BANOS_IOC(1, type, number, sizeof(argument))
#define BANOS_IOR(type, number, argument) BANOS_IOC(2, type, number, sizeof(argument))
#define BANOS_IOWR(type, number, argument) BANOS_IOC(3, type, number, sizeof(argument))

/* An open device. The kernel makes it; `private_data` is the driver's. */
struct banos_file {
	banos_u32 size;
	banos_u32 flags;
	banos_u32 minor;
	banos_u32 number;
	void *private_data;
	/* Of the struct banos_chrdev. */
	void *data;
	banos_u64 reserved;
};

/* Where the bytes of a read go, or those of a write come from. Valid until the operation returns. */
struct banos_iter;

/* What a process wants to map. Valid until the operation returns. */
struct banos_mapping {
	banos_u32 size;
	/* 1: read, 2: write, 4: execute. */
	banos_u32 protection;
	/* Bytes; whole pages. */
	banos_u64 length;
	banos_u64 offset;
	banos_u64 shared;
};

/* Reads and writes are at the position that the process has. */
#define BANOS_CHRDEV_SEEKABLE 1
/* splice and sendfile may read and write it; without this they answer EINVAL, and programs read and write. */
#define BANOS_CHRDEV_SPLICE 2

struct banos_chrdev_ops {
	banos_u32 size;
	banos_u32 flags;
	int (*open)(struct banos_file *file);
	void (*release)(struct banos_file *file);
	/* Bytes moved, or a negative error. They sleep when they have to, unless BANOS_O_NONBLOCK is set. */
	long (*read)(struct banos_file *file, struct banos_iter *to, banos_u64 position);
	long (*write)(struct banos_file *file, struct banos_iter *from, banos_u64 position);
	long (*ioctl)(struct banos_file *file, banos_u32 request, unsigned long argument);
	/* What is ready now. Changes are told with banos_notify. */
	banos_u32 (*poll)(struct banos_file *file);
	/* Names the pages with banos_map_pages. */
	int (*mmap)(struct banos_file *file, struct banos_mapping *mapping);
	/* A process asks to be told by signal, or not any more: banos_notify does it. A negative error: it is not. */
	int (*fasync)(struct banos_file *file, int on);
	/* The new position, or a negative error. `whence` is 0 or 2, of the beginning or the end. */
	banos_s64 (*llseek)(struct banos_file *file, banos_s64 offset, int whence);
	int (*fsync)(struct banos_file *file);
};

struct banos_chrdev {
	banos_u32 size;
	/* Numbers in a row, from first_minor: 1 to 256. Nodes are called NAME, or NAME0, NAME1 … when there are several. */
	banos_u32 minors;
	const char *name;
	/* 0: any that is free. */
	banos_u32 major;
	banos_u32 first_minor;
	/* Permission bits of the nodes; 0: 0600. */
	banos_u32 mode;
	banos_u32 reserved;
	const struct banos_chrdev_ops *ops;
	void *data;
	banos_u64 reserved2;
};

/* Returns the number of the first minor (major << 20 | minor), or a negative error. */
long banos_chrdev_register(const struct banos_chrdev *device);
/* Done by itself when the driver goes. */
long banos_chrdev_unregister(banos_u32 number);

/* What poll answers may have changed, for a minor of any device: wakes those who wait in poll, select and epoll. */
long banos_notify(banos_u32 number, banos_u32 mask);

/* Return how many bytes were moved, or -BANOS_EFAULT when none could be. */
long banos_copy_to_iter(const void *from, size_t count, struct banos_iter *to);
long banos_copy_from_iter(void *to, size_t count, struct banos_iter *from);
/* Bytes that are left. */
size_t banos_iter_count(struct banos_iter *iter);

/* Pages of banos_alloc_pages appear at an offset of the device, a multiple of 4096. */
long banos_map_pages(struct banos_mapping *mapping, banos_u64 offset, void *pages, size_t count);

BANOS_END

#endif
