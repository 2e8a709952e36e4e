/*
 * Terminal devices: lines such as those of a UART, with the kernel's line discipline, settings, sessions and job control
 * in front of them. A driver moves bytes: `write` gets those that go out, banos_tty_insert hands over those that came in.
 *
 * No operation may sleep. Operations that are NULL are left out.
 */
#ifndef BANOS_TTY_H
#define BANOS_TTY_H

#include <banos/types.h>

BANOS_BEGIN

/* Modem bits, as TIOCMGET has them. */
#define BANOS_TIOCM_DTR 0x002
#define BANOS_TIOCM_RTS 0x004
#define BANOS_TIOCM_CTS 0x020
#define BANOS_TIOCM_CAR 0x040
#define BANOS_TIOCM_RNG 0x080
#define BANOS_TIOCM_DSR 0x100
#define BANOS_TIOCM_LOOP 0x8000

#define BANOS_CLOCAL 004000
#define BANOS_HUPCL 002000

/* One line. The kernel makes it, `data` is the driver's. */
struct banos_tty {
	banos_u32 size;
	/* From 0. */
	banos_u32 line;
	void *data;
};

struct banos_termios {
	banos_u32 size;
	banos_u32 iflag;
	banos_u32 oflag;
	banos_u32 cflag;
	banos_u32 lflag;
	/* Bits per second; 0: hang up. */
	banos_u32 ispeed;
	banos_u32 ospeed;
	banos_u8 line;
	banos_u8 cc[19];
};

struct banos_tty_ops {
	banos_u32 size;
	banos_u32 flags;
	/* The first file is opened; an error refuses it. The last one is closed. */
	long (*open)(struct banos_tty *tty);
	void (*close)(struct banos_tty *tty);
	/* Returns how many bytes it takes. The kernel asks no more than write_room said it would. */
	long (*write)(struct banos_tty *tty, const char *bytes, size_t count);
	long (*write_room)(struct banos_tty *tty);
	/* Bytes taken that have not gone out yet; without it they go at once. */
	long (*chars_in_buffer)(struct banos_tty *tty);
	void (*flush_buffer)(struct banos_tty *tty);
	/* After `open` too; `old` is then NULL. */
	void (*set_termios)(struct banos_tty *tty, const struct banos_termios *now, const struct banos_termios *old);
	/* There is no room for more input; there is again. */
	void (*throttle)(struct banos_tty *tty);
	void (*unthrottle)(struct banos_tty *tty);
	/* Output is to stop (a STOP character, TCOOFF); to go on. */
	void (*stop)(struct banos_tty *tty);
	void (*start)(struct banos_tty *tty);
	/* The terminal was taken away from all that had it open. */
	void (*hangup)(struct banos_tty *tty);
	/* A break begins (-1), ends (0), or lasts so many milliseconds. */
	long (*break_ctl)(struct banos_tty *tty, int duration);
	/* BANOS_TIOCM_*. */
	long (*tiocmget)(struct banos_tty *tty);
	long (*tiocmset)(struct banos_tty *tty, banos_u32 set, banos_u32 clear);
	/* Requests that the kernel does not know; -ENOTTY for those that the driver does not. */
	long (*ioctl)(struct banos_tty *tty, banos_u32 request, unsigned long argument);
};

struct banos_tty_driver {
	banos_u32 size;
	/* 1 to 256. Nodes are NAME0, NAME1 … */
	banos_u32 lines;
	const char *name;
	/* 0: any that is free. */
	banos_u32 major;
	banos_u32 first_minor;
	/* Permission bits of the nodes; 0: 0600. */
	banos_u32 mode;
	banos_u32 reserved;
	const struct banos_tty_ops *ops;
};

/* Makes the lines and their nodes. Returns the number of the first one (major << 20 | minor). */
long banos_tty_register(const struct banos_tty_driver *driver);

/*
 * Bytes have come in. Returns how many the kernel took: what it did not take is to be offered again after `unthrottle`, or is
 * lost. Programs get them a moment later, never before this returns.
 */
long banos_tty_insert(struct banos_tty *tty, const char *bytes, size_t count);

/* There is room for output again, or the last of it has gone out. */
void banos_tty_write_ready(struct banos_tty *tty);

/* The carrier is lost: SIGHUP for the session, the end of file for who reads, EIO for all else. */
void banos_tty_hangup(struct banos_tty *tty);

BANOS_END

#endif
