/*
 * One process sleeps in a call, and the one it deals with dies: each call that waits, each state that the other may be in,
 * each way to go. What the sleeper is told, what it finds afterwards, and that descriptors on their way are closed.
 * (deaths.c has those who do not sleep.)
 */
#include "net.h"
#include <sys/epoll.h>
#include <termios.h>

/* The call that the survivor sleeps in. */
enum { READ, RECV_ALL, RECV_SOME, MANY, RIGHTS, SPLICE, WAIT_IN, WAIT_NOTHING, EPOLL, EPOLL_EDGE, SEND, WAIT_OUT, CONNECT, ACCEPT, CALLS };
static const char *const CALL_NAMES[] = {"read", "recv all", "recv low water", "recvmmsg", "recvmsg", "splice", "poll in", "poll nothing", "epoll", "epoll edge", "send", "poll out", "connect", "accept"};
/* What the other one does when it dies. */
enum { IDLE, IN_READ, IN_SEND, IN_SEND_RIGHTS, SENT_RIGHTS, IN_POLL, IN_EPOLL, IN_ACCEPT, STATES };
static const char *const STATE_NAMES[] = {"idle", "in read", "in send", "in sendmsg", "has sent a descriptor", "in poll", "in epoll_wait", "in accept"};
enum { KILLED, EXITS, CLOSES, EXECUTES, WAYS };
static const char *const WAY_NAMES[] = {"killed", "exits", "closes", "executes"};

static char big[400000];
static int mine, way;

static void nothing(int n) {}
static void go(int n) {
  if (way == EXITS) _exit(0);
  if (way == CLOSES) close(mine);
  if (way == EXECUTES) execl("/proc/self/exe", "killed", ".", "pause", (char *)0);
}

static long give(int fd, int passed, const void *data, int size, int flags) {
  char control[CMSG_SPACE(4)] = {0};
  struct iovec v = {(void *)data, size};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *c = CMSG_FIRSTHDR(&m);
  c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
  *(int *)CMSG_DATA(c) = passed;
  return sendmsg(fd, &m, flags);
}

static void fill(int fd) { while (send(fd, big, 1000, MSG_DONTWAIT) > 0); }

static void wait_for(int fd, int epoll) {
  struct pollfd q = {fd, POLLIN | POLLRDHUP, 0};
  struct epoll_event e = {EPOLLIN | EPOLLRDHUP};
  int set = epoll_create1(EPOLL_CLOEXEC);
  epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
  if (epoll) epoll_wait(set, &e, 1, -1);
  else poll(&q, 1, -1);
}

static void victim(int state, int fd, int passed, int size) {
  mine = fd;
  struct sigaction a = {.sa_handler = go};
  sigaction(SIGUSR1, &a, 0);
  signal(SIGPIPE, SIG_IGN);
  switch (state) {
    case IN_READ: read(fd, big, 10); break;
    case IN_SEND: send(fd, big, size, 0); break;
    case IN_SEND_RIGHTS: give(fd, passed, big, size, 0); break;
    case IN_POLL: case IN_EPOLL: wait_for(fd, state == IN_EPOLL); break;
    case IN_ACCEPT: accept(fd, 0, 0); break;
  }
  for (;;) pause();
}

/* The dying end gives back what it had not read at a moment of its own. */
#define ROOM (POLLOUT | POLLWRNORM | POLLWRBAND)

/* What there is afterwards. */
static void look(int fd, int call) {
  long total = 0, r;
  int fds = 0;
  for (int k = 0; k < 2000; k++) {
    char control[CMSG_SPACE(4)];
    struct iovec v = {big, sizeof big};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    errno = 0;
    r = recvmsg(fd, &m, MSG_DONTWAIT);
    if (r > 0) total += r;
    if (r >= 0 && m.msg_controllen > 0) fds++, close(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&m)));
    if (r <= 0) break;
  }
  printf("  then %ld bytes, %d descriptors, %ld %s;", total, fds, r, r < 0 ? strerrorname_np(errno) : "");
  struct pollfd q = {fd, 0x3fff, 0};
  poll(&q, 1, 0);
  printf(" poll %#x;", call == SEND || call == WAIT_OUT ? q.revents & ~ROOM : q.revents);
  errno = 0;
  r = send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  printf(" send %ld %s error %d\n", r, r < 0 ? strerrorname_np(errno) : "", option(fd, SO_ERROR));
}

