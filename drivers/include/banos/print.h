/*
 * Printing into the kernel log, and into buffers. Formats as printf has them, without floating point; %pS shows an address
 * as function+offset.
 */
#ifndef BANOS_PRINT_H
#define BANOS_PRINT_H

#include <banos/types.h>

BANOS_BEGIN

/* A message begins with its level; without one it is a warning. */
#define BANOS_EMERG "\0010"
#define BANOS_ALERT "\0011"
#define BANOS_CRIT "\0012"
#define BANOS_ERR "\0013"
#define BANOS_WARNING "\0014"
#define BANOS_NOTICE "\0015"
#define BANOS_INFO "\0016"
#define BANOS_DEBUG "\0017"

/* Returns the length of the message. */
int banos_printk(const char *format, ...) __attribute__((format(printf, 1, 2)));
int banos_vprintk(const char *format, __builtin_va_list args);

/* Return the length that the whole text has; what does not fit is left out. */
int banos_snprintf(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int banos_vsnprintf(char *buffer, size_t size, const char *format, __builtin_va_list args);

BANOS_END

#endif
