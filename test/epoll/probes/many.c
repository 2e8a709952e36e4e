/*
 * Very many descriptors in one set (the second argument says how many; the lines do not depend on it), and those who wait
 * while descriptors go.
 */
#include "probe.h"

/* As many as a host without further rights grants. */
#define USUAL 15000

static int set;

static void *waiter(void *argument) {
  struct epoll_event event;
  int count = epoll_wait(set, &event, 1, *(int *)argument);
  return (void *)(long)count;
}

static void many(int number) {
  struct rlimit limit = {number + 20, number + 20};
  SAY(setrlimit(RLIMIT_NOFILE, &limit));
  int *fds = malloc(number * sizeof *fds);
  uint64_t one = 1;
  set = epoll_create1(0);
  int failed = 0;
  for (int i = 0; i < number; i++) {
    fds[i] = eventfd(0, EFD_NONBLOCK);
    if (fds[i] < 0 || add(set, fds[i], EPOLLIN) < 0) failed++;
  }
  printf("%d failed\n", failed);
  look("all idle", set);
  write(fds[number / 2], &one, 8);
  struct epoll_event event;
  for (int i = 0; i < 3; i++) {
    printf("%d", epoll_wait(set, &event, 1, -1));
    printf(" %d\n", event.data.fd == fds[number / 2]);
  }
  struct pollfd poller = {set, POLLIN};
  SAY(poll(&poller, 1, 0));
  read(fds[number / 2], &one, 8);
  look("idle again", set);
  int more = 0;
  while (dup(set) >= 0) more++;
  printf("%s %d\n", strerrorname_np(errno), more < 20);
  SAY(poll(&poller, number + 21, 0));
  SAY(close_range(3, ~0U, 0));
  SAY(epoll_create1(0));
  close(3);
}

/* A descriptor that somebody waits for is closed; a set that somebody waits on is closed. */
static void closing(void) {
  int p[2], event = eventfd(0, 0), timeout = 100, forever = -1;
  uint64_t one = 1;
  void *result;
  pthread_t thread;
  pipe(p);
  set = epoll_create1(0);
  add(set, p[0], EPOLLIN);
  pthread_create(&thread, 0, waiter, &timeout);
  usleep(20000);
  close(p[0]);
  write(p[1], "x", 0);
  pthread_join(thread, &result);
  printf("closed while waited for: %ld\n", (long)result);
  add(set, event, EPOLLIN);
  pthread_create(&thread, 0, waiter, &forever);
  usleep(20000);
  int kept = dup(set);
  close(set);
  write(event, &one, 8);
  pthread_join(thread, &result);
  printf("set closed, a duplicate lives: %ld\n", (long)result);
  read(event, &one, 8);
  set = kept;
  pthread_create(&thread, 0, waiter, &forever);
  usleep(20000);
  add(set, 1, EPOLLIN);
  del(set, event);
  del(set, 1);
  add(set, event, EPOLLIN);
  write(event, &one, 8);
  pthread_join(thread, &result);
  printf("added while waited for: %ld\n", (long)result);
  close(set);
  close(event);
  close(p[1]);
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  closing();
  many(argc > 2 ? atoi(argv[2]) : USUAL);
  return 0;
}
