/*
 * Types and numbers that all headers of the driver interface use. Freestanding: nothing of a C library is needed.
 */
#ifndef BANOS_TYPES_H
#define BANOS_TYPES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define BANOS_BEGIN extern "C" {
#define BANOS_END }
#else
#define BANOS_BEGIN
#define BANOS_END
#endif

typedef uint8_t banos_u8;
typedef uint16_t banos_u16;
typedef uint32_t banos_u32;
typedef uint64_t banos_u64;
typedef int64_t banos_s64;

/* Errors are returned as negative numbers, Linux's own. */
#define BANOS_EPERM 1
#define BANOS_ENOENT 2
#define BANOS_EINTR 4
#define BANOS_EIO 5
#define BANOS_ENXIO 6
#define BANOS_ENOEXEC 8
#define BANOS_EAGAIN 11
#define BANOS_ENOMEM 12
#define BANOS_EACCES 13
#define BANOS_EFAULT 14
#define BANOS_EBUSY 16
#define BANOS_EEXIST 17
#define BANOS_ENODEV 19
#define BANOS_ENOTDIR 20
#define BANOS_EISDIR 21
#define BANOS_EINVAL 22
#define BANOS_ENOTTY 25
#define BANOS_EFBIG 27
#define BANOS_ENOSPC 28
#define BANOS_ESPIPE 29
#define BANOS_EROFS 30
#define BANOS_EPIPE 32
#define BANOS_ERANGE 34
#define BANOS_EDEADLK 35
#define BANOS_ENAMETOOLONG 36
#define BANOS_ENOSYS 38
#define BANOS_ENOTEMPTY 39
#define BANOS_EDESTADDRREQ 89
#define BANOS_EMSGSIZE 90
#define BANOS_EPROTOTYPE 91
#define BANOS_ENOPROTOOPT 92
#define BANOS_EPROTONOSUPPORT 93
#define BANOS_ESOCKTNOSUPPORT 94
#define BANOS_EOPNOTSUPP 95
#define BANOS_EAFNOSUPPORT 97
#define BANOS_EADDRINUSE 98
#define BANOS_EADDRNOTAVAIL 99
#define BANOS_ECONNRESET 104
#define BANOS_ENOBUFS 105
#define BANOS_EISCONN 106
#define BANOS_ENOTCONN 107
#define BANOS_ETIMEDOUT 110
#define BANOS_ECONNREFUSED 111
/* The call was interrupted by a signal: it is made again, or ends with EINTR. Only the kernel sees this number. */
#define BANOS_ERESTARTSYS 512

#endif
