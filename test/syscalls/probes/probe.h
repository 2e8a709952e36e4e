/* What all probes share: each call prints one line, its text and its result or errno name. Work is done on a fresh tmpfs mounted on the directory that the first argument names. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD ((void *)8)

__attribute__((unused)) static long report(const char *what, long result) {
  if (result == -1) printf("%s = %s\n", what, strerrorname_np(errno));
  else printf("%s = %ld\n", what, result);
  return result;
}

/* For results that depend on the machine: only whether it worked. */
__attribute__((unused)) static long worked(const char *what, long result) {
  printf("%s %s\n", what, result == -1 ? strerrorname_np(errno) : "works");
  return result;
}

#define R(call) (errno = 0, report(#call, (long)(call)))
#define W(call) (errno = 0, worked(#call, (long)(call)))
#define S(name, ...) (errno = 0, report(#name "(" #__VA_ARGS__ ")", syscall(SYS_##name, ##__VA_ARGS__)))

__attribute__((unused)) static void bytes(const char *label, const char *data, long length) {
  printf("%s: ", label);
  for (long i = 0; i < length; i++) {
    unsigned char c = data[i];
    if (c >= 32 && c < 127) putchar(c);
    else printf("\\x%02x", c);
  }
  putchar('\n');
}

__attribute__((unused)) static void make(const char *name, const char *text) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (write(fd, text, strlen(text)) < 0) perror(name);
  close(fd);
}

static volatile int signals_seen;
__attribute__((unused)) static void note_signal(int number) { signals_seen += number; }

__attribute__((unused)) static void on(int number, int flags) {
  struct sigaction action = {.sa_handler = note_signal, .sa_flags = flags};
  sigaction(number, &action, 0);
}

/* SIGALRM in 50 ms. */
__attribute__((unused)) static void soon(void) {
  struct itimerval time = {{0, 0}, {0, 50000}};
  setitimer(ITIMER_REAL, &time, 0);
}

/* A tmpfs of our own on the directory: natively in a mount namespace that ends with the probe. */
__attribute__((unused)) static void start(int argc, char **argv) {
  setvbuf(stdout, 0, _IOLBF, 0);
  const char *directory = argc > 1 ? argv[1] : ".";
  unshare(CLONE_NEWNS);
  mount(0, "/", 0, MS_REC | MS_PRIVATE, 0);
  if (mount("probe", directory, "tmpfs", 0, "mode=755") != 0 || chdir(directory) != 0) exit(77);
  umask(022);
}
