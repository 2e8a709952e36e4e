/* The other end, in C, of what TypeScript programs do in mixed.test.ts. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static int open_socket(const char *path, int serve)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	check(fd >= 0, "socket");
	strcpy(name.sun_path, path);
	if (!serve) {
		check(connect(fd, (void *)&name, sizeof(name)) == 0, "connect");
		return fd;
	}
	check(bind(fd, (void *)&name, sizeof(name)) == 0, "bind");
	check(listen(fd, 5) == 0, "listen");
	puts("listening");
	fflush(stdout);
	return accept(fd, NULL, NULL);
}

/* Receives some bytes and a descriptor. */
static ssize_t receive(int fd, char *bytes, size_t size, int *passed)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec part = { bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t count = recvmsg(fd, &message, 0);
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	check(count >= 0, "recvmsg");
	*passed = -1;
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(passed, CMSG_DATA(c), sizeof(int));
	return count;
}

static void give(int fd, const char *bytes, size_t size, int passed)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control;
	struct iovec part = { (void *)bytes, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed, sizeof(int));
	check(sendmsg(fd, &message, 0) == (ssize_t)size, "sendmsg");
}

/* A link of the ring: token and descriptor come from 3 and go to 4. */
static int ring(void)
{
	char token[32];
	int passed;
	ssize_t count = receive(3, token, sizeof(token) - 1, &passed);

	token[count] = 0;
	check(passed >= 0, "no descriptor came");
	check(write(passed, "c", 1) == 1, "write");
	count = sprintf(token, "%d", atoi(token) + 1);
	give(4, token, count, passed);
	return 0;
}

/* Every byte comes back until the end. */
static int echo(int fd)
{
	char byte[1];

	while (read(fd, byte, 1) == 1)
		check(write(fd, byte, 1) == 1, "write");
	return 0;
}

int main(int argc, char **argv)
{
	char text[200];
	ssize_t count;
	int fd, passed;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "ring"))
		return ring();
	if (!strcmp(argv[1], "echo"))
		return echo(argc > 2 ? open_socket(argv[2], 0) : 0);
	if (!strcmp(argv[1], "serve")) {
		fd = open_socket(argv[2], 1);
		count = receive(fd, text, sizeof(text), &passed);
		check(passed >= 0, "no descriptor came");
		dprintf(passed, "into your file: %.*s\n", (int)count, text);
		dprintf(fd, "C heard %zd bytes", count);
		return 0;
	}
	if (!strcmp(argv[1], "connect")) {
		int ends[2];

		fd = open_socket(argv[2], 0);
		check(pipe(ends) == 0, "pipe");
		give(fd, "from C", 6, ends[1]);
		close(ends[1]);
		count = read(ends[0], text, sizeof(text));
		printf("through my pipe: %.*s\n", (int)count, text);
		count = read(fd, text, sizeof(text));
		printf("answer: %.*s\n", (int)count, text);
		return 0;
	}
	if (!strcmp(argv[1], "slave")) {
		fd = open(argv[2], O_RDWR | O_NOCTTY);
		check(fd >= 0, "open");
		count = read(fd, text, sizeof(text));
		dprintf(fd, "C read %zd: %.*s", count, (int)count, text);
		tcdrain(fd);
		return isatty(fd) ? 0 : 1;
	}
	if (!strcmp(argv[1], "master")) {
		fd = posix_openpt(O_RDWR | O_NOCTTY);
		check(fd >= 0 && grantpt(fd) == 0 && unlockpt(fd) == 0, "posix_openpt");
		puts(ptsname(fd));
		fflush(stdout);
		count = read(fd, text, sizeof(text));
		printf("master read %.*s", (int)count, text);
		fflush(stdout);
		check(write(fd, "typed in C\r", 11) == 11, "write");
		while (read(fd, text, sizeof(text)) > 0)
			;
		return 0;
	}
	return 2;
}
