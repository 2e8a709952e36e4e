/*
 * Executes a script of operations on descriptors and says after each what poll and two epoll sets make of it: one that is
 * level-triggered and one that is edge-triggered have every descriptor. Script, one operation per line:
 *
 *   new KIND                makes an object with one or two ends
 *   write OBJECT END COUNT  read OBJECT END COUNT
 *   close OBJECT END        dup OBJECT END
 *   special OBJECT WHICH ARGUMENT    what only this kind can do
 *   again OBJECT END WHICH  modifies the registrations: WHICH 0: the same, 1: one shot, 2: input only, 3: none and new
 *
 * A kind is a row of `kinds`; the generator (kinds.ts) has the same rows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define OBJECTS 64
#define ALL (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND)

struct object {
  const struct kind *kind;
  int fd[2];
  /* The process of a pidfd. */
  int pid;
};

struct kind {
  const char *name;
  int (*make)(struct object *object);
  int (*special)(struct object *object, int which, int argument);
  /* The host's kernel does a part of the work later, in a thread of its own: wait for it. */
  int is_late;
};

static struct object objects[OBJECTS];
static int count, level, edge;
/* Processes that have not been waited for. */
static int children[OBJECTS], born;
static char bytes[1 << 17];

static int end_of(int object, int end) {
  return object < 0 || object >= count ? -1 : objects[object].fd[end & 1];
}

static int make_pipe(struct object *o) { return pipe2(o->fd, O_NONBLOCK); }

static int special_pipe(struct object *o, int which, int argument) {
  return fcntl(o->fd[which & 1], F_SETPIPE_SZ, 4096 << (argument & 3));
}

static int make_packets(struct object *o) { return pipe2(o->fd, O_NONBLOCK | O_DIRECT); }

static int make_fifo(struct object *o) {
  mkfifo("fifo", 0600);
  o->fd[0] = open("fifo", O_RDONLY | O_NONBLOCK);
  o->fd[1] = open("fifo", O_WRONLY | O_NONBLOCK);
  return o->fd[1];
}

/* Opens an end again that was closed. */
static int special_fifo(struct object *o, int which, int argument) {
  int end = which & 1;
  if (o->fd[end] >= 0) return -1;
  o->fd[end] = open("fifo", (end ? O_WRONLY : O_RDONLY) | O_NONBLOCK);
  return o->fd[end] >= 0 ? 100 : -1;
}

static int make_pty(struct object *o) {
  int unlocked = 0;
  o->fd[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  ioctl(o->fd[0], TIOCSPTLCK, &unlocked);
  o->fd[1] = ioctl(o->fd[0], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK);
  return o->fd[1];
}

static int special_pty(struct object *o, int which, int argument) {
  struct termios mode;
  int packets = argument & 1;
  if (tcgetattr(o->fd[1], &mode) < 0) return -1;
  switch (which & 3) {
    case 0:
      cfmakeraw(&mode);
      return tcsetattr(o->fd[1], TCSANOW, &mode);
    case 1:
      mode.c_lflag |= ICANON | ECHO;
      mode.c_iflag |= ICRNL;
      mode.c_oflag |= OPOST | ONLCR;
      return tcsetattr(o->fd[1], TCSANOW, &mode);
    case 2:
      return tcflush(o->fd[1], TCIFLUSH);
    default:
      return ioctl(o->fd[0], TIOCPKT, &packets);
  }
}

static int make_eventfd(struct object *o) { return o->fd[0] = eventfd(0, EFD_NONBLOCK); }
static int make_semaphore(struct object *o) { return o->fd[0] = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE); }

/* Writes a number near the limit. */
static int special_eventfd(struct object *o, int which, int argument) {
  uint64_t value = which & 1 ? 0xfffffffffffffffe - argument : argument;
  return write(o->fd[0], &value, 8);
}

static int make_timerfd(struct object *o) { return o->fd[0] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK); }

