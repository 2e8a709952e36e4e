/* poll, ppoll, select, pselect6: readiness, bad arguments, time-outs and what is left of them, interruption. */
#include "probe.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>

static int p[2], full[2], closed[2], half[2];

static void set_up(void) {
  char big[65536] = {0};
  pipe(p), pipe(full), pipe(closed), pipe(half);
  write(full[1], big, sizeof big);
  close(closed[1]);
  close(half[0]);
}

static void show(const char *what, long result, struct pollfd *fds, int count) {
  printf("%s = %ld:", what, result);
  for (int i = 0; i < count; i++) printf(" %x", fds[i].revents);
  puts("");
}

static void polling(void) {
  short all = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND | POLLRDHUP;
  int file = open("f", O_RDWR | O_CREAT, 0644), dir = open(".", O_RDONLY), null = open("/dev/null", O_RDWR);
  int path = open("f", O_PATH);
  struct pollfd fds[] = {{p[0], all}, {p[1], all}, {full[0], all}, {full[1], all}, {closed[0], all}, {half[1], all},
                         {file, all}, {dir, all}, {null, all}, {path, all}, {99, all}, {-1, all}, {-5, 0}, {99, 0}, {half[1], 0}};
  for (int i = 0; i < 15; i++) fds[i].revents = -1;
  show("poll all", poll(fds, 15, 0), fds, 15);
  show("poll all, waiting", poll(fds, 15, 1000), fds, 15);
  R(poll(BAD, 1, 0));
  R(poll(BAD, 0, 0));
  R(poll(fds, 1 << 20, 0));
  R(poll(0, 0, 1));
  struct pollfd two[2] = {{p[0], POLLIN, 77}, {p[0], POLLIN, 77}};
  show("nothing", poll(two, 2, 10), two, 2);
  if (fork() == 0) { usleep(20000); write(p[1], "x", 1); _exit(0); }
  show("woken", poll(two, 2, -1), two, 2);
  wait(0);
  char c;
  read(p[0], &c, 1);
  struct timespec ts = {5, 0};
  if (fork() == 0) { usleep(20000); write(p[1], "x", 1); _exit(0); }
  show("ppoll", syscall(SYS_ppoll, two, 2, &ts, 0, 8), two, 2);
  printf("left some %d\n", ts.tv_sec == 4 && ts.tv_nsec > 0);
  wait(0);
  read(p[0], &c, 1);
  ts.tv_sec = 0, ts.tv_nsec = 1000000;
  show("ppoll out", syscall(SYS_ppoll, two, 2, &ts, 0, 8), two, 2);
  printf("left %ld.%ld\n", (long)ts.tv_sec, ts.tv_nsec);
  ts.tv_nsec = 1000000000;
  S(ppoll, two, 2, &ts, 0, 8);
  ts.tv_nsec = 0, ts.tv_sec = -1;
  S(ppoll, two, 2, &ts, 0, 8);
  S(ppoll, two, 2, BAD, 0, 8);
  ts.tv_sec = 0;
  S(ppoll, two, 2, &ts, &ts, 7);
  S(ppoll, two, 2, &ts, 0, 7);
  S(ppoll, two, 2, &ts, BAD, 8);
  close(file), close(dir), close(null), close(path);
}

