/* eventfd: counting, overflow, semaphores, who is told what. */
#include "probe.h"

static uint64_t value;
static int put(int fd, uint64_t v) {
  value = v;
  return write(fd, &value, 8);
}
static int get(int fd) {
  value = 0;
  int count = read(fd, &value, 8);
  if (count == 8) printf("got %lx\n", (long)value);
  return count;
}

static void show_count(int fd) {
  char path[64], text[4096];
  sprintf(path, "/proc/self/fdinfo/%d", fd);
  int file = open(path, O_RDONLY);
  text[read(file, text, sizeof text - 1)] = 0;
  close(file);
  /* The id between the two counts all eventfds since boot. */
  printf("%.38s%s", strstr(text, "eventfd-count"), strstr(text, "eventfd-semaphore"));
}

int main(void) {
  char *end = page_end();
  for (int flags = 0; flags < 2; flags++) {
    int fd = eventfd(3, EFD_NONBLOCK | flags), set = epoll_create1(0);
    add(set, fd, EPOLLIN | EPOLLOUT | EPOLLET);
    look("new", set);
    SAY(get(fd));
    look("read", set);
    while (get(fd) == 8) continue;
    look("empty", set);
    SAY(get(fd));
    SAY(put(fd, 0));
    look("nothing added", set);
    SAY(put(fd, 0xfffffffe));
    SAY(put(fd, 3));
    show_count(fd);
    SAY(put(fd, 0xffffffffffffffff));
    SAY(put(fd, 0xfffffffffffffffe));
    SAY(put(fd, 0xfffffffefffffffd));
    look("full", set);
    SAY(put(fd, 1));
    SAY(put(fd, 0));
    look("still full", set);
    show_count(fd);
    SAY(get(fd));
    look("read", set);
    SAY(write(fd, &value, 7));
    SAY(write(fd, &value, 9));
    SAY(read(fd, &value, 7));
    value = 0;
    char nine[9];
    SAY(read(fd, nine, 9));
    SAY(write(fd, BAD, 8));
    SAY(write(fd, end - 4, 8));
    SAY(put(fd, 5));
    SAY(read(fd, BAD, 8));
    SAY(get(fd));
    SAY(put(fd, 5));
    SAY(read(fd, end - 4, 8));
    SAY(get(fd));
    SAY(read(fd, &value, 0));
    SAY(write(fd, &value, 0));
    SAY(lseek(fd, 1, SEEK_SET));
    SAY(pwrite(fd, &value, 8, 0));
    close(fd);
    close(set);
  }
  SAY(eventfd(0, 2));
  SAY(eventfd(0, EFD_CLOEXEC) > 0);
  int big = eventfd(0xffffffff, 0);
  SAY(get(big));
  /* A write that waits for room, from a thread's point of view: a child shares the counter. */
  SAY(put(big, 0xfffffffffffffffe));
  if (fork() == 0) {
    usleep(10000);
    get(big);
    _exit(0);
  }
  SAY(put(big, 2));
  wait(0);
  SAY(get(big));
  return 0;
}
