/* inotify: what is told for every kind of change, in which order; merging, limits, flags, hostile arguments. */
#include "probe.h"
#include <dirent.h>
#include <sys/mount.h>
#include <sys/sendfile.h>

static const char *names[] = {"ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN", "MOVED_FROM",
                              "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", 0, "UNMOUNT", "Q_OVERFLOW",
                              "IGNORED"};
static int in;

static void events(const char *what) {
  static unsigned cookies[64];
  static int known;
  char buffer[65536] __attribute__((aligned(8)));
  int available = 0;
  ioctl(in, FIONREAD, &available);
  int length = read(in, buffer, sizeof buffer);
  printf("%s: %d of %d\n", what, length, available);
  for (char *at = buffer; at < buffer + length;) {
    struct inotify_event *event = (void *)at;
    printf("  %d", event->wd);
    for (int bit = 0; bit < 16; bit++)
      if (event->mask & (1 << bit)) printf(" %s", names[bit]);
    if (event->mask & IN_ISDIR) printf(" ISDIR");
    if (event->mask & ~(0xffff | IN_ISDIR)) printf(" %x", event->mask);
    if (event->cookie) {
      int i = 0;
      while (i < known && cookies[i] != event->cookie) i++;
      if (i == known && known < 64) cookies[known++] = event->cookie;
      printf(" cookie %d", i);
    }
    printf(" %d %s\n", event->len, event->len ? event->name : "");
    at += sizeof *event + event->len;
  }
  fflush(stdout);
}

static void touch(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0644)); }