static int special_timerfd(struct object *o, int which, int argument) {
  struct itimerspec value = {};
  which %= 4;
  if (which == 0 || which == 3) value.it_value.tv_nsec = 1;
  if (which == 1) value.it_value.tv_sec = 10000;
  if (which == 3) value.it_interval.tv_sec = 10000;
  int result = timerfd_settime(o->fd[0], 0, &value, 0);
  struct pollfd poller = {o->fd[0], POLLIN};
  if (result == 0 && value.it_value.tv_nsec) poll(&poller, 1, 10000);
  return result;
}

static int make_signalfd(struct object *o) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN);
  return o->fd[0] = signalfd(-1, &mask, SFD_NONBLOCK);
}

static int special_signalfd(struct object *o, int which, int argument) {
  int signals[] = {SIGUSR1, SIGRTMIN, SIGUSR2};
  if (which % 4 < 3) return kill(getpid(), signals[which % 4]);
  sigset_t mask;
  sigemptyset(&mask);
  for (int i = 0; i < 3; i++)
    if (argument & (1 << i)) sigaddset(&mask, signals[i]);
  return signalfd(o->fd[0], &mask, 0) >= 0;
}

static int make_pidfd(struct object *o) {
  int ready[2];
  char byte;
  pipe(ready);
  o->pid = fork();
  if (o->pid == 0) {
    dup2(ready[1], 0);
    close_range(1, ~0U, 0);
    write(0, "x", 1);
    close(0);
    for (;;) pause();
  }
  close(ready[1]);
  read(ready[0], &byte, 1);
  /* The child holds no descriptor any more when its end of the pipe is gone. */
  read(ready[0], &byte, 1);
  close(ready[0]);
  children[born++] = o->pid;
  return o->fd[0] = syscall(SYS_pidfd_open, o->pid, O_NONBLOCK);
}

static int special_pidfd(struct object *o, int which, int argument) {
  siginfo_t info;
  if (which % 2 == 0) {
    int result = syscall(SYS_pidfd_send_signal, o->fd[0], SIGKILL, 0, 0);
    struct pollfd poller = {o->fd[0], POLLIN};
    if (result == 0) poll(&poller, 1, 10000);
    /* The signal of the child's end has been sent, too, when it can be waited for. */
    if (result == 0) waitid(P_PID, o->pid, &info, WEXITED | WNOWAIT);
    return result;
  }
  info.si_pid = 0;
  int result = waitid(P_PIDFD, o->fd[0], &info, WEXITED | WNOHANG);
  for (int i = 0; i < born; i++)
    if (result == 0 && children[i] == info.si_pid) children[i] = 0;
  return result;
}

static int make_inotify(struct object *o) {
  o->fd[0] = inotify_init1(IN_NONBLOCK);
  return inotify_add_watch(o->fd[0], ".", IN_ALL_EVENTS);
}

static int special_inotify(struct object *o, int which, int argument) {
  switch (which % 5) {
    case 0:
      return mkdir("directory", 0700);
    case 1:
      return rmdir("directory");
    case 2:
      return rename("directory", "moved");
    case 3:
      return rmdir("moved");
    default:
      return inotify_rm_watch(o->fd[0], argument & 1);
  }
}

static int make_epoll(struct object *o) { return o->fd[0] = epoll_create1(0); }

static int special_epoll(struct object *o, int which, int argument) {
  int target = end_of(argument >> 1, argument);
  struct epoll_event event = {EPOLLIN | (which % 4 == 1 ? EPOLLET : which % 4 == 2 ? EPOLLONESHOT : 0)}, found[4];
  if (which % 8 == 7) return epoll_wait(o->fd[0], found, 2, 0);
  return epoll_ctl(o->fd[0], which % 4 == 3 ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, target, &event);
}

static int make_file(struct object *o) { return o->fd[0] = open("file", O_RDWR | O_CREAT, 0600); }

static int special_file(struct object *o, int which, int argument) {
  return which & 1 ? ftruncate(o->fd[0], argument) : fchmod(o->fd[0], 0600 + (argument & 7));
}

static int make_stream(struct object *o) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, o->fd); }
static int make_datagrams(struct object *o) { return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, o->fd); }
static int make_seqpackets(struct object *o) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, o->fd); }

