/* timerfd: what can be said without knowing the time. */
#include "probe.h"

static void show(const char *what, struct itimerspec *value, long step) {
  /* Seconds rounded to `step`, so that a slow machine does not show. */
  printf("%s: %ld %s\n", what, value->it_interval.tv_sec,
         value->it_value.tv_sec || value->it_value.tv_nsec ? (value->it_value.tv_sec > step ? "long" : "short") : "off");
}

static void wait_for(int fd) {
  struct pollfd poller = {fd, POLLIN | POLLRDNORM};
  int count = poll(&poller, 1, 10000);
  printf("poll %d %x\n", count, poller.revents);
}

int main(void) {
  uint64_t ticks;
  struct itimerspec off = {}, old, value;
  int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM};
  for (int i = -1; i < 12; i++) printf("clock %d: %d\n", i, timerfd_create(i, 0) > 0);
  SAY(timerfd_create(CLOCK_MONOTONIC, 1));
  for (int i = 0; i < 5; i++) {
    int fd = timerfd_create(clocks[i], TFD_NONBLOCK), set = epoll_create1(0);
    add(set, fd, EPOLLIN | EPOLLET);
    SAY(timerfd_gettime(fd, &old));
    show("new", &old, 1);
    SAY(read(fd, &ticks, 8));
    SAY(read(fd, &ticks, 7));
    SAY(write(fd, &ticks, 8));
    value = (struct itimerspec){{1000, 0}, {2000, 0}};
    SAY(timerfd_settime(fd, 0, &value, &old));
    show("was", &old, 100);
    SAY(timerfd_gettime(fd, &old));
    show("is", &old, 100);
    value = (struct itimerspec){{0, 0}, {0, 1}};
    SAY(timerfd_settime(fd, 0, &value, &old));
    show("was", &old, 100);
    wait_for(fd);
    look("edge", set);
    look("edge is gone", set);
    SAY(read(fd, &ticks, 8));
    printf("%lu\n", (long)ticks);
    SAY(read(fd, &ticks, 8));
    if (i >= 3) {
      /* Of a stopped timer of these clocks Linux still tells the time that was left: not compared. */
      close(fd);
      close(set);
      continue;
    }
    clock_gettime(clocks[i], &value.it_value);
    value.it_value.tv_sec += 5000;
    SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, 0));
    SAY(timerfd_gettime(fd, &old));
    show("absolute", &old, 4000);
    value = (struct itimerspec){{1000000000, 0}, {0, 1}};
    SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, 0));
    wait_for(fd);
    SAY(read(fd, &ticks, 8));
    printf("past: %lu\n", (long)ticks);
    SAY(timerfd_gettime(fd, &old));
    show("goes on", &old, 100);
    SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, 0));
    SAY(timerfd_gettime(fd, &old));
    SAY(read(fd, &ticks, 8));
    printf("after gettime: %lu\n", (long)ticks);
    SAY(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &off, &old));
    show("was", &old, 100);
    SAY(timerfd_settime(fd, 0, &off, &old));
    show("was", &old, 100);
    value = (struct itimerspec){{0, 0}, {LONG_MAX, 0}};
    SAY(timerfd_settime(fd, 0, &value, &old));
    SAY(timerfd_gettime(fd, &old));
    show("longest", &old, 1000000);
    value = (struct itimerspec){{0, 1000000000}, {1, 0}};
    SAY(timerfd_settime(fd, 0, &value, &old));
    value = (struct itimerspec){{0, 0}, {1, -1}};
    SAY(timerfd_settime(fd, 0, &value, &old));
    value = (struct itimerspec){{-1, 0}, {0, 0}};
    SAY(timerfd_settime(fd, 0, &value, &old));
    SAY(timerfd_settime(fd, 4, &off, &old));
    SAY(timerfd_settime(fd, 0, &off, (void *)(page_end() - 16)));
    SAY(timerfd_settime(fd, 0, &off, 0));
    ticks = 7;
    SAY(ioctl(fd, TFD_IOC_SET_TICKS, &ticks));
    look("ticks set", set);
    SAY(read(fd, &ticks, 8));
    printf("%lu\n", (long)ticks);
    ticks = 0;
    SAY(ioctl(fd, TFD_IOC_SET_TICKS, &ticks));
    SAY(ioctl(fd, TFD_IOC_SET_TICKS, BAD));
    show_info(fd, "clockid:");
    close(fd);
    close(set);
  }
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  SAY(fcntl(fd, F_GETFD));
  SAY(timerfd_settime(fd, 0, BAD, 0));
  SAY(timerfd_settime(-1, 0, BAD, 0));
  SAY(timerfd_settime(-1, 0, &off, 0));
  SAY(timerfd_settime(0, 0, &off, 0));
  SAY(timerfd_gettime(-1, &off));
  SAY(timerfd_gettime(0, &off));
  SAY(timerfd_gettime(fd, BAD));
  /* A blocking read. */
  value = (struct itimerspec){{0, 0}, {0, 1000000}};
  SAY(timerfd_settime(fd, 0, &value, 0));
  SAY(read(fd, &ticks, 8));
  SAY(timerfd_settime(fd, 0, &value, 0));
  usleep(20000);
  SAY(read(fd, BAD, 8));
  SAY(fcntl(fd, F_SETFL, O_NONBLOCK));
  SAY(read(fd, &ticks, 8));
  SAY(lseek(fd, 3, SEEK_SET));
  SAY(pread(fd, &ticks, 8, 0));
  return 0;
}
