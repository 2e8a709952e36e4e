/*
 * What the real kernel makes of an executable: for every path on standard input, execs it under ptrace with fixed
 * arguments and no address randomization, and prints one of
 *   E errno                execve failed
 *   S signal               the kernel killed the process while it was loading
 *   R rip rsp              loaded; followed by
 *   M start end prot offset isfile     per mapping, numbers in hex, prot as a PROT_* mask
 *   K bytes                the stack from rsp up, in hex
 * and a line with a dot.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const char *path, int report)
{
	char *argv[] = { (char *)path, "one", "", "three", NULL };
	char *envp[] = { "A=1", "LONGER=some value", NULL };
	struct rlimit stack = { 8 << 20, RLIM_INFINITY };
	setrlimit(RLIMIT_STACK, &stack);
	personality(ADDR_NO_RANDOMIZE);
	if (geteuid() == 0 && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		_exit(1);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	execve(path, argv, envp);
	int error = errno;
	if (write(report, &error, sizeof error) < 0)
		_exit(2);
	_exit(3);
}

static void describe(pid_t pid)
{
	struct user_regs_struct regs;
	char name[64], line[512];
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	printf("R %llx %llx\n", regs.rip, regs.rsp);
	snprintf(name, sizeof name, "/proc/%d/maps", pid);
	FILE *maps = fopen(name, "r");
	uint64_t top = 0;
	while (fgets(line, sizeof line, maps)) {
		uint64_t start, end, offset, inode;
		char rights[8];
		unsigned major, minor;
		sscanf(line, "%lx-%lx %7s %lx %x:%x %lu", &start, &end, rights, &offset, &major, &minor, &inode);
		if (strstr(line, "[v"))
			continue;
		int prot = (rights[0] == 'r') | (rights[1] == 'w') << 1 | (rights[2] == 'x') << 2;
		printf("M %lx %lx %x %lx %d\n", start, end, prot, offset, inode != 0);
		if (strstr(line, "[stack]"))
			top = end;
	}
	fclose(maps);
	snprintf(name, sizeof name, "/proc/%d/mem", pid);
	int memory = open(name, O_RDONLY);
	printf("K ");
	for (uint64_t at = regs.rsp; at < top; at++) {
		unsigned char byte = 0;
		if (pread(memory, &byte, 1, at) != 1)
			break;
		printf("%02x", byte);
	}
	printf("\n");
	close(memory);
}

int main(void)
{
	char path[4096];
	while (fgets(path, sizeof path, stdin)) {
		path[strcspn(path, "\n")] = 0;
		int report[2], status, error;
		if (pipe2(report, O_CLOEXEC))
			return 1;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			child(path, report[1]);
		close(report[1]);
		waitpid(pid, &status, 0);
		if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP) {
			describe(pid);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		} else if (WIFSTOPPED(status)) {
			printf("S %d\n", WSTOPSIG(status));
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		} else if (read(report[0], &error, sizeof error) == sizeof error) {
			printf("E %d\n", error);
		} else {
			printf("S %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status));
		}
		close(report[0]);
		printf(".\n");
	}
	return 0;
}