static int special_socket(struct object *o, int which, int argument) {
  int fd = o->fd[argument & 1], value = argument * 3000;
  switch (which % 5) {
    case 0:
      /* Rarely both ways. */
      return shutdown(fd, argument % 8 == 7 ? SHUT_RDWR : argument & 2 ? SHUT_RD : SHUT_WR);
    case 1:
      return send(fd, "urgent", 1 + argument % 6, MSG_OOB | MSG_NOSIGNAL);
    case 2:
      return recv(fd, bytes + 20, 1, MSG_OOB);
    case 3:
      return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof value);
    default:
      return recv(fd, bytes, argument * 100, MSG_PEEK);
  }
}

/* The first end is bound; the second is connected to it, and finds its queue full after a few. */
static int make_mailbox(struct object *o) {
  struct sockaddr address = {AF_UNIX};
  char name[128];
  socklen_t length = sizeof name;
  o->fd[0] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  o->fd[1] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  bind(o->fd[0], &address, sizeof address.sa_family);
  getsockname(o->fd[0], (struct sockaddr *)name, &length);
  return connect(o->fd[1], (struct sockaddr *)name, length);
}

static int special_mailbox(struct object *o, int which, int argument) {
  struct sockaddr nobody = {AF_UNSPEC};
  char name[128];
  socklen_t length = sizeof name;
  if (which % 3 == 0) return connect(o->fd[argument & 1], &nobody, sizeof nobody);
  if (which % 3 == 2) return shutdown(o->fd[argument & 1], argument & 2 ? SHUT_RD : SHUT_WR);
  if (getsockname(o->fd[0], (struct sockaddr *)name, &length)) return -1;
  return connect(o->fd[1], (struct sockaddr *)name, length);
}

