/* Calls that sleep while the other side does something to them: one case for each call and each event. */
#include "net.h"
#include <sys/resource.h>

enum { READ, RECV_ALL, SEND, ACCEPT, WAIT_IN, WAIT_OUT, RECVMSG, CALLS };
enum { DATA, PEER_CLOSES, PEER_CLOSES_UNREAD, SHUT_PEER_WR, SHUT_PEER_RD, SHUT_SELF, SIGNAL, SIGNAL_RESTART, DRAIN, KILL_READER, EVENTS };
static const char *const CALL_NAMES[] = {"read", "recv all", "send", "accept", "poll in", "poll out", "recvmsg"};
static const char *const EVENT_NAMES[] = {"data", "peer closes", "peer closes with unread", "peer shuts write", "peer shuts read", "own shutdown", "signal", "signal, restart", "drain", "nothing"};

static int pipes_seen;
static void on_pipe(int n) { pipes_seen++; }
static void nothing(int n) {}

static void run(int type, int call, int event) {
  int s[2], done[2];
  static char big[400000];
  socketpair(AF_UNIX, type, 0, s);
  pipe(done);
  int l = -1;
  if (call == ACCEPT) {
    if (type == SOCK_DGRAM) return;
    l = socket(AF_UNIX, type, 0);
    bind_to(l, "@banos-waits"), listen(l, 5);
  }
  if (call == SEND || call == WAIT_OUT) {
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    while (send(s[0], big, 1000, 0) > 0);
    fcntl(s[0], F_SETFL, 0);
  }
  if (call == RECV_ALL) send(s[1], "ab", 2, 0);
  if (event == PEER_CLOSES_UNREAD) send(s[0], "left", 4, MSG_DONTWAIT);
  int pid = fork();
  if (pid == 0) {
    char b[100];
    long r;
    close(s[1]), close(done[0]);
    struct sigaction a = {.sa_handler = nothing, .sa_flags = event == SIGNAL_RESTART ? SA_RESTART : 0};
    sigaction(SIGUSR1, &a, 0);
    signal(SIGPIPE, on_pipe);
    struct pollfd q = {s[0], call == WAIT_IN ? POLLIN | POLLRDHUP : POLLOUT, 0};
    struct iovec v = {b, 10};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct timeval patience = {0, event == SIGNAL_RESTART ? 200000 : 0};
    if (patience.tv_usec && call != WAIT_IN && call != WAIT_OUT) alarm(1), signal(SIGALRM, SIG_DFL);
    errno = 0;
    switch (call) {
      case READ: r = read(s[0], b, 10); break;
      case RECV_ALL: r = recv(s[0], b, 5, MSG_WAITALL); break;
      case SEND: r = send(s[0], big, type == SOCK_STREAM ? 300000 : 1000, 0); break;
      case ACCEPT: r = accept(l, 0, 0); if (r >= 0) r = 100; break;
      case WAIT_IN: case WAIT_OUT: r = poll(&q, 1, event == SIGNAL_RESTART ? 100 : -1); break;
      case RECVMSG: r = recvmsg(s[0], &m, 0); break;
    }
    int e = errno;
    /* Whether the sleeper looks before or after the dying end gives its messages back is a race natively. */
    if (event == PEER_CLOSES || event == PEER_CLOSES_UNREAD) q.revents &= ~POLLOUT;
    printf("%s, %s: %ld %s revents %#x SIGPIPE %d\n", CALL_NAMES[call], EVENT_NAMES[event], r, r < 0 ? strerrorname_np(e) : "", call == WAIT_IN || call == WAIT_OUT ? q.revents : 0, pipes_seen);
    _exit(0);
  }
  close(done[1]);
  until_asleep(pid);
  int c = -1, status;
  switch (event) {
    case DATA: if (call == ACCEPT) c = socket(AF_UNIX, type, 0), connect_to(c, "@banos-waits"); else send(s[1], "data", 4, MSG_DONTWAIT); break;
    case PEER_CLOSES: case PEER_CLOSES_UNREAD: close(s[0]), close(s[1]), s[1] = -1; break;
    case SHUT_PEER_WR: shutdown(s[1], SHUT_WR); break;
    case SHUT_PEER_RD: shutdown(s[1], SHUT_RD); break;
    case SHUT_SELF: shutdown(call == ACCEPT ? l : s[0], SHUT_RDWR); break;
    case SIGNAL: case SIGNAL_RESTART: kill(pid, SIGUSR1); break;
    case DRAIN: for (int k = 0; k < 400 && recv(s[1], big, 2000, MSG_DONTWAIT) > 0; k++); break;
  }
  /* Whoever still sleeps is told so. */
  for (int k = 0; k < 40 && waitpid(pid, &status, WNOHANG) == 0; k++) usleep(1000);
  if (waitpid(pid, &status, WNOHANG) == 0) {
    /* A blocked sender gets the rest through when the reader goes on. */
    if (call == SEND && event != KILL_READER && s[1] >= 0)
      for (int k = 0; k < 4000 && waitpid(pid, &status, WNOHANG) == 0; k++) { if (recv(s[1], big, 2000, MSG_DONTWAIT) <= 0) usleep(200); }
    if (waitpid(pid, &status, WNOHANG) == 0) {
      printf("%s, %s: sleeps\n", CALL_NAMES[call], EVENT_NAMES[event]);
      kill(pid, SIGKILL), waitpid(pid, &status, 0);
    }
  }
  close(s[0]), close(s[1]), close(l), close(c), close(done[0]);
}

int main(int argc, char **argv) {
  start(argc, argv);
  EACH_TYPE(i) for (int call = 0; call < CALLS; call++) for (int event = 0; event < EVENTS; event++) run(TYPES[i], call, event);
  return 0;
}
