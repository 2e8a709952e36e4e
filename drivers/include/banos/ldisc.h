/*
 * Line disciplines: what stands between a terminal's device and its programs. A program gives a terminal the discipline of a
 * driver with ioctl(fd, TIOCSETD, &number), whoever it is; from then on its reads, writes, ioctls and polls, and the bytes
 * that come in, are the driver's. While a terminal has it the driver cannot be unloaded; one that goes by force, or fails in
 * an operation, leaves the terminal with the ordinary discipline.
 *
 * No operation may sleep. A read or write that would have to answers -BANOS_EAGAIN: the kernel waits, or not, as the program
 * wants it (O_NONBLOCK, signals), and asks again after banos_ldisc_wake. Operations that are NULL are left out: nothing can
 * be read or written, input waits, and settings are answered by the kernel as always.
 */
#ifndef BANOS_LDISC_H
#define BANOS_LDISC_H

#include <banos/chrdev.h>
#include <banos/tty.h>
#include <banos/types.h>

BANOS_BEGIN

/* For a driver that has no number of its own yet. */
#define BANOS_N_DEVELOPMENT 29

/* Operations that are NULL are those of the ordinary discipline, lines, echo and job control included. */
#define BANOS_LDISC_INHERIT 1

/* A terminal that has the discipline. Valid from `open` to the end of `close`, and while banos_ldisc_hold holds it. */
struct banos_ldisc_tty {
	/* sizeof(struct banos_ldisc_tty) of the kernel */
	banos_u32 size;
	/* Major number << 20 | minor number. */
	banos_u32 device;
	/* The driver's own; NULL when `open` is called. */
	void *data;
	/* As ps shows it: pts/0. */
	char name[32];
};

struct banos_ldisc_ops {
	/* sizeof(struct banos_ldisc_ops) */
	banos_u32 size;
	/* BANOS_LDISC_* */
	banos_u32 flags;
	/* An error refuses it: the terminal gets back what it had. */
	long (*open)(struct banos_ldisc_tty *tty);
	/* Another discipline, a hang-up, or nobody has the terminal open any more. */
	void (*close)(struct banos_ldisc_tty *tty);
	/* Unread input is to be dropped (tcflush). */
	void (*flush_buffer)(struct banos_ldisc_tty *tty);
	/* Returns bytes moved, 0 for an end of file. */
	long (*read)(struct banos_ldisc_tty *tty, struct banos_iter *to);
	/* Returns bytes taken. */
	long (*write)(struct banos_ldisc_tty *tty, struct banos_iter *from);
	/* -BANOS_ENOTTY for what the driver does not know: the kernel knows settings and queues. -BANOS_EAGAIN waits. */
	long (*ioctl)(struct banos_ldisc_tty *tty, banos_u32 request, unsigned long argument);
	/* BANOS_POLL*: what is ready; the kernel adds BANOS_POLLHUP. Without it the terminal is ready for output when it has room. */
	long (*poll)(struct banos_ldisc_tty *tty);
	/* Bytes came in. Returns how many it takes; the rest comes again after a read, or banos_ldisc_input_wanted. */
	long (*receive)(struct banos_ldisc_tty *tty, const char *bytes, size_t count);
	/* There is room for output again. */
	void (*write_wakeup)(struct banos_ldisc_tty *tty);
	/* The terminal is taken away from its programs; `close` follows. */
	void (*hangup)(struct banos_ldisc_tty *tty);
	/* After `open` too; `old` is then NULL. */
	void (*set_termios)(struct banos_ldisc_tty *tty, const struct banos_termios *now, const struct banos_termios *old);
};

struct banos_ldisc {
	/* sizeof(struct banos_ldisc) */
	banos_u32 size;
	/* 1 to 30, but 27. */
	int number;
	/* As /proc/tty/ldiscs shows it. */
	const char *name;
	const struct banos_ldisc_ops *ops;
};

/* 0; -BANOS_EINVAL; -BANOS_EEXIST when somebody has the number. */
long banos_register_ldisc(const struct banos_ldisc *ldisc);
/* 0; -BANOS_ENOENT; -BANOS_EBUSY while a terminal has it. */
long banos_unregister_ldisc(int number);

/*
 * Bytes for the device. Returns how many it took, maybe fewer than there are (`write_wakeup` tells when there is room), or
 * -BANOS_EIO when the terminal has lost the discipline. What `receive` sends goes out a moment later, when it has returned.
 */
long banos_ldisc_send(struct banos_ldisc_tty *tty, const void *bytes, size_t count);
/* Bytes that banos_ldisc_send is sure to take now. */
long banos_ldisc_room(struct banos_ldisc_tty *tty);
/* What poll answers may have changed: wakes those who read and write, and those who poll. */
void banos_ldisc_wake(struct banos_ldisc_tty *tty, banos_u32 mask);
/* There is room for input that `receive` did not take; it comes a moment later. */
void banos_ldisc_input_wanted(struct banos_ldisc_tty *tty);
/*
 * Hands characters to the ordinary discipline, as if they had come from the device; for BANOS_LDISC_INHERIT only
 * (-BANOS_EINVAL). Returns how many it took.
 */
long banos_ldisc_deliver(struct banos_ldisc_tty *tty, const char *bytes, size_t count);
/* The structure stays there, also when the terminal has lost the discipline, until as many banos_ldisc_put. */
void banos_ldisc_hold(struct banos_ldisc_tty *tty);
void banos_ldisc_put(struct banos_ldisc_tty *tty);

BANOS_END

#endif
