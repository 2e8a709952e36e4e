/* Tasks until there are no more: zombies, then threads. Exit signals that are none. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 100000

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *wait_at_gate(void *unused) {
  pthread_mutex_lock(&gate);
  pthread_mutex_unlock(&gate);
  return unused;
}

int main(void) {
  static pthread_t threads[MANY];
  pthread_attr_t small;
  int pid = 0, count, error = 0;
  setvbuf(stdout, 0, _IONBF, 0);
  for (count = 0; count < MANY && (pid = fork()) > 0; count++);
  if (pid == 0) _exit(0);
  printf("zombies: %s\n", pid < 0 ? strerrorname_np(errno) : "no end");
  while (wait(0) > 0);
  pid = fork();
  if (pid == 0) _exit(0);
  printf("after waiting: %s\n", pid > 0 && wait(0) == pid ? "works" : strerrorname_np(errno));

  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 16384);
  pthread_mutex_lock(&gate);
  for (count = 0; count < MANY && (error = pthread_create(&threads[count], &small, wait_at_gate, 0)) == 0; count++);
  printf("threads: %s\n", error ? strerrorname_np(error) : "no end");
  pthread_mutex_unlock(&gate);
  while (count > 0) pthread_join(threads[--count], 0);
  error = pthread_create(&threads[0], &small, wait_at_gate, 0);
  printf("after joining: %s\n", error ? strerrorname_np(error) : "works");
  if (error == 0) pthread_join(threads[0], 0);

  pid = syscall(SYS_clone, 200, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  printf("exit signal 200: %s\n", waitpid(pid, 0, __WALL) == pid ? "waited for" : strerrorname_np(errno));
  pid = syscall(SYS_clone, 255, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return waitpid(pid, 0, __WALL) == pid ? 0 : 1;
}
