/* What /proc shows of sockets: this program's lines of /proc/net/unix, links of descriptors, limits that can be set. */
#include "net.h"

static int fds[32], count;

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

static void show(void) {
  static char shown[40][400];
  int lines = 0;
  FILE *f = fopen("/proc/net/unix", "r");
  char line[400];
  fgets(line, sizeof line, f);
  printf("%s", line);
  while (fgets(line, sizeof line, f)) {
    long inode;
    char rest[300] = "";
    unsigned references, protocol, flags, type, state;
    if (sscanf(line, "%*[0-9a-f]: %x %x %x %x %x %ld%299[^\n]", &references, &protocol, &flags, &type, &state, &inode, rest) < 6) printf("odd %s", line);
    int mine = strstr(rest, "banos-proc") != 0;
    for (int i = 0; i < count; i++) {
      struct stat st;
      if (fstat(fds[i], &st) == 0 && st.st_ino == inode) mine = 1;
    }
    if (mine) sprintf(shown[lines++], "references %u flags %#x type %u state %u inode %s path%s\n", references, flags, type, state, inode ? "yes" : "no", rest);
  }
  fclose(f);
  qsort(shown, lines, sizeof *shown, by_text);
  for (int i = 0; i < lines; i++) printf("%s", shown[i]);
}

static void limit(const char *path, const char *value) {
  char text[100] = "";
  int fd = open(path, O_RDWR);
  long n = read(fd, text, 99);
  printf("%s: write %s", path, value);
  lseek(fd, 0, 0);
  long r = write(fd, value, strlen(value));
  printf(" %ld %s", r, r < 0 ? strerrorname_np(errno) : "");
  char after[100] = "";
  lseek(fd, 0, 0);
  read(fd, after, 99);
  printf(" changed %d\n", strcmp(text, after) != 0);
  lseek(fd, 0, 0);
  write(fd, text, n);
  close(fd);
}

int main(int argc, char **argv) {
  start(argc, argv);
  int s[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, s), fds[count++] = s[0], fds[count++] = s[1];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, s), fds[count++] = s[0], fds[count++] = s[1];
  fds[count++] = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  int d = fds[count++] = socket(AF_UNIX, SOCK_DGRAM, 0);
  bind_to(d, "@banos-proc-datagrams");
  int l = fds[count++] = socket(AF_UNIX, SOCK_STREAM, 0);
  bind_to(l, "banos-proc-listener"), listen(l, 5);
  int c = fds[count++] = socket(AF_UNIX, SOCK_STREAM, 0);
  connect_to(c, "banos-proc-listener");
  show();
  int a = fds[count++] = accept(l, 0, 0);
  show();
  close(c);
  show();
  struct stat st;
  R(stat("/proc/net/unix", &st));
  printf("%o\n", st.st_mode);
  char link[100] = "";
  R(readlink("/proc/net", link, 99));
  printf("%s\n", link);
  limit("/proc/sys/net/core/somaxconn", "7\n");
  limit("/proc/sys/net/core/somaxconn", "x\n");
  limit("/proc/sys/net/core/somaxconn", "-1\n");
  limit("/proc/sys/net/core/wmem_max", "100\n");
  limit("/proc/sys/net/core/wmem_default", "5000\n");
  limit("/proc/sys/net/unix/max_dgram_qlen", "3");
  printf("%d %d\n", option(l, SO_SNDBUF), option(l, SO_RCVBUF));
  return 0;
}
