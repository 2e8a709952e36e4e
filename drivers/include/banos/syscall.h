/*
 * System calls that a driver answers: new ones, and wrappers in front of those that are there. They go when the driver does;
 * while one is under way the driver cannot be unloaded. /proc/banos/syscalls lists them all with their owners.
 */
#ifndef BANOS_SYSCALL_H
#define BANOS_SYSCALL_H

#include <banos/types.h>

BANOS_BEGIN

/* How a trace shows an argument. */
enum {
	BANOS_ARG_INT = 0,
	BANOS_ARG_UINT = 1,
	BANOS_ARG_LONG = 2,
	BANOS_ARG_ULONG = 3,
	BANOS_ARG_HEX = 4,
	BANOS_ARG_POINTER = 5,
	BANOS_ARG_FD = 6,
	BANOS_ARG_STRING = 7,
	BANOS_ARG_PATH = 8,
	/* Bytes that the call reads; the next argument says how many. */
	BANOS_ARG_BUFFER_IN = 9,
	/* Bytes that the call writes; its result says how many. */
	BANOS_ARG_BUFFER_OUT = 10,
	BANOS_ARG_SIZE = 11,
	BANOS_ARG_MODE = 12,
	BANOS_ARG_PID = 13,
	BANOS_ARG_SIGNAL = 14,
	BANOS_ARG_UID = 15,
};

enum {
	BANOS_RESULT_DECIMAL = 0,
	BANOS_RESULT_HEX = 1,
};

/* Stand in front of the call that is there: name, arguments and result stay as they are. */
#define BANOS_SYSCALL_WRAP 1u

struct banos_syscall {
	/* sizeof(struct banos_syscall) */
	banos_u32 size;
	/* -1: any free number from 512 on. The highest one is 4095. */
	int number;
	const char *name;
	/* BANOS_SYSCALL_* */
	banos_u32 flags;
	/* At most 6. */
	banos_u8 argument_count;
	banos_u8 arguments[6];
	banos_u8 result;
	/* Runs in the process that calls, and may sleep. Negative results from -1 to -4095 are errors. */
	long (*call)(long a, long b, long c, long d, long e, long f);
};

/*
 * Arguments come whole; a result is exact up to 2^53, as that of any call here. Returns the number; -EINVAL; -EEXIST when the number is somebody's (without BANOS_SYSCALL_WRAP); -ENOENT when it is nobody's
 * (with it); -ENOSPC when there is no free one.
 */
long banos_register_syscall(const struct banos_syscall *description);

/* 0; -ENOENT when the number is not this driver's; -EBUSY while a call is under way. */
long banos_unregister_syscall(int number);

/*
 * From a wrapper: makes the call that is below it, with these arguments, and returns its result. It may sleep. Results
 * that ask for a restart (from -512 to -516) are to be passed on. The original of exit does not return, that of a successful
 * execve returns 0.
 */
long banos_syscall_original(const banos_u64 arguments[6]);

BANOS_END

#endif
