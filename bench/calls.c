/*
 * System call benches, the same static program natively and in Banos: `calls WHAT N` prints nanoseconds per round of
 * getpid, of fork+exit+wait, of fork+exec+wait (`busybox true`, BANOS_BUSYBOX its path), or of a byte sent to another process and back through two pipes.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void getpids(long rounds) {
  for (long i = 0; i < rounds; i++) syscall(SYS_getpid);
}

static void forks(long rounds) {
  for (long i = 0; i < rounds; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) _exit(7);
    if (child < 0 || waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7) exit(2);
  }
}

static void execs(long rounds) {
  const char *busybox = getenv("BANOS_BUSYBOX");
  for (long i = 0; i < rounds; i++) {
    int status;
    pid_t child = fork();
    if (child == 0) {
      execl(busybox ? busybox : "/bin/busybox", "busybox", "true", (char *)NULL);
      _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) exit(2);
  }
}

static void pipes(long rounds) {
  int there[2], back[2];
  char byte = 'x';
  if (pipe(there) || pipe(back)) exit(2);
  if (fork() == 0) {
    close(there[1]);
    while (read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1) continue;
    _exit(0);
  }
  for (long i = 0; i < rounds; i++) {
    if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1) exit(2);
  }
  close(there[1]);
  wait(NULL);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(long rounds);
  } table[] = {{"getpid", getpids}, {"fork", forks}, {"exec", execs}, {"pipe", pipes}};
  long rounds = argc == 3 ? atol(argv[2]) : 0;
  for (unsigned i = 0; rounds > 0 && i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, argv[1])) continue;
    table[i].run(rounds / 10 + 1);
    double start = now();
    table[i].run(rounds);
    printf("%.1f\n", (now() - start) / rounds);
    return 0;
  }
  fprintf(stderr, "usage: calls getpid|fork|exec|pipe ROUNDS\n");
  return 1;
}
