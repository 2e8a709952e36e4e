/*
 * Takes steps of an exchange, as test/libc/deaths.test.ts has them in TypeScript, too: `steps PATH LETTERS`. Each letter
 * is a call; its result goes to standard output when all are done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static char big[400000];

static long with_name(int fd, const char *path, int binds)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	strcpy(name.sun_path, path);
	return binds ? bind(fd, (void *)&name, sizeof(name)) : connect(fd, (void *)&name, sizeof(name));
}

static long message(int fd, int passed)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec part = { big, 1 };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	long count;

	if (passed >= 0) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &passed, sizeof(int));
		return sendmsg(fd, &m, 0);
	}
	count = recvmsg(fd, &m, 0);
	if (count < 0)
		return count;
	return CMSG_FIRSTHDR(&m) == NULL ? count : 100 + count;
}

static long ready(int fd, int by_epoll)
{
	struct pollfd q = { fd, POLLIN | POLLRDHUP, 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP }, got;
	int set;

	if (!by_epoll)
		return poll(&q, 1, -1) < 0 ? -1 : q.revents;
	set = epoll_create1(0);
	epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
	return epoll_wait(set, &got, 1, -1) < 0 ? -1 : (long)got.events;
}

static int terminal(const char *path)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	struct termios modes;
	char name[100];

	unlockpt(fd);
	tcgetattr(fd, &modes);
	cfmakeraw(&modes);
	tcsetattr(fd, TCSANOW, &modes);
	strcpy(name, ptsname(fd));
	return symlink(name, path) ? -1 : fd;
}

int main(int argc, char **argv)
{
	const char *path = argc == 3 ? argv[1] : "";
	int fd = -1, pair[2];

	signal(SIGPIPE, SIG_IGN);
	for (const char *step = argc == 3 ? argv[2] : ""; *step != 0; step++) {
		long result = -1;

		errno = 0;
		switch (*step) {
		case 'l': fd = socket(AF_UNIX, SOCK_STREAM, 0); result = with_name(fd, path, 1) | listen(fd, 5); break;
		case 'a': fd = accept(fd, NULL, NULL); result = fd < 0 ? -1 : 0; break;
		case 'c': fd = socket(AF_UNIX, SOCK_STREAM, 0); result = with_name(fd, path, 0); break;
		case 'M': fd = terminal(path); result = fd < 0 ? -1 : 0; break;
		case 'O': fd = open(path, O_RDWR | O_NOCTTY); result = fd < 0 ? -1 : 0; break;
		case 'r': result = read(fd, big, 10); break;
		case 'w': result = write(fd, "x", 1); break;
		case 'f': result = write(fd, big, sizeof(big)); break;
		case 'd': result = pipe(pair) ? -1 : message(fd, pair[1]); close(pair[0]); close(pair[1]); break;
		case 'g': result = message(fd, -1); break;
		case 'p': result = ready(fd, 0); break;
		case 'e': result = ready(fd, 1); break;
		case 'k': result = read(0, big, 1); break;
		case 'z': pause(); break;
		}
		printf("%c %s ", *step, result < 0 ? strerrorname_np(errno) : "");
		printf("%ld\n", result);
	}
	return 0;
}
