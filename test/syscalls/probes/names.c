/* Directories and names: getdents, chdir, getcwd, mkdir, rmdir, unlink, rename, link, symlink, readlink, mknod. */
#include "probe.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sys/sysmacros.h>

struct entry64 { unsigned long ino; long off; unsigned short length; unsigned char type; char name[]; };
struct entry { unsigned long ino; long off; unsigned short length; char name[]; };

static void list(int fd, long size, int old) {
  char buffer[4096];
  char *names[300];
  int count = 0, calls = 0;
  long n;
  while ((n = syscall(old ? SYS_getdents : SYS_getdents64, fd, buffer, size)) > 0) {
    calls++;
    for (long at = 0; at < n;) {
      struct entry64 *e = (void *)(buffer + at);
      struct entry *o = (void *)(buffer + at);
      char *text = malloc(100);
      sprintf(text, "%s:%d", old ? o->name : e->name, old ? buffer[at + o->length - 1] : e->type);
      names[count++] = text;
      if (e->length % 8 != 0) puts("unaligned entry");
      at += e->length;
    }
  }
  for (int i = 0; i < count; i++)
    for (int j = i + 1; j < count; j++)
      if (strcmp(names[i], names[j]) > 0) { char *t = names[i]; names[i] = names[j]; names[j] = t; }
  printf("end %ld, more than one call %d, entries:", n, calls > 1);
  for (int i = 0; i < count; i++) printf(" %s", names[i]);
  puts("");
}

static void listing(void) {
  mkdir("list", 0755);
  chdir("list");
  make("regular", "x");
  mkdir("directory", 0755);
  symlink("x", "symlink");
  mkfifo("fifo", 0644);
  mknod("socket", S_IFSOCK | 0644, 0);
  mknod("char", S_IFCHR | 0644, makedev(1, 3));
  mknod("block", S_IFBLK | 0644, makedev(7, 3));
  make("a-name-that-is-rather-long-so-that-the-record-is-too", "x");
  int fd = open(".", O_RDONLY), file = open("regular", O_RDONLY);
  list(fd, 4096, 0);
  list(fd, 4096, 0);
  lseek(fd, 0, SEEK_SET);
  list(fd, 100, 0);
  lseek(fd, 0, SEEK_SET);
  list(fd, 4096, 1);
  lseek(fd, 0, SEEK_SET);
  char buffer[100];
  S(getdents64, fd, buffer, 10);
  S(getdents64, fd, BAD, 1000);
  S(getdents64, file, buffer, 100);
  S(getdents64, 99, buffer, 100);
  S(getdents64, open(".", O_PATH), buffer, 100);
  lseek(fd, 0, SEEK_SET);
  S(getdents64, fd, buffer, 24);
  struct entry64 *e = (void *)buffer;
  printf("first %s, next %ld\n", e->name, e->off);
  S(getdents64, fd, buffer, 24);
  printf("second %s\n", e->name);
  int gone = (mkdir("gone", 0755), open("gone", O_RDONLY));
  rmdir("gone");
  S(getdents64, gone, buffer, 100);
  chdir("..");
  for (int i = 3; i < 20; i++) close(i);
}

