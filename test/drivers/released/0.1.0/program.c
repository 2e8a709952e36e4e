/*
 * A program without a C library that uses the drivers of this directory: program core|others|lines. It says `ok`, or in which line
 * something was not as it was in version 0.1.0, with the result.
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/ioctl.h>
#include <linux/poll.h>
#include <stddef.h>

#define FAMILY 44
#define PROT_READ_WRITE 3
#define MAP_SHARED 1
#define EAGAIN 11
#define EFAULT 14
#define EINVAL 22
#define ENOTTY 25
#define ECONNRESET 104
#define MSG_DONTWAIT 0x40
#define EPOLLIN 1
#define TIOCSETD 0x5423
#define TIOCSPTLCK 0x40045431
#define TIOCGPTPEER 0x5441
#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCFLSH 0x540b

static long call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#define call(number, a, b, c) call6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)

int memcmp(const void *a, const void *b, size_t count)
{
	const unsigned char *x = a, *y = b;

	for (; count > 0; count--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

static void say(const char *text)
{
	size_t length = 0;

	while (text[length])
		length++;
	call(__NR_write, 1, text, length);
}

static void say_number(long number)
{
	char digits[24];
	int at = sizeof(digits);
	unsigned long rest = number < 0 ? -number : number;

	digits[--at] = 0;
	do
		digits[--at] = '0' + rest % 10;
	while ((rest /= 10) > 0);
	if (number < 0)
		digits[--at] = '-';
	say(digits + at);
}

static void expect(int line, long expected, long actual)
{
	if (expected == actual)
		return;
	say("line ");
	say_number(line);
	say(": ");
	say_number(actual);
	say(" is not ");
	say_number(expected);
	say("\n");
	call(__NR_exit_group, 1, 0, 0);
}
#define EXPECT(expected, actual) expect(__LINE__, expected, actual)

static long spawn(void)
{
	return call(__NR_fork, 0, 0, 0);
}

static void core(void)
{
	struct pollfd ready = { .events = POLLIN | POLLOUT };
	struct { unsigned events; unsigned long data; } __attribute__((packed)) event = { EPOLLIN, 7 };
	char bytes[64];
	int value = 4;
	long file = call(__NR_open, "/dev/kept0", O_RDWR | O_NONBLOCK, 0);
	long second = call(__NR_open, "/dev/kept1", O_RDWR, 0);
	long set = call(__NR_epoll_create1, 0, 0, 0);
	char *page;
	long child;

	EXPECT(1, file > 0 && second > 0 && set > 0);
	ready.fd = file;
	EXPECT(-EAGAIN, call(__NR_read, file, bytes, 10));
	EXPECT(0, call(__NR_ioctl, file, _IOC(1, 'k', 2, 4), &value));
	EXPECT(4, call(__NR_write, file, "abcd", 4));
	EXPECT(1, call(__NR_poll, &ready, 1, 0));
	EXPECT(POLLIN, ready.revents);
	EXPECT(0, call(__NR_ioctl, file, _IOC(2, 'k', 1, 4), &value));
	EXPECT(4, value);
	/* The other one writes when there is room, and wakes this one. */
	child = spawn();
	if (child == 0) {
		EXPECT(3, call(__NR_write, second, "xyz", 3));
		call(__NR_exit_group, 0, 0, 0);
	}
	EXPECT(4, call(__NR_read, file, bytes, sizeof(bytes)));
	EXPECT(0, memcmp(bytes, "abcd", 4));
	EXPECT(0, call6(__NR_epoll_ctl, set, 1, file, (long)&event, 0, 0));
	event.data = 0;
	EXPECT(1, call6(__NR_epoll_wait, set, (long)&event, 1, 10000, 0, 0));
	EXPECT(7, event.data);
	EXPECT(2, call(__NR_read, file, bytes, 2));
	EXPECT(1, call(__NR_read, second, bytes + 2, 10));
	EXPECT(0, memcmp(bytes, "xyz", 3));
	EXPECT(child, call6(__NR_wait4, child, 0, 0, 0, 0, 0));
	/* A read sleeps until there is something. */
	child = spawn();
	if (child == 0) {
		EXPECT(1, call(__NR_read, second, bytes, 1));
		call(__NR_exit_group, bytes[0], 0, 0);
	}
	EXPECT(1, call(__NR_write, file, "!", 1));
	EXPECT(child, call6(__NR_wait4, child, (long)&value, 0, 0, 0, 0));
	EXPECT('!' << 8, value);
	EXPECT(-EFAULT, call(__NR_ioctl, file, _IOC(1, 'k', 2, 4), 8));
	EXPECT(-EINVAL, call(__NR_ioctl, file, _IOC(1, 'k', 2, 4), &(int){ 1000 }));
	EXPECT(-ENOTTY, call(__NR_ioctl, file, 1234, 0));
	EXPECT(5, call(__NR_ioctl, file, _IO('k', 3), "words"));
	EXPECT(-EFAULT, call(__NR_ioctl, file, _IO('k', 3), 8));
	EXPECT(-EFAULT, call(__NR_write, file, 8, 1));
	page = (char *)call6(__NR_mmap, 0, 4096, PROT_READ_WRITE, MAP_SHARED, file, 8192);
	EXPECT('p', page[0]);
	EXPECT(0, call(__NR_fsync, file, 0, 0));
	page[0] = 'q';
	EXPECT(-5, call(__NR_fsync, file, 0, 0));
	page[0] = 'p';
	EXPECT(0, call(__NR_munmap, page, 4096, 0));
	EXPECT(-EINVAL, call6(__NR_mmap, 0, 4096, PROT_READ_WRITE, MAP_SHARED, file, 0));
	EXPECT(0, call(__NR_fcntl, file, F_SETFL, O_NONBLOCK | FASYNC));
	EXPECT(1, call(__NR_ioctl, file, _IO('k', 5), 0));
	EXPECT(0, call(__NR_fcntl, file, F_SETFL, O_NONBLOCK));
	EXPECT(0, call(__NR_ioctl, file, _IO('k', 5), 0));
	EXPECT(1010, call(__NR_lseek, file, 10, 2));
	EXPECT(0, call(__NR_ioctl, file, _IO('k', 4), 0));
	EXPECT(0, call(__NR_close, file, 0, 0));
	EXPECT(0, call(__NR_close, second, 0, 0));
}