static void interrupting(void) {
  struct pollfd one = {p[0], POLLIN, 77};
  sigset_t none, alarm_only;
  sigemptyset(&none), sigemptyset(&alarm_only), sigaddset(&alarm_only, SIGALRM);
  struct itimerval soon = {{0, 0}, {0, 20000}};
  for (int restart = 0; restart < 2; restart++) {
    on(SIGALRM, restart ? SA_RESTART : 0);
    signals_seen = 0;
    setitimer(ITIMER_REAL, &soon, 0);
    R(poll(&one, 1, 5000));
    setitimer(ITIMER_REAL, &soon, 0);
    struct timespec ts = {5, 0};
    S(ppoll, &one, 1, &ts, 0, 8);
    printf("left some %d, signals %d\n", ts.tv_sec == 4, signals_seen);
    struct timeval tv = {5, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    setitimer(ITIMER_REAL, &soon, 0);
    S(select, p[0] + 1, &set, 0, 0, &tv);
    printf("left some %d, set kept %d\n", tv.tv_sec == 4, FD_ISSET(p[0], &set));
  }
  sigprocmask(SIG_BLOCK, &alarm_only, 0);
  signals_seen = 0;
  raise(SIGALRM);
  struct timespec zero = {0, 0};
  R(poll(&one, 1, 0));
  S(ppoll, &one, 1, &zero, &none, 8);
  printf("signals %d\n", signals_seen);
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  printf("still blocked %d\n", sigismember(&now, SIGALRM));
  struct { sigset_t *set; size_t size; } pair = {&none, 8};
  setitimer(ITIMER_REAL, &soon, 0);
  S(pselect6, 0, 0, 0, 0, 0, &pair);
  printf("signals %d\n", signals_seen);
  pair.size = 7;
  S(pselect6, 0, 0, 0, 0, 0, &pair);
  S(pselect6, 0, 0, 0, 0, 0, BAD);
  sigprocmask(SIG_UNBLOCK, &alarm_only, 0);
  signal(SIGALRM, SIG_DFL);
  pid_t child = fork();
  if (child == 0) { struct pollfd q = {p[0], POLLIN}; _exit(poll(&q, 1, 300)); }
  usleep(20000);
  kill(child, SIGSTOP);
  waitpid(child, 0, WUNTRACED);
  kill(child, SIGCONT);
  int status;
  waitpid(child, &status, 0);
  printf("poll over a stop: %d\n", WEXITSTATUS(status));
}

static void selecting(void) {
  fd_set in, out, except;
  struct timeval tv = {0, 0};
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_ZERO(&except);
  int fds[] = {p[0], p[1], full[0], full[1], closed[0], half[1]};
  for (int i = 0; i < 6; i++) FD_SET(fds[i], &in), FD_SET(fds[i], &out), FD_SET(fds[i], &except);
  S(select, 100, &in, &out, &except, &tv);
  for (int i = 0; i < 6; i++) printf(" %d%d%d", !!FD_ISSET(fds[i], &in), !!FD_ISSET(fds[i], &out), !!FD_ISSET(fds[i], &except));
  puts("");
  S(select, -1, 0, 0, 0, &tv);
  S(select, 10, BAD, 0, 0, &tv);
  S(select, 10, 0, 0, 0, BAD);
  S(select, 0, 0, 0, 0, &tv);
  FD_ZERO(&in);
  FD_SET(40, &in);
  S(select, 41, &in, 0, 0, &tv);
  S(select, 40, &in, 0, 0, &tv);
  printf("kept %d\n", FD_ISSET(40, &in));
  tv.tv_usec = -1;
  S(select, 0, 0, 0, 0, &tv);
  tv.tv_usec = 1500;
  FD_ZERO(&in);
  FD_SET(p[0], &in);
  S(select, p[0] + 1, &in, 0, 0, &tv);
  printf("left %ld.%ld, set %d\n", (long)tv.tv_sec, (long)tv.tv_usec, FD_ISSET(p[0], &in));
  tv.tv_sec = 0, tv.tv_usec = 1000001;
  FD_ZERO(&out);
  FD_SET(p[1], &out);
  S(select, p[1] + 1, 0, &out, 0, &tv);
  printf("left a second or less %d\n", tv.tv_sec <= 1);
  struct timespec ts = {0, 2000000};
  FD_ZERO(&in);
  FD_SET(p[0], &in);
  S(pselect6, p[0] + 1, &in, 0, 0, &ts, 0);
  printf("left %ld.%ld\n", (long)ts.tv_sec, ts.tv_nsec);
  ts.tv_nsec = -1;
  S(pselect6, p[0] + 1, &in, 0, 0, &ts, 0);
  if (fork() == 0) { usleep(20000); write(p[1], "x", 1); _exit(0); }
  FD_ZERO(&in);
  FD_SET(p[0], &in);
  FD_ZERO(&except);
  FD_SET(p[0], &except);
  S(select, p[0] + 1, &in, 0, &except, 0);
  printf("in %d except %d\n", !!FD_ISSET(p[0], &in), !!FD_ISSET(p[0], &except));
  wait(0);
}

static void fifos(void) {
  mkfifo("fifo", 0644);
  int reader = open("fifo", O_RDONLY | O_NONBLOCK);
  struct pollfd one = {reader, POLLIN};
  show("never opened", poll(&one, 1, 0), &one, 1);
  int writer = open("fifo", O_WRONLY);
  show("opened", poll(&one, 1, 0), &one, 1);
  write(writer, "x", 1);
  show("filled", poll(&one, 1, 0), &one, 1);
  close(writer);
  show("closed", poll(&one, 1, 0), &one, 1);
  char c;
  read(reader, &c, 1);
  show("empty", poll(&one, 1, 0), &one, 1);
  close(reader);
}

int main(int argc, char **argv) {
  start(argc, argv);
  set_up();
  polling();
  interrupting();
  selecting();
  fifos();
  return 0;
}