static void where(void) {
  char buffer[200], *start = getcwd(0, 0);
  long prefix = strlen(start);
  mkdir("w", 0755), mkdir("w/x", 0700);
  make("plain", "");
  R(chdir("plain"));
  R(chdir("nothing"));
  R(chdir(BAD));
  R(chdir(""));
  R(chdir("w/x/.."));
  S(getcwd, BAD, 4096);
  S(getcwd, buffer, 0);
  S(getcwd, buffer, 1);
  S(getcwd, buffer, prefix + 2);
  printf("length %ld\n", syscall(SYS_getcwd, buffer, prefix + 3) - prefix);
  puts(buffer + prefix);
  int fd = open("x", O_RDONLY), path = open("x", O_PATH), file = open("../plain", O_RDONLY);
  R(fchdir(fd));
  R(fchdir(path));
  R(fchdir(file));
  R(fchdir(99));
  int p[2];
  pipe(p);
  R(fchdir(p[0]));
  rmdir("../x");
  S(getcwd, buffer, 200);
  R(chdir(".."));
  R(mkdir("x/y", 0755));
  chdir(start);
  R(chdir("w/../w/./"));
  R(chroot("nothing"));
  R(chroot(BAD));
  chdir(start);
  if (fork() == 0) {
    mkdir("w/root", 0755), make("w/root/inside", "");
    R(chroot("w/root"));
    W(open("/inside", O_RDONLY));
    W(open("/../../inside", O_RDONLY));
    W(syscall(SYS_getcwd, buffer, 200));
    bytes("unreachable", buffer, 13);
    R(chdir("/"));
    S(getcwd, buffer, 200);
    R(seteuid(12345));
    R(chroot("/"));
    _exit(0);
  }
  wait(0);
  free(start);
  for (int i = 3; i < 20; i++) close(i);
}

static void making(void) {
  make("f", "x");
  R(mkdir("d", 0777));
  R(mkdir("d", 0777));
  R(mkdir("f", 0777));
  R(mkdir("f/x", 0777));
  R(mkdir("e/", 07777));
  struct stat st;
  stat("e", &st);
  printf("mode %o links %ld\n", st.st_mode, (long)st.st_nlink);
  R(mkdir("", 0777));
  R(mkdir("/", 0777));
  R(mkdir(".", 0777));
  R(mkdir("..", 0777));
  R(mkdir("d/.", 0777));
  R(mkdir("no/x", 0777));
  R(mkdir(BAD, 0777));
  char name[300];
  memset(name, 'n', 299), name[299] = 0;
  R(mkdir(name, 0777));
  name[255] = 0;
  R(mkdir(name, 0777));
  R(rmdir(name));
  char *path = malloc(5000);
  memset(path, '/', 4999), path[4999] = 0;
  R(mkdir(path, 0777));
  path[4095] = 0;
  R(mkdir(path, 0777));
  R(mkdirat(99, "q", 0777));
  R(rmdir("f"));
  R(rmdir("nothing"));
  R(rmdir("."));
  R(rmdir("d/."));
  R(rmdir("d/.."));
  R(rmdir("/"));
  R(rmdir(""));
  make("d/x", "");
  R(rmdir("d"));
  R(unlink("d/x"));
  symlink("d", "dl");
  R(rmdir("dl"));
  R(rmdir("dl/"));
  R(rmdir("d/"));
  R(unlink("dl"));
  R(unlink("e"));
  R(unlink("."));
  R(unlink("/"));
  R(unlink("e/"));
  R(unlink("f/"));
  R(unlink("f/x"));
  R(unlink("nothing"));
  R(unlink(""));
  R(unlink(BAD));
  S(unlinkat, AT_FDCWD, "e", 1);
  S(unlinkat, AT_FDCWD, "e", 0);
  S(unlinkat, AT_FDCWD, "e", AT_REMOVEDIR);
  S(unlinkat, AT_FDCWD, "f", AT_REMOVEDIR);
  S(unlinkat, 99, "f", 0);
  R(unlink("f"));
  R(mknod("n", S_IFREG | 0640, 0));
  R(mknod("n2", 0640, 0));
  R(mknod("n3", S_IFDIR | 0640, 0));
  R(mknod("n4", S_IFLNK | 0640, 0));
  R(mknod("n5", S_IFCHR | 0666, makedev(1, 5)));
  R(mknod("n", S_IFIFO | 0640, 0));
  R(mknod("n6/", S_IFIFO | 0640, 0));
  stat("n5", &st);
  printf("device %d %d mode %o\n", major(st.st_rdev), minor(st.st_rdev), st.st_mode);
  char zeros[4] = "abc";
  int fd = open("n5", O_RDONLY);
  R(read(fd, zeros, 4));
  bytes("zeros", zeros, 4);
  close(fd);
  R(mknod("n7", S_IFCHR | 0666, makedev(77, 5)));
  R(open("n7", O_RDONLY));
  R(mknod("n8", S_IFSOCK | 0666, 0));
  R(open("n8", O_RDONLY));
}

