/*
 * Attributes of devices: small texts in /sys, in the directory of a character device (/sys/class/NAME/NODE), that programs
 * read and write.
 */
#ifndef BANOS_SYSFS_H
#define BANOS_SYSFS_H

#include <banos/types.h>

BANOS_BEGIN

struct banos_attribute {
	banos_u32 size;
	/* Permission bits. */
	banos_u32 mode;
	const char *name;
	/* Fills in at most `size` bytes and returns how many. NULL: it cannot be read. */
	long (*show)(void *data, char *buffer, size_t size);
	/* Gets what one write(2) brought, at most 4096 bytes, with a zero behind. NULL: it cannot be written. */
	long (*store)(void *data, const char *text, size_t length);
	void *data;
};

/* The device is one that this driver has registered. -EEXIST: there is one of that name. It goes with the device. */
long banos_attribute_add(banos_u32 number, const struct banos_attribute *attribute);
long banos_attribute_remove(banos_u32 number, const char *name);
/* It shows something else now: wakes those who poll for POLLPRI. */
long banos_attribute_changed(banos_u32 number, const char *name);

BANOS_END

#endif
