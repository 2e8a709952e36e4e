/*
 * Memory: the kernel's heap, and copies to and from the process whose system call the driver serves.
 */
#ifndef BANOS_MEMORY_H
#define BANOS_MEMORY_H

#include <banos/types.h>

BANOS_BEGIN

/* What compilers call by themselves. */
void *memcpy(void *to, const void *from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);
size_t strlen(const char *text);

/* NULL when there is no memory. Aligned to 16 bytes. The block goes when the driver does, freed or not. */
void *banos_kmalloc(size_t size);
void *banos_kzalloc(size_t size);
void *banos_krealloc(void *block, size_t size);
void banos_kfree(void *block);

/* Whole pages of 4096 bytes, zeroed: what a process can map. */
void *banos_alloc_pages(size_t pages);
void banos_free_pages(void *pages);

/* Return how many bytes could not be copied: 0 is success, anything else means -EFAULT. */
size_t banos_copy_from_user(void *to, const void *from, size_t count);
size_t banos_copy_to_user(void *to, const void *from, size_t count);
/* Length of the text, `size` when it is longer than that, or -EFAULT. */
long banos_strncpy_from_user(char *to, const char *from, long size);

BANOS_END

#endif