static void others(void)
{
	struct pollfd ready = { .events = POLLIN | POLLOUT };
	char bytes[64];
	long file = call(__NR_open, "/dev/kepttty0", O_RDWR | O_NOCTTY, 0);
	long socket = call(__NR_socket, FAMILY, 2, 0);
	long group = call(__NR_getpgid, 0, 0, 0);

	EXPECT(1, file > 0 && socket > 0);
	EXPECT(6, call(__NR_write, file, "hello\n", 6));
	EXPECT(6, call(__NR_read, file, bytes, sizeof(bytes)));
	EXPECT(0, memcmp(bytes, "hello\n", 6));
	EXPECT(1, call(__NR_write, file, "!", 1));
	EXPECT(0, call(__NR_read, file, bytes, sizeof(bytes)));

	ready.fd = socket;
	EXPECT(-EAGAIN, call6(__NR_recvfrom, socket, (long)bytes, 10, MSG_DONTWAIT, 0, 0));
	EXPECT(3, call6(__NR_sendto, socket, (long)"abc", 3, 0, 0, 0));
	EXPECT(1, call(__NR_poll, &ready, 1, 0));
	EXPECT(POLLIN, ready.revents);
	EXPECT(3, call6(__NR_recvfrom, socket, (long)bytes, 10, 0, 0, 0));
	EXPECT(0, call6(__NR_sendto, socket, 0, 0, 0, 0, 0));
	EXPECT(-ECONNRESET, call6(__NR_recvfrom, socket, (long)bytes, 10, 0, 0, 0));

	EXPECT(91, call6(1000, 1, 2, 3, 4, 5, 6));
	EXPECT(-38, call6(1001, 1, 2, 3, 4, 5, 6));
	EXPECT(group + 1000000, call(__NR_getpgrp, 0, 0, 0));
	EXPECT(1, call(__NR_getppid, 0, 0, 0) > 0);
	EXPECT(1, call(__NR_getppid, 0, 0, 0) > 0);
}