static void survivor(int type, int call, int fd, int size) {
  struct sigaction a = {.sa_handler = nothing};
  sigaction(SIGUSR2, &a, 0);
  signal(SIGPIPE, SIG_IGN);
  struct iovec v = {big, 10};
  char control[CMSG_SPACE(4)];
  struct mmsghdr many[2] = {{{.msg_iov = &v, .msg_iovlen = 1}}, {{.msg_iov = &v, .msg_iovlen = 1}}};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct pollfd q = {fd, call == WAIT_IN ? POLLIN | POLLRDHUP : call == WAIT_OUT ? POLLOUT : 0, 0};
  struct epoll_event e = {call == EPOLL ? EPOLLIN | EPOLLRDHUP : EPOLLIN | EPOLLET}, got = {0};
  int p[2], poller = epoll_create1(0);
  pipe(p);
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
  if (call == EPOLL_EDGE) epoll_wait(poller, &e, 1, 0);
  if (call == RECV_SOME) set(fd, SO_RCVLOWAT, 7);
  struct sockaddr_un name;
  long r;
  errno = 0;
  switch (call) {
    case READ: r = read(fd, big, 10); break;
    case RECV_ALL: r = recv(fd, big, 10, MSG_WAITALL); break;
    case RECV_SOME: r = recv(fd, big, 10, 0); break;
    case MANY: r = recvmmsg(fd, many, 2, 0, 0); break;
    case RIGHTS: r = recvmsg(fd, &m, 0); break;
    case SPLICE: r = splice(fd, 0, p[1], 0, 100, 0); break;
    case WAIT_IN: case WAIT_NOTHING: case WAIT_OUT: r = poll(&q, 1, -1); break;
    case EPOLL: case EPOLL_EDGE: r = epoll_wait(poller, &got, 1, -1); break;
    case SEND: r = send(fd, big, size, 0); break;
    case CONNECT: r = connect(fd, (void *)&name, address(&name, "@banos-killed")); break;
    case ACCEPT: r = accept(fd, 0, 0); break;
  }
  int error = errno;
  if (call == ACCEPT) r = r < 0 ? r : 1;
  if (call == SEND && type == SOCK_STREAM && r > 0) r = 1;
  printf(" %ld %s events %#x\n", r, r < 0 ? strerrorname_np(error) : "", (q.revents | got.events) & ~ROOM);
  /* One that is interrupted behind its first message leaves ERESTARTSYS for the next call, which is no error of programs. */
  if (call == MANY) option(fd, SO_ERROR);
  if (call != ACCEPT) look(fd, call);
  _exit(0);
}

/* Does the death of the other leave the sleeper asleep? A datagram socket does not hear of it, but for room at the peer. */
static int stays(int type, int call) {
  return type == SOCK_DGRAM && call != SEND && call != WAIT_OUT;
}

static void run(int type, int call, int state) {
  int writes = call == SEND || call == WAIT_OUT || call == WAIT_NOTHING;
  int stream = type == SOCK_STREAM, size = stream ? 300000 : 1000;
  /* Who would have something to read does not sleep in a read. */
  if ((state == IN_SEND || state == IN_SEND_RIGHTS || state == SENT_RIGHTS) && !writes) return;
  if ((call == SEND || call == WAIT_OUT) && (state == IN_READ || state == IN_POLL || state == IN_EPOLL)) return;
  if ((call == RECV_ALL || call == RECV_SOME) && !stream) return;
  if ((call == CONNECT || call == ACCEPT || state == IN_ACCEPT) && (type == SOCK_DGRAM || call != CONNECT && call != ACCEPT)) return;
  if (call == CONNECT && state != IDLE) return;
  if (call == ACCEPT && state != IDLE && state != IN_ACCEPT) return;
  for (way = 0; way < WAYS; way++) {
    int s[2], p[2], status, l = -1, extra[3];
    socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, s), pipe2(p, O_CLOEXEC);
    if (call == CONNECT || call == ACCEPT) {
      l = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), bind_to(l, "@banos-killed"), listen(l, 0);
      close(s[0]), close(s[1]);
      s[0] = call == ACCEPT ? l : socket(AF_UNIX, type | SOCK_CLOEXEC, 0), s[1] = l;
      for (int k = 0; k < 3; k++) {
        extra[k] = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (call == CONNECT) connect_to(extra[k], "@banos-killed");
      }
    }
    if (call == SEND || call == WAIT_OUT) fill(s[0]);
    if (state == IN_SEND || state == IN_SEND_RIGHTS) fill(s[1]);
    if (state == SENT_RIGHTS) give(s[1], p[1], "passed", 6, 0);
    if (call == RECV_ALL || call == RECV_SOME || call == MANY) send(s[1], "abc", 3, 0);
    printf("%s, the other %s, %s:", CALL_NAMES[call], STATE_NAMES[state], WAY_NAMES[way]);
    fflush(stdout);
    int v = fork();
    if (v == 0) { if (s[0] != s[1]) close(s[0]); close(p[0]); victim(state, s[1], p[1], size); }
    until_asleep(v);
    int w = fork();
    if (w == 0) { if (s[0] != s[1]) close(s[1]); close(p[0]), close(p[1]); survivor(type, call, s[0], size); }
    close(p[1]);
    if (s[0] != s[1]) close(s[0]);
    close(s[1]);
    until_asleep(w);
    kill(v, way == KILLED ? SIGKILL : SIGUSR1);
    if (way == KILLED || way == EXITS) waitpid(v, &status, 0);
    if (way == CLOSES || way == EXECUTES) until_asleep(v);
    if (call == ACCEPT) {
      /* The listener lives on, in the sleeper: somebody else connects. */
      connect_to(extra[0], "@banos-killed");
    } else if (stays(type, call)) {
      until_asleep(w);
      kill(w, SIGUSR2);
    }
    waitpid(w, &status, 0);
    if (way == CLOSES || way == EXECUTES) kill(v, SIGKILL), waitpid(v, &status, 0);
    if (l >= 0) for (int k = 0; k < 3; k++) close(extra[k]);
    /* Whatever had the other end of the pipe is gone. */
    printf("  pipe: %ld\n", (long)read(p[0], big, 1));
    close(p[0]);
  }
}