int main(int argc, char **argv) {
  char bytes[100] = "0123456789";
  chdir(argv[1]);
  mkdir("work", 0755);
  chdir("work");
  in = inotify_init1(IN_NONBLOCK);
  int set = epoll_create1(0);
  add(set, in, EPOLLIN | EPOLLET);
  SAY(inotify_add_watch(in, ".", IN_ALL_EVENTS));
  touch("file");
  look("epoll", set);
  events("create");
  look("epoll", set);
  SAY(inotify_add_watch(in, "file", IN_ALL_EVENTS));
  int fd = open("file", O_RDWR);
  write(fd, bytes, 10);
  write(fd, bytes, 10);
  pwrite(fd, bytes, 5, 2);
  lseek(fd, 0, SEEK_SET);
  read(fd, bytes, 5);
  read(fd, bytes, 0);
  read(fd, bytes, 90);
  read(fd, bytes, 90);
  events("reading and writing");
  ftruncate(fd, 3);
  ftruncate(fd, 3);
  truncate("file", 8);
  fchmod(fd, 0600);
  chmod("file", 0644);
  chown("file", 1, 1);
  struct timespec times[2] = {{1, 0}, {2, 0}};
  futimens(fd, times);
  times[0].tv_nsec = UTIME_OMIT;
  futimens(fd, times);
  times[0] = (struct timespec){5, 0};
  times[1].tv_nsec = UTIME_OMIT;
  utimensat(AT_FDCWD, "file", times, 0);
  fallocate(fd, 0, 0, 100);
  close(fd);
  events("attributes");
  close(open("file", O_RDWR | O_TRUNC));
  events("truncating open");
  close(open("file", O_PATH));
  events("path only");
  fd = open("file", O_RDONLY);
  dup(fd);
  close(fd);
  events("one descriptor left");
  close(fd + 1);
  events("none left");
  mkdir("dir", 0755);
  symlink("file", "symlink");
  link("file", "link");
  mkfifo("fifo", 0644);
  events("making names");
  SAY(inotify_add_watch(in, "dir", IN_ALL_EVENTS));
  rename("file", "dir/file");
  events("move");
  rename("dir/file", "dir/other");
  events("rename");
  touch("dir/target");
  SAY(inotify_add_watch(in, "dir/target", IN_ALL_EVENTS));
  events("another");
  rename("dir/other", "dir/target");
  events("replace");
  touch("one");
  touch("two");
  events("two");
  SAY(syscall(SYS_renameat2, AT_FDCWD, "one", AT_FDCWD, "two", RENAME_EXCHANGE));
  events("exchange");
  rename("dir", "moved");
  events("directory moves");
  DIR *directory = opendir("moved");
  while (readdir(directory)) continue;
  closedir(directory);
  events("directory is listed");
  unlink("link");
  events("one link less");
  fd = open("moved/target", O_RDWR);
  unlink("moved/target");
  events("unlinked while open");
  write(fd, bytes, 5);
  fchmod(fd, 0600);
  events("written without a name");
  close(fd);
  events("closed");
  rmdir("moved");
  events("directory removed");
  unlink("one");
  unlink("two");
  unlink("symlink");
  unlink("fifo");
  events("removed");
  fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd >= 0) {
    write(fd, bytes, 5);
    char path[64];
    sprintf(path, "/proc/self/fd/%d", fd);
    linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW);
  }
  int has = 0;
  ioctl(in, FIONREAD, &has);
  char rest[4096];
  read(in, rest, sizeof rest);
  close(fd);
  read(in, rest, sizeof rest);
  unlink("linked");
  read(in, rest, sizeof rest);

  /* Masks. */
  touch("masked");
  read(in, rest, sizeof rest);
  int wd = inotify_add_watch(in, "masked", IN_OPEN);
  printf("%d\n", wd > 0);
  SAY(inotify_add_watch(in, "masked", IN_CLOSE | IN_MASK_ADD) == wd);
  SAY(inotify_add_watch(in, "masked", IN_CLOSE | IN_MASK_CREATE));
  SAY(inotify_add_watch(in, "masked", IN_CLOSE | IN_MASK_CREATE | IN_MASK_ADD));
  SAY(inotify_add_watch(in, "masked", IN_ONLYDIR | IN_OPEN));
  SAY(inotify_add_watch(in, "masked", 0));
  SAY(inotify_add_watch(in, "masked", 0x10000));
  SAY(inotify_add_watch(in, "missing", IN_OPEN));
  SAY(inotify_add_watch(in, "", IN_OPEN));
  SAY(inotify_add_watch(in, BAD, IN_OPEN));
  SAY(inotify_add_watch(-1, ".", IN_OPEN));
  SAY(inotify_add_watch(-1, ".", 0));
  SAY(inotify_add_watch(set, ".", IN_OPEN));
  SAY(inotify_rm_watch(in, 12345));
  SAY(inotify_rm_watch(in, -1));
  SAY(inotify_rm_watch(set, 1));
  SAY(inotify_rm_watch(-1, 1));
  SAY(inotify_init1(1));
  SAY(inotify_rm_watch(in, 1));
  events("removed");
  close(open("masked", O_RDONLY));
  events("masked");
  SAY(inotify_add_watch(in, "masked", IN_CLOSE | IN_ONESHOT) == wd);
  close(open("masked", O_RDONLY));
  close(open("masked", O_RDONLY));
  events("once");
  symlink("masked", "link");
  SAY(inotify_add_watch(in, "link", IN_ATTRIB | IN_DELETE_SELF | IN_DONT_FOLLOW) > 0);
  unlink("link");
  events("the link itself");
  SAY(inotify_add_watch(in, ".", IN_ALL_EVENTS | IN_EXCL_UNLINK) > 0);
  fd = open("masked", O_RDWR);
  events("open");
  unlink("masked");
  write(fd, bytes, 5);
  close(fd);
  events("nothing after the end");

  /* Small buffers. */
  touch("a");
  SAY(read(in, bytes, 15));
  SAY(read(in, bytes, 31));
  SAY(read(in, bytes, 32));
  SAY(read(in, bytes, 65));
  SAY(read(in, page_end() - 10, 100));
  SAY(read(in, BAD, 100));
  events("rest");
  SAY(write(in, bytes, 16));
  touch("a name that is longer than sixteen bytes");
  events("long name");
  int from = open("a", O_RDWR), to = open("b", O_RDWR | O_CREAT, 0644);
  write(from, bytes, 50);
  events("prepared");
  off_t start = 0;
  sendfile(to, from, &start, 50);
  events("sendfile");
  copy_file_range(from, &start, to, 0, 0, 0);
  close(from);
  close(to);
  events("closed");
  /* Too many. */
  chdir("..");
  inotify_rm_watch(in, wd + 2);
  read(in, rest, sizeof rest);
  close(in);
  in = inotify_init1(IN_NONBLOCK);
  inotify_add_watch(in, "work", IN_ATTRIB);
  for (int i = 0; i < 9000; i++) {
    chmod("work/a", 0600 + (i & 1));
    chmod("work/b", 0600 + (i & 1));
  }
  chmod("work", 0755);
  int sum = 0, overflows = 0;
  for (;;) {
    char many[65536] __attribute__((aligned(8)));
    int length = read(in, many, sizeof many);
    if (length <= 0) break;
    for (char *at = many; at < many + length;) {
      struct inotify_event *event = (void *)at;
      sum++;
      if (event->mask & IN_Q_OVERFLOW) {
        overflows++;
        printf("wd %d cookie %d len %d at %d\n", event->wd, event->cookie, event->len, sum);
      }
      at += sizeof *event + event->len;
    }
  }
  printf("%d events, %d overflows\n", sum, overflows);
  chmod("work/a", 0600);
  events("after the overflow");
  int instances = 0;
  while (inotify_init() >= 0) instances++;
  printf("%s %d\n", strerrorname_np(errno), instances > 100);
  show_file("/proc/sys/fs/inotify/max_queued_events");
  show_file("/proc/sys/fs/inotify/max_user_instances");
  unlink("work/a");
  unlink("work/b");
  unlink("work/a name that is longer than sixteen bytes");
  events("emptied");
  rmdir("work");
  events("gone");
  return 0;
}