static void linking(void) {
  make("one", "1");
  mkdir("ldir", 0755);
  R(link("one", "two"));
  R(link("one", "two"));
  R(link("one", "ldir"));
  R(link("ldir", "three"));
  R(link("nothing", "three"));
  R(link("one", "ldir/three/"));
  R(link("one", "no/three"));
  R(link("", "x"));
  R(link("one", ""));
  R(link(BAD, "x"));
  R(link("one", BAD));
  struct stat st;
  stat("two", &st);
  printf("links %ld\n", (long)st.st_nlink);
  R(symlink("one", "sl"));
  R(symlink("", "sl2"));
  R(symlink("x", "sl"));
  R(symlink("x", ""));
  R(symlink(BAD, "x"));
  R(link("sl", "hard-sl"));
  lstat("hard-sl", &st);
  printf("type %o\n", st.st_mode & S_IFMT);
  R(linkat(AT_FDCWD, "sl", AT_FDCWD, "hard-one", AT_SYMLINK_FOLLOW));
  lstat("hard-one", &st);
  printf("type %o links %ld\n", st.st_mode & S_IFMT, (long)st.st_nlink);
  R(linkat(AT_FDCWD, "one", AT_FDCWD, "x", 1));
  R(linkat(99, "one", AT_FDCWD, "x", 0));
  int fd = open("one", O_RDONLY);
  R(linkat(fd, "", AT_FDCWD, "by-fd", AT_EMPTY_PATH));
  R(linkat(fd, "", AT_FDCWD, "by-fd2", 0));
  int tmp = open(".", O_TMPFILE | O_RDWR, 0644);
  R(linkat(tmp, "", AT_FDCWD, "from-tmp", AT_EMPTY_PATH));
  R(access("from-tmp", F_OK));
  char b[20] = {0};
  R(readlink("sl", b, 2));
  R(readlink("sl", b, 20));
  bytes("target", b, 5);
  R(readlink("sl", b, 0));
  S(readlink, "sl", b, -1);
  R(readlink("one", b, 20));
  R(readlink("nothing", b, 20));
  R(readlink("", b, 20));
  R(readlink("sl", BAD, 20));
  R(readlink("sl/", b, 20));
  R(readlink("sl/x", b, 20));
  int lfd = open("sl", O_PATH | O_NOFOLLOW);
  R(readlinkat(lfd, "", b, 20));
  R(readlinkat(fd, "", b, 20));
  R(readlinkat(99, "", b, 20));
  R(readlinkat(AT_FDCWD, "", b, 20));
  for (int i = 3; i < 20; i++) close(i);
}