static void fill_terminal(int fd) {
  fcntl(fd, F_SETFL, O_NONBLOCK);
  for (int k = 0; k < 3; usleep(1000)) k = write(fd, big, 1000) < 0 ? k + 1 : 0;
  fcntl(fd, F_SETFL, 0);
}

/* Terminals: a process at each end. */
static void terminals(void) {
  enum { T_READ, T_WRITE, T_POLL, T_EPOLL, T_CALLS };
  static const char *const names[] = {"read", "write", "poll", "epoll"};
  for (int side = 0; side < 2; side++) for (int raw = 0; raw < 2; raw++) for (int call = 0; call < T_CALLS; call++) for (int state = 0; state < 3; state++) {
    if (call == T_WRITE && state == 1 || call == T_READ && state == 2) continue; /* cannot both sleep */
    /* What is typed goes on for ever where there is no end of a line. */
    if (!raw && (call == T_WRITE && side == 0 || state == 2 && side == 1)) continue;
    for (way = 0; way < WAYS; way++) {
      int ends[2], status;
      ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      grantpt(ends[0]), unlockpt(ends[0]);
      ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
      struct termios modes;
      tcgetattr(ends[1], &modes);
      modes.c_lflag &= ~ECHO;
      if (raw) cfmakeraw(&modes);
      tcsetattr(ends[1], TCSANOW, &modes);
      int own = ends[side], other = ends[!side];
      if (call == T_WRITE) fill_terminal(own);
      if (state == 2) fill_terminal(other);
      printf("%s of %s%s, the other %s, %s:", names[call], side ? "slave" : "master", raw ? " raw" : "", state == 0 ? "idle" : state == 1 ? "in read" : "in write", WAY_NAMES[way]);
      fflush(stdout);
      int v = fork();
      if (v == 0) {
        close(own), mine = other;
        struct sigaction a = {.sa_handler = go};
        sigaction(SIGUSR1, &a, 0);
        if (state == 1) read(other, big, 10);
        if (state == 2) write(other, big, 1000);
        for (;;) pause();
      }
      until_asleep(v);
      int w = fork();
      if (w == 0) {
        close(other);
        struct sigaction a = {.sa_handler = nothing};
        sigaction(SIGUSR2, &a, 0);
        struct pollfd q = {own, call == T_POLL ? POLLPRI : 0, 0};
        struct epoll_event e = {EPOLLPRI}, got = {0};
        int set = epoll_create1(0);
        long r;
        epoll_ctl(set, EPOLL_CTL_ADD, own, &e);
        errno = 0;
        switch (call) {
          case T_READ: r = read(own, big, 10); break;
          case T_WRITE: r = write(own, big, 1000) > 0 ? 1 : -1; break;
          case T_POLL: r = poll(&q, 1, -1); break;
          case T_EPOLL: r = epoll_wait(set, &got, 1, -1); break;
        }
        int error = errno;
        /* On Linux a master that goes tells of the hang-up first, and of the error a moment later. */
        int events = q.revents | got.events;
        printf(" %ld %s events %#x;", r, r < 0 ? strerrorname_np(error) : "", events & POLLHUP ? events | POLLERR : events);
        fcntl(own, F_SETFL, O_NONBLOCK);
        errno = 0;
        while ((r = read(own, big, sizeof big)) > 0);
        printf(" then read %ld %s,", r, r < 0 ? strerrorname_np(errno) : "");
        errno = 0;
        r = write(own, "x", 1);
        printf(" write %ld %s\n", r, r < 0 ? strerrorname_np(errno) : "");
        _exit(0);
      }
      close(own), close(other);
      until_asleep(w);
      kill(v, way == KILLED ? SIGKILL : SIGUSR1);
      if (way == KILLED || way == EXITS) waitpid(v, &status, 0);
      else until_asleep(v);
      /* A master goes on waiting for room when nobody has the slave: somebody may open it. */
      if (call == T_WRITE && side == 0) until_asleep(w), kill(w, SIGUSR2);
      waitpid(w, &status, 0);
      if (way == CLOSES || way == EXECUTES) kill(v, SIGKILL), waitpid(v, &status, 0);
    }
  }
}

int main(int argc, char **argv) {
  if (argc > 2) for (;;) pause();
  start(argc, argv);
  EACH_TYPE(i) for (int call = 0; call < CALLS; call++) for (int state = 0; state < STATES; state++) run(TYPES[i], call, state);
  terminals();
  return 0;
}