static void lines(void)
{
	struct pollfd ready = { .events = POLLIN | POLLOUT };
	char bytes[64];
	int number = 0, unread = 0;
	long master = call(__NR_open, "/dev/ptmx", O_RDWR | O_NOCTTY, 0);
	long slave;

	EXPECT(0, call(__NR_ioctl, master, TIOCSPTLCK, &number));
	slave = call(__NR_ioctl, master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	EXPECT(1, slave > 0);
	number = 30;
	EXPECT(0, call(__NR_ioctl, slave, TIOCSETD, &number));
	EXPECT(6, call(__NR_write, master, "a b c\n", 6));
	EXPECT(6, call(__NR_read, slave, bytes, sizeof(bytes)));
	EXPECT(0, memcmp(bytes, "a-b-c\n", 6));
	EXPECT(7, call(__NR_read, master, bytes, sizeof(bytes)));

	number = 28;
	EXPECT(0, call(__NR_ioctl, slave, TIOCSETD, &number));
	EXPECT(0, call(__NR_ioctl, slave, TCGETS, bytes));
	EXPECT(0, call(__NR_ioctl, slave, TCSETS, bytes));
	EXPECT(-ENOTTY, call(__NR_ioctl, slave, 0x4b99, 0));
	ready.fd = slave;
	EXPECT(1, call(__NR_poll, &ready, 1, 0));
	EXPECT(POLLOUT, ready.revents);
	EXPECT(11, call(__NR_write, master, "three by 3.", 11));
	do {
		EXPECT(0, call(__NR_ioctl, slave, _IOR('K', 40, int), &unread));
	} while (unread < 9);
	EXPECT(1, call(__NR_poll, &ready, 1, 0));
	EXPECT(POLLIN | POLLOUT, ready.revents);
	EXPECT(5, call(__NR_read, slave, bytes, 5));
	EXPECT(0, memcmp(bytes, "three", 5));
	do {
		EXPECT(0, call(__NR_ioctl, slave, _IOR('K', 40, int), &unread));
	} while (unread < 6);
	EXPECT(6, call(__NR_read, slave, bytes, sizeof(bytes)));
	EXPECT(0, memcmp(bytes, " by 3.", 6));
	for (number = 0; number < 4; number++)
		EXPECT(1, call(__NR_read, master, bytes + number, 1));
	EXPECT(0, memcmp(bytes, "3332", 4));
	EXPECT(3, call(__NR_write, slave, "out", 3));
	EXPECT(3, call(__NR_read, master, bytes, sizeof(bytes)));
	/* It is told of the room that there is now. */
	EXPECT(0, call(__NR_poll, &ready, 0, 2));
	EXPECT(1, call(__NR_write, master, "f", 1));
	EXPECT(0, call(__NR_ioctl, slave, TCFLSH, 0));
	EXPECT(0, call(__NR_close, master, 0, 0));
	EXPECT(0, call(__NR_read, slave, bytes, sizeof(bytes)));
}

__attribute__((used)) static void start(long *stack)
{
	const char *what = (const char *)stack[2];

	if (what[0] == 'c')
		core();
	else if (what[0] == 'l')
		lines();
	else
		others();
	say("ok\n");
	call(__NR_exit_group, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %rsp, %rdi\n and $-16, %rsp\n call start\n");
