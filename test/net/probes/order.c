/*
 * What the locks of a socket are for, with whole processes: large messages of several writers to one socket do not mix
 * in Banos; readers that wait get messages in the order in which they came; a reader that is killed, or interrupted by
 * a signal, while others stand in line behind it, leaves the line going. On the host, which promises less for
 * streams, only the other types are run.
 */
#include "net.h"

enum { WRITERS = 4, SIZE = 300000, READERS = 5 };

static int start_reader(int fd, int report, int index, int flags) {
  int pid = fork();
  if (pid == 0) {
    char b[16], line[64];
    struct sigaction a = {.sa_handler = note_signal};
    sigaction(SIGUSR1, &a, 0);
    long r = recv(fd, b, flags & MSG_WAITALL ? 4 : 1, flags);
    int n = sprintf(line, "reader %d: %ld %.*s\n", index, r, r > 0 ? (int)r : 0, b);
    write(report, line, n);
    _exit(0);
  }
  until_asleep(pid);
  return pid;
}

int main(int argc, char **argv) {
  start(argc, argv);
  int s[2], p[2], status;
  static char data[SIZE], got[SIZE * WRITERS];
  int native = access("/probes", 0) != 0;
  if (!native) {
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    int pids[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
      if ((pids[w] = fork()) == 0) {
        memset(data, 'a' + w, SIZE);
        _exit(write(s[0], data, SIZE) == SIZE ? 0 : 1);
      }
      until_asleep(pids[w]);
    }
    /* The second in line goes: those behind it do not wait for it. */
    kill(pids[1], SIGKILL);
    close(s[0]);
    long total = 0, r;
    while ((r = read(s[1], got + total, 5000)) > 0) total += r;
    int changes = 0;
    for (long i = 1; i < total; i++) changes += got[i] != got[i - 1];
    if (changes != 2 || total != 3L * SIZE || got[0] != 'a' || got[total - 1] != 'd') {
      printf("mixed: %d changes in %ld bytes\n", changes, total);
      return 1;
    }
    while (wait(&status) > 0);
    close(s[1]);
  }
  EACH_TYPE(i) {
    if (TYPES[i] == SOCK_STREAM && native) continue;
    socketpair(AF_UNIX, TYPES[i], 0, s);
    pipe(p);
    int pids[READERS];
    for (int k = 0; k < READERS; k++) pids[k] = start_reader(s[1], p[1], k, 0);
    close(p[1]);
    kill(pids[1], SIGKILL);
    waitpid(pids[1], 0, 0);
    kill(pids[0], SIGUSR1);
    char line[1000];
    long n = read(p[0], line, 999);
    if (TYPES[i] != SOCK_STREAM) printf("%.*s", (int)n, line);
    for (int k = 2; k < READERS; k++) {
      char byte = '0' + k;
      send(s[0], &byte, 1, 0);
      n = read(p[0], line, 999);
      if (TYPES[i] != SOCK_STREAM) printf("%.*s", (int)n, line);
      else if (n < 8 || line[7] - '0' != k) return printf("reader %c before %d\n", line[7], k), 1;
    }
    while (wait(&status) > 0);
    close(p[0]), close(s[0]), close(s[1]);
  }
  return 0;
}
