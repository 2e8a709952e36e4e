/* Addresses of all forms and lengths: bind, connect, names, who is there. */
#include "net.h"

static void lengths(int type) {
  struct sockaddr_un a;
  for (int length = -1; length <= 130; length += length < 8 || length > 105 ? 1 : 20) {
    char what[64];
    for (int form = 0; form < 3; form++) {
      int fd = socket(AF_UNIX, type, 0);
      memset(&a, form == 0 ? 'p' : form == 1 ? 0 : 'q', sizeof a);
      a.sun_family = form == 2 && length > 100 ? AF_INET : AF_UNIX;
      errno = 0;
      sprintf(what, "bind form %d length %d", form, length);
      struct { struct sockaddr_un a; char more[32]; } wide = {a, "more"};
      report(what, syscall(SYS_bind, fd, &wide, length));
      if (length == 2) printf("autobound\n");
      else names(fd);
      int other = socket(AF_UNIX, type, 0);
      sprintf(what, "connect form %d length %d", form, length);
      report(what, syscall(SYS_connect, other, &wide, length));
      if (length != 2) names(other);
      close(other);
      close(fd);
      char path[128] = {0};
      for (int n = 1; n < 110; n++) path[n - 1] = 'p', unlink(path);
      memset(path, 0, sizeof path);
      for (int n = 1; n < 110; n++) path[n - 1] = 'q', unlink(path);
    }
  }
}

int main(int argc, char **argv) {
  start(argc, argv);
  struct sockaddr_un a;
  socklen_t length;
  EACH_TYPE(i) lengths(TYPES[i]);
  EACH_TYPE(i) {
    int fd = socket(AF_UNIX, TYPES[i], 0), other = socket(AF_UNIX, TYPES[i], 0);
    struct stat st;
    R(bind_to(fd, "s"));
    names(fd);
    stat("s", &st);
    printf("node %o size %ld links %ld\n", st.st_mode, (long)st.st_size, (long)st.st_nlink);
    R(bind_to(other, "s"));
    R(bind_to(other, "missing/s"));
    R(bind_to(other, "s/t"));
    R(bind_to(other, "."));
    R(bind_to(other, "d/"));
    R(bind_to(fd, "again"));
    R(access("again", 0));
    R(bind_to(fd, "@again"));
    R(open("s", O_RDWR));
    R(open("s", O_PATH) >= 0);
    symlink("s", "link");
    if (i != 1) R(listen(fd, 3));
    R(connect_to(other, "link"));
    names(other);
    int third = socket(AF_UNIX, TYPES[(i + 1) % 3], 0);
    R(connect_to(third, "s"));
    R(connect_to(third, "missing"));
    R(connect_to(third, "."));
    mknod("plain", S_IFREG | 0666, 0);
    R(connect_to(third, "plain"));
    mknod("dead", S_IFSOCK | 0666, 0);
    R(connect_to(third, "dead"));
    rename("s", "moved");
    int fourth = socket(AF_UNIX, TYPES[i], 0);
    R(connect_to(fourth, "s"));
    R(connect_to(fourth, "moved"));
    names(fourth);
    unlink("moved");
    int fifth = socket(AF_UNIX, TYPES[i], 0);
    R(connect_to(fifth, "moved"));
    int sixth = socket(AF_UNIX, TYPES[i], 0);
    R(bind_to(sixth, "moved"));
    close(fd);
    R(connect_to(fifth, "moved"));
    R(access("moved", 0));
    close(other), close(third), close(fourth), close(fifth), close(sixth);
    unlink("moved"), unlink("link"), unlink("plain"), unlink("dead"), unlink("p");
  }
  /* Abstract names: zeros inside, spaces of their own for each type. */
  int a1 = socket(AF_UNIX, SOCK_STREAM, 0), a2 = socket(AF_UNIX, SOCK_DGRAM, 0), a3 = socket(AF_UNIX, SOCK_STREAM, 0);
  R(bind_to(a1, "@banos-probe"));
  R(bind_to(a2, "@banos-probe"));
  R(bind_to(a3, "@banos-probe"));
  memset(&a, 0, sizeof a);
  a.sun_family = AF_UNIX;
  memcpy(a.sun_path, "\0banos-probe\0tail\0", 18);
  R(bind(a3, (void *)&a, 2 + 13));
  names(a3);
  R(bind(a3, (void *)&a, 2 + 18));
  listen(a1, 1);
  int c = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c, (void *)&a, 2 + 12));
  names(c);
  int c2 = socket(AF_UNIX, SOCK_STREAM, 0);
  R(connect(c2, (void *)&a, 2 + 13));
  R(connect(c2, (void *)&a, 2 + 14));
  close(a1);
  R(connect_to(c2, "@banos-probe"));
  names(c);
  /* Autobind: five hexadecimal digits, once. */
  int b = socket(AF_UNIX, SOCK_DGRAM, 0);
  sa_family_t family = AF_UNIX;
  R(bind(b, (void *)&family, 2));
  length = sizeof a;
  R(getsockname(b, (void *)&a, &length));
  int digits = 0;
  for (int i = 1; i < 6; i++) digits += strchr("0123456789abcdef", a.sun_path[i]) != 0;
  printf("autobind: length %d, first %d, %d digits\n", length, a.sun_path[0], digits);
  struct sockaddr_un once = a;
  R(bind(b, (void *)&family, 2));
  R(getsockname(b, (void *)&a, &length));
  printf("same %d\n", memcmp(&once, &a, 8) == 0);
  /* Room for names. */
  for (int room = -1; room < 16; room += 5) {
    char what[32];
    char buffer[32];
    memset(buffer, '.', sizeof buffer);
    length = room;
    sprintf(what, "room %d", room);
    report(what, getsockname(a3, (void *)buffer, &length));
    printf("length %d ", length);
    bytes("buffer", buffer, 16);
  }
  length = 100;
  R(getsockname(a3, BAD, &length));
  R(getsockname(a3, (void *)&a, BAD));
  R(getpeername(a3, (void *)&a, &length));
  R(bind(a3, BAD, 10));
  R(bind(a3, BAD, 0));
  R(connect(a3, BAD, 10));
  R(connect(a3, BAD, 0));
  /* Permission: the node must be writable. */
  int p = socket(AF_UNIX, SOCK_STREAM, 0);
  fchmod(p, 0700);
  umask(0);
  R(bind_to(p, "private"));
  struct stat st;
  stat("private", &st);
  printf("mode %o\n", st.st_mode);
  listen(p, 5);
  int pid = fork();
  if (pid == 0) {
    setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
    int q = socket(AF_UNIX, SOCK_STREAM, 0);
    R(connect_to(q, "private"));
    R(bind_to(q, "here"));
    _exit(0);
  }
  waitpid(pid, 0, 0);
  chmod("private", 0722);
  if ((pid = fork()) == 0) {
    setresgid(1000, 1000, 1000), setresuid(1000, 1000, 1000);
    int q = socket(AF_UNIX, SOCK_STREAM, 0);
    R(connect_to(q, "private"));
    _exit(0);
  }
  waitpid(pid, 0, 0);
  return 0;
}
