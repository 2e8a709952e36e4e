/*
 * Runs a script of memory calls on the real kernel. One operation per line on standard input, arguments are signed
 * decimal numbers; one result line each:
 *   map A LEN PROT FLAGS FILE OFF    FILE: -1 none, 0 read-write, 1 read-only, 2 write-only, 3 a pipe
 *   unmap A LEN    protect A LEN PROT    remap A OLD NEW FLAGS NEWA    advise A LEN ADVICE
 *   sync A LEN FLAGS    mincore A LEN    lock A LEN FLAGS    unlock A LEN    lockall FLAGS
 *   read A    write A VALUE    truncate BYTES    fork: a child writes V to A, then exits: forkwrite A VALUE
 *   end                                prints the mappings and first bytes of the window, then clears it
 * A result is a number, -errno, "moved" for an address that the kernel chose, or "signal N code".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 0x10000000000L
#define PAGES 32L
#define PAGE 4096L
#define FILE_PAGES 4

static sigjmp_buf back;
static int caught, caught_code;
static int files[4];
static int null_pipe[2];

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	caught = signal;
	caught_code = info->si_code;
	siglongjmp(back, 1);
}

static void print_call(long result)
{
	printf("%ld\n", result < 0 ? (long)-errno : result);
}

static int in_window(long address)
{
	return address >= WINDOW - 64 * PAGE && address < WINDOW + (PAGES + 64) * PAGE;
}

/* Addresses outside the window were chosen by the kernel: report that, and free them. */
static void print_address(long result, long length)
{
	if (result == -1 || in_window(result)) {
		print_call(result);
		return;
	}
	printf("moved\n");
	syscall(SYS_munmap, result, length);
}

static void reset_file(void)
{
	char page[PAGE];
	if (ftruncate(files[0], 0))
		exit(1);
	for (int i = 0; i < FILE_PAGES; i++) {
		memset(page, 'a' + i, sizeof page);
		if (pwrite(files[0], page, sizeof page, i * PAGE) != PAGE)
			exit(1);
	}
}

static void touch(long address, int value)
{
	volatile unsigned char *p = (volatile unsigned char *)address;
	if (sigsetjmp(back, 1)) {
		printf("signal %d %d\n", caught, caught_code);
		return;
	}
	if (value < 0) {
		printf("%d\n", *p);
	} else {
		*p = value;
		printf("0\n");
	}
}

static void fork_write(long address, int value)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		if (sigsetjmp(back, 1))
			_exit(caught);
		*(volatile unsigned char *)address = value;
		_exit(*(volatile unsigned char *)address == value ? 0 : 99);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("%d\n", WEXITSTATUS(status));
}

static void end(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof line, maps)) {
		uint64_t from, to, offset, inode;
		char rights[8], name[256] = "";
		unsigned major, minor;
		sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %255s", &from, &to, rights, &offset, &major, &minor, &inode, name);
		if (!in_window(from))
			continue;
		int zero = strstr(name, "/dev/zero") != NULL;
		int isfile = inode != 0 && !zero;
		printf("%ld %ld %s %ld\n", from - WINDOW, to - WINDOW, rights, isfile ? (long)offset : -1L);
	}
	fclose(maps);
	for (long i = 0; i < PAGES; i++) {
		char byte;
		if (write(null_pipe[1], (void *)(WINDOW + i * PAGE), 1) == 1 && read(null_pipe[0], &byte, 1) == 1)
			printf("%d ", (unsigned char)byte);
		else
			printf("x ");
	}
	printf("\n.\n");
	syscall(SYS_munlockall);
	munmap((void *)(WINDOW - 64 * PAGE), (PAGES + 128) * PAGE);
	reset_file();
}

int main(int argc, char **argv)
{
	char line[512], name[32];
	long a[6];
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	struct rlimit lock = { 8 << 20, 8 << 20 };
	if (argc < 2 || pipe(null_pipe))
		return 1;
	files[0] = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0666);
	files[1] = open(argv[1], O_RDONLY);
	files[2] = open(argv[1], O_WRONLY);
	files[3] = null_pipe[0];
	fchmod(files[0], 0666);
	reset_file();
	setrlimit(RLIMIT_MEMLOCK, &lock);
	if (geteuid() == 0 && (fchown(files[0], 65534, 65534) || setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		return 1;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	while (fgets(line, sizeof line, stdin)) {
		memset(a, 0, sizeof a);
		sscanf(line, "%31s %ld %ld %ld %ld %ld %ld", name, a, a + 1, a + 2, a + 3, a + 4, a + 5);
		if (!strcmp(name, "map"))
			print_address(syscall(SYS_mmap, a[0], a[1], a[2], a[3], a[4] < 0 ? -1 : files[a[4]], a[5]), a[1]);
		else if (!strcmp(name, "unmap"))
			print_call(syscall(SYS_munmap, a[0], a[1]));
		else if (!strcmp(name, "protect"))
			print_call(syscall(SYS_mprotect, a[0], a[1], a[2]));
		else if (!strcmp(name, "remap"))
			print_address(syscall(SYS_mremap, a[0], a[1], a[2], a[3], a[4]), a[2]);
		else if (!strcmp(name, "advise"))
			print_call(syscall(SYS_madvise, a[0], a[1], a[2]));
		else if (!strcmp(name, "sync"))
			print_call(syscall(SYS_msync, a[0], a[1], a[2]));
		else if (!strcmp(name, "mincore")) {
			static unsigned char vector[4096];
			memset(vector, 9, sizeof vector);
			long result = syscall(SYS_mincore, a[0], a[1], vector);
			printf("%ld", result < 0 ? (long)-errno : result);
			for (int i = 0; result == 0 && i < PAGES && vector[i] != 9; i++)
				printf(" %d", vector[i] & 1);
			printf("\n");
		} else if (!strcmp(name, "lock"))
			print_call(syscall(SYS_mlock2, a[0], a[1], a[2]));
		else if (!strcmp(name, "unlock"))
			print_call(syscall(SYS_munlock, a[0], a[1]));
		else if (!strcmp(name, "lockall"))
			print_call(syscall(SYS_mlockall, a[0]));
		else if (!strcmp(name, "read"))
			touch(a[0], -1);
		else if (!strcmp(name, "write"))
			touch(a[0], a[1]);
		else if (!strcmp(name, "forkwrite"))
			fork_write(a[0], a[1]);
		else if (!strcmp(name, "truncate"))
			print_call(ftruncate(files[0], a[0]));
		else
			end();
	}
	return 0;
}