/* A listener and one that connects to it, accepts, and goes, by turns. */
static int make_listener(struct object *o) {
  struct sockaddr address = {AF_UNIX};
  o->fd[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  o->fd[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  bind(o->fd[0], &address, sizeof address.sa_family);
  return listen(o->fd[0], 1);
}

static int special_listener(struct object *o, int which, int argument) {
  char name[128];
  socklen_t length = sizeof name;
  int fd;
  switch (which % 4) {
    case 0:
      if (getsockname(o->fd[0], (struct sockaddr *)name, &length)) return -1;
      return connect(o->fd[1], (struct sockaddr *)name, length);
    case 1:
      fd = accept(o->fd[0], 0, 0);
      return fd < 0 ? -1 : close(fd);
    case 2:
      if (getsockname(o->fd[0], (struct sockaddr *)name, &length)) return -1;
      fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
      int result = connect(fd, (struct sockaddr *)name, length);
      close(fd);
      return result;
    default:
      return listen(o->fd[0], argument);
  }
}

static const struct kind kinds[] = {
    {"pipe", make_pipe, special_pipe},
    {"packets", make_packets, special_pipe},
    {"fifo", make_fifo, special_fifo},
    {"pty", make_pty, special_pty, 1},
    {"eventfd", make_eventfd, special_eventfd},
    {"semaphore", make_semaphore, special_eventfd},
    {"timerfd", make_timerfd, special_timerfd},
    {"signalfd", make_signalfd, special_signalfd},
    {"pidfd", make_pidfd, special_pidfd},
    {"inotify", make_inotify, special_inotify},
    {"epoll", make_epoll, special_epoll},
    {"file", make_file, special_file},
    {"stream", make_stream, special_socket},
    {"datagrams", make_datagrams, special_socket},
    {"seqpackets", make_seqpackets, special_socket},
    {"mailbox", make_mailbox, special_mailbox},
    {"listener", make_listener, special_listener},
};

static unsigned settings[] = {ALL, ALL | EPOLLONESHOT, EPOLLIN, 0};

/* Registers an end with both sets, under a number that is its own. */
static void watch(int object, int end, int operation, unsigned setting) {
  int fd = objects[object].fd[end];
  if (fd < 0) return;
  struct epoll_event event = {setting, {.u64 = object * 2 + end}};
  int one = epoll_ctl(level, operation, fd, &event) ? errno : 0;
  event.events |= EPOLLET;
  int other = epoll_ctl(edge, operation, fd, &event) ? errno : 0;
  printf(" %s/%s", one ? strerrorname_np(one) : "ok", other ? strerrorname_np(other) : "ok");
}

static void show_set(const char *name, int set) {
  struct epoll_event events[OBJECTS * 2];
  int found = epoll_wait(set, events, OBJECTS * 2, 0);
  printf("  %s", name);
  for (int key = 0; key < OBJECTS * 2; key++)
    for (int i = 0; i < found; i++)
      if (events[i].data.u64 == key) printf(" %d.%d:%x", key / 2, key % 2, events[i].events);
  printf("\n");
}

static void show(void) {
  printf("  poll");
  for (int i = 0; i < count; i++)
    for (int end = 0; end < 2; end++) {
      if (objects[i].fd[end] < 0) continue;
      struct pollfd poller = {objects[i].fd[end], ALL};
      poll(&poller, 1, 0);
      if (poller.revents) printf(" %d.%d:%x", i, end, poller.revents);
    }
  printf("\n");
  show_set("level", level);
  show_set("edge", edge);
}

int main(int argc, char **argv) {
  char line[256], word[32], name[32];
  int a, b, c;
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  mkdir(argv[1], 0700);
  chdir(argv[1]);
  level = epoll_create1(EPOLL_CLOEXEC);
  edge = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < sizeof bytes; i++) bytes[i] = i % 16 == 15 ? '\n' : 'a' + i % 16;
  while (fgets(line, sizeof line, stdin)) {
    a = b = c = 0;
    *name = 0;
    if (sscanf(line, "new %31s", name) == 1) strcpy(word, "new");
    else sscanf(line, "%31s %d %d %d", word, &a, &b, &c);
    printf("%.*s:", (int)strlen(line) - 1, line);
    struct object *object = &objects[a];
    int fd = end_of(a, b), result = -2, is_late = a < count && object->kind && object->kind->is_late;
    errno = 0;
    if (!strcmp(word, "new") && count < OBJECTS) {
      object = &objects[count];
      object->fd[0] = object->fd[1] = -1;
      for (int i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i].name, name)) object->kind = &kinds[i];
      result = object->kind->make(object) < 0 ? -1 : 0;
      is_late = object->kind->is_late;
      count++;
      for (int end = 0; end < 2; end++) watch(count - 1, end, EPOLL_CTL_ADD, ALL);
    } else if (!strcmp(word, "write")) result = write(fd, bytes, c);
    else if (!strcmp(word, "read")) {
      char *into = malloc(c + 1);
      result = read(fd, into, c);
      free(into);
    } else if (!strcmp(word, "close")) {
      result = close(fd);
      object->fd[b & 1] = -1;
    } else if (!strcmp(word, "dup") && count < OBJECTS) {
      object = &objects[count];
      object->kind = objects[a].kind;
      object->pid = objects[a].pid;
      object->fd[0] = dup(fd);
      object->fd[1] = -1;
      result = object->fd[0] < 0 ? -1 : 0;
      count++;
      watch(count - 1, 0, EPOLL_CTL_ADD, ALL);
    } else if (!strcmp(word, "special")) {
      int before = object->fd[0] >= 0, other = object->fd[1] >= 0;
      result = object->kind->special(object, b, c);
      /* A fifo may have an end again. */
      if (!before && object->fd[0] >= 0) watch(a, 0, EPOLL_CTL_ADD, ALL);
      if (!other && object->fd[1] >= 0) watch(a, 1, EPOLL_CTL_ADD, ALL);
    } else if (!strcmp(word, "again")) {
      watch(a, b & 1, EPOLL_CTL_MOD, settings[c & 3]);
      result = 0;
    }
    if (is_late) usleep(4000);
    printf(" %d %s\n", result, result == -1 ? strerrorname_np(errno) : "");
    show();
  }
  for (int i = 0; i < born; i++)
    if (children[i]) {
      kill(children[i], SIGKILL);
      waitpid(children[i], 0, 0);
    }
  return 0;
}
