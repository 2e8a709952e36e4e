/*
 * Probes: functions of a driver that are called when somebody makes a system call, or when an instruction of the kernel's own
 * code is about to execute. They may not sleep. What happens while a handler runs is not told to handlers; it is counted as
 * missed. /proc/banos/probes lists all probes: what, whose, times told, times missed.
 */
#ifndef BANOS_PROBE_H
#define BANOS_PROBE_H

#include <banos/types.h>

BANOS_BEGIN

struct banos_syscall_event {
	banos_u32 size;
	int number;
	int pid;
	int tid;
	/* Exact up to 2^53. */
	banos_s64 arguments[6];
	/* For exit. */
	banos_s64 result;
	/* The probe's own. */
	void *data;
	char name[56];
};

struct banos_syscall_probe {
	/* sizeof(struct banos_syscall_probe) */
	banos_u32 size;
	/* -1: every call. */
	int number;
	/* A call begins. From -1 to -4095: it is not made, and has this result. Anything else: it is. May be NULL. */
	long (*entry)(const struct banos_syscall_event *event);
	/* It has ended. May be NULL. exit(2) does not end; results from -512 to -516 mean that it will be made again. */
	long (*exit)(const struct banos_syscall_event *event);
	void *data;
};

struct banos_probe_event {
	banos_u32 size;
	/* Of the process that the code runs for; 0: none. */
	int pid;
	/* Of the instruction. */
	banos_u64 address;
	/* Before the instruction executes; at the entry of a function, rdi, rsi, rdx, rcx, r8, r9 are its arguments. */
	banos_u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	banos_u64 rflags;
	/* The probe's own. */
	void *data;
	banos_u64 reserved[2];
};

struct banos_probe {
	/* sizeof(struct banos_probe) */
	banos_u32 size;
	/* Bytes behind the start of the function; an instruction must begin there. */
	banos_u32 offset;
	/* A function that the kernel exports, or one of a loaded driver, static or not: "name" or "module:name". */
	const char *symbol;
	/* NULL: only the return is told. */
	long (*handler)(const struct banos_probe_event *event);
	void *data;
	/*
	 * The function has returned: rax is its result, `address` still its entry. Of a function that the kernel exports no other
	 * register is known. May be NULL; `offset` must be 0 if not. What does not return (a crash) is not told.
	 */
	long (*returned)(const struct banos_probe_event *event);
};

/*
 * Return what the probe is unregistered with, or -EINVAL, -ENOMEM; -ENOENT when there is no such function. A probe goes with its
 * driver, and with the driver whose code it is in.
 */
long banos_register_syscall_probe(const struct banos_syscall_probe *probe);
long banos_unregister_syscall_probe(long probe);
long banos_register_probe(const struct banos_probe *probe);
long banos_unregister_probe(long probe);

/* Is what a function returned an error? Addresses of the kernel are negative, too. */
static inline int banos_is_error(long value)
{
	return value < 0 && value >= -4095;
}

BANOS_END

#endif