static void renaming(void) {
  make("a", "a"), make("b", "b"), mkdir("da", 0755), mkdir("db", 0755), mkdir("da/in", 0755);
  R(rename("a", "a"));
  R(rename("a", "b"));
  R(access("a", F_OK));
  make("a", "a");
  R(rename("a", "da"));
  R(rename("da", "a"));
  R(rename("da", "db"));
  mkdir("da", 0755), mkdir("da/in", 0755);
  R(rename("da", "db"));
  R(rename("db", "da/in/x"));
  R(rename("da", "da/in/x"));
  R(rename("nothing", "x"));
  R(rename("a", "no/x"));
  R(rename("a/", "x"));
  R(rename("a", "x/"));
  R(rename("da/", "dx/"));
  R(rename("dx", "da"));
  R(rename(".", "x"));
  R(rename("da/..", "x"));
  R(rename("a", "."));
  R(rename("a", ".."));
  R(rename("/", "x"));
  R(rename("", "x"));
  R(rename("a", ""));
  R(rename(BAD, "x"));
  R(rename("a", BAD));
  link("a", "a2");
  R(rename("a", "a2"));
  R(access("a", F_OK));
  S(renameat2, AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE);
  S(renameat2, AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE);
  S(renameat2, AT_FDCWD, "c", AT_FDCWD, "da", RENAME_EXCHANGE);
  S(renameat2, AT_FDCWD, "c", AT_FDCWD, "nothing", RENAME_EXCHANGE);
  S(renameat2, AT_FDCWD, "c", AT_FDCWD, "c/in", RENAME_EXCHANGE);
  S(renameat2, AT_FDCWD, "c", AT_FDCWD, "x", RENAME_EXCHANGE | RENAME_NOREPLACE);
  S(renameat2, AT_FDCWD, "c", AT_FDCWD, "x", 8);
  S(renameat2, 99, "c", AT_FDCWD, "x", 0);
  int fd = open("c", O_RDONLY);
  R(rename("c", "moved"));
  char link[40], path[200] = {0};
  sprintf(link, "/proc/self/fd/%d", fd);
  readlink(link, path, 199);
  puts(strrchr(path, '/'));
  R(rmdir("moved/in"));
  R(rmdir("moved"));
  memset(path, 0, 200);
  readlink(link, path, 199);
  puts(strrchr(path, '/'));
  close(fd);
}

/* Of two names that are wrong, what is told of first. */
static void both_wrong(void) {
  static const char *old[] = {"", "none", "none/x", "plain", "plain/x", "plain/", "shut/x", (char *)8};
  static const char *new[] = {"", "plain/y", "none/y", "dir", "shut/y", (char *)8};
  make("plain", "");
  mkdir("dir", 0755);
  mkdir("shut", 0);
  fflush(stdout);
  if (fork() == 0) {
    setegid(4321), seteuid(1234);
    for (int i = 0; i < sizeof old / sizeof *old; i++)
      for (int j = 0; j < sizeof new / sizeof *new; j++) {
        printf("%d %d\n", i, j);
        R(rename(old[i], new[j]));
        R(renameat(AT_FDCWD, old[i], 77, new[j]));
        R(renameat(77, old[i], 77, new[j]));
        R(link(old[i], new[j]));
        R(linkat(AT_FDCWD, old[i], 77, new[j], 0));
        R(linkat(77, old[i], AT_FDCWD, new[j], AT_EMPTY_PATH));
        R(symlink(old[i], new[j]));
        R(renameat2(AT_FDCWD, old[i], AT_FDCWD, new[j], RENAME_EXCHANGE));
        R(renameat2(AT_FDCWD, old[i], AT_FDCWD, new[j], RENAME_NOREPLACE));
      }
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

static void unprivileged(void) {
  mkdir("sticky", 01777), chmod("sticky", 01777);
  make("sticky/mine", "");
  mkdir("closed", 0700), mkdir("open", 0777), chmod("open", 0777);
  make("closed/x", "");
  make("open/theirs", "");
  fflush(stdout);
  if (fork() == 0) {
    setgid(4321), setuid(1234);
    R(unlink("sticky/mine"));
    R(rename("sticky/mine", "sticky/other"));
    make("sticky/own", "");
    R(unlink("sticky/own"));
    R(unlink("open/theirs"));
    R(open("closed/x", O_RDONLY));
    R(unlink("closed/x"));
    R(mkdir("closed/y", 0755));
    R(chdir("closed"));
    R(mkdir("x", 0755));
    R(mknod("open/dev", S_IFCHR | 0666, makedev(1, 3)));
    R(mknod("open/fifo", S_IFIFO | 0666, 0));
    R(link("one", "open/one"));
    R(rmdir("open"));
    R(chroot("open"));
    _exit(0);
  }
  wait(0);
}

int main(int argc, char **argv) {
  start(argc, argv);
  mkdir("ground", 0755);
  chmod("ground", 0755);
  chmod(".", 0755);
  chdir("ground");
  listing();
  where();
  making();
  linking();
  renaming();
  both_wrong();
  unprivileged();
  return 0;
}
