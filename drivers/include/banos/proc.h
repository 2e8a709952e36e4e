/*
 * Text files in /proc/driver.
 */
#ifndef BANOS_PROC_H
#define BANOS_PROC_H

#include <banos/types.h>

BANOS_BEGIN

struct banos_proc_file {
	banos_u32 size;
	/* Permission bits. */
	banos_u32 mode;
	const char *name;
	/* Writes what the file shows into the buffer; returns its length, or a negative error. */
	long (*show)(void *data, char *buffer, size_t size);
	/* Gets what was written, with a zero behind it; 0, or a negative error. NULL: it cannot be written. */
	int (*store)(void *data, const char *text, size_t size);
	void *data;
};

/* 0, or a negative error. The file goes when the driver does. */
long banos_proc_create(const struct banos_proc_file *file);
long banos_proc_remove(const char *name);

BANOS_END

#endif
