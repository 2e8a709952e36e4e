/* User namespaces: who may make them, the files that map ids and their rules, nesting, entering, who belongs to whom. */
#include "userns.h"
#include <linux/nsfs.h>
#include <pthread.h>

static void first_one(void) {
  char text[64];
  long count = readlink("/proc/self/ns/user", text, sizeof text);
  printf("link %.*s\n", (int)count, text);
  print_file("/proc/self/uid_map");
  print_file("/proc/self/gid_map");
  print_file("/proc/self/projid_map");
  print_file("/proc/self/setgroups");
  putting("/proc/self/uid_map", "0 0 1");
  putting("/proc/self/gid_map", "0 0 1");
  putting("/proc/self/setgroups", "deny");
  putting("/proc/self/setgroups", "allow");
  int fd = open("/proc/self/ns/user", O_RDONLY);
  show("type", ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWUSER ? 1 : 0);
  show("owner's namespace", ioctl(fd, NS_GET_USERNS));
  show("parent", ioctl(fd, NS_GET_PARENT));
  unsigned uid = 1;
  show("owner", ioctl(fd, NS_GET_OWNER_UID, &uid));
  printf("%u\n", uid);
  show("bad pointer", ioctl(fd, NS_GET_OWNER_UID, 8));
  show("enter own", setns(fd, 0));
  show("enter as network", setns(fd, CLONE_NEWNET));
  show("open for writing", open("/proc/self/ns/user", O_RDWR));
}

static void flags(void) {
  show("unshare with a bad flag", unshare(CLONE_NEWUSER | 1));
  show("clone with CLONE_FS", syscall(SYS_clone, CLONE_NEWUSER | CLONE_FS | SIGCHLD, 0, 0, 0, 0));
  show("clone a thread", syscall(SYS_clone, CLONE_NEWUSER | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM, 0, 0, 0, 0));
}

static void *idle(void *argument) { return (void *)(long)pause(); }

static void with_threads(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, idle, NULL);
  show("unshare with two threads", unshare(CLONE_NEWUSER));
  struct held held = hold(NULL, NULL);
  int fd = open(of(held.pid, "ns/user"), O_RDONLY);
  show("enter with two threads", setns(fd, CLONE_NEWUSER));
  release(held);
}

static void unmapped(void) {
  print_ids("before");
  show("unshare", unshare(CLONE_NEWUSER));
  print_ids("after");
  print_caps("after");
  print_file("/proc/self/uid_map");
  print_file("/proc/self/gid_map");
  print_file("/proc/self/setgroups");
  print_status("/proc/self/status");
  struct stat st;
  stat("/", &st);
  printf("/ belongs to %u %u\n", st.st_uid, st.st_gid);
  show("setuid 0", syscall(SYS_setuid, 0));
  show("setuid 65534", syscall(SYS_setuid, 65534));
  show("setresuid -1", syscall(SYS_setresuid, -1, -1, -1));
  show("setresgid 5", syscall(SYS_setresgid, 5, -1, -1));
  show("setreuid 5", syscall(SYS_setreuid, -1, 5));
  show("setgid -1", syscall(SYS_setgid, -1));
  show("setfsuid", syscall(SYS_setfsuid, 5));
  show("setfsgid", syscall(SYS_setfsgid, -1));
  unsigned none = 0;
  show("setgroups", syscall(SYS_setgroups, 0, &none));
  show("chown", chown("/", 0, 0));
  show("chown to nobody", chown("/", -1, -1));
  show("another one inside", unshare(CLONE_NEWUSER));
}

static void ordinary_maps(void) {
  become(1000, 1000);
  print_caps("ordinary");
  show("unshare", unshare(CLONE_NEWUSER));
  print_caps("inside");
  putting("/proc/self/uid_map", "");
  putting("/proc/self/uid_map", "\n");
  putting("/proc/self/uid_map", "0 1000");
  putting("/proc/self/uid_map", "0 1000 x");
  putting("/proc/self/uid_map", "0 1000 0");
  putting("/proc/self/uid_map", "-1 1000 1");
  putting("/proc/self/uid_map", "0 1000 1 1");
  putting("/proc/self/uid_map", "4294967295 1000 1");
  putting("/proc/self/uid_map", "0 1000 4294967295");
  putting("/proc/self/uid_map", "0 1000 1\n\n");
  putting("/proc/self/uid_map", "0 1001 1");
  putting("/proc/self/uid_map", "0 0 1");
  putting("/proc/self/uid_map", "0 1000 2");
  putting("/proc/self/uid_map", "0 1000 1\n1 1001 1");
  putting("/proc/self/gid_map", "0 1000 1");
  putting("/proc/self/setgroups", "never");
  putting("/proc/self/setgroups", "deny it");
  putting("/proc/self/setgroups", "deny     ");
  putting("/proc/self/setgroups", "deny\n");
  putting("/proc/self/setgroups", "deny");
  putting("/proc/self/setgroups", "allow");
  print_file("/proc/self/setgroups");
  putting("/proc/self/gid_map", "  7\t1000  1  \n");
  putting("/proc/self/gid_map", "7 1000 1");
  putting("/proc/self/setgroups", "deny");
  print_ids("groups mapped");
  int fd = open("/proc/self/uid_map", O_WRONLY);
  lseek(fd, 1, SEEK_SET);
  show("not at the beginning", write(fd, "0 1000 1", 8));
  lseek(fd, 0, SEEK_SET);
  show("at the beginning", write(fd, "0 1000 1", 8));
  show("once more", write(fd, "0 1000 1", 8));
  print_ids("both mapped");
  print_file("/proc/self/uid_map");
  print_file("/proc/self/gid_map");
  print_status("/proc/self/status");
  show("setgroups", syscall(SYS_setgroups, 0, NULL));
  show("setuid 0", syscall(SYS_setuid, 0));
  show("setuid 1", syscall(SYS_setuid, 1));
  show("chown / to 0", chown("/", 0, 7));
  show("hostname", sethostname("x", 1));
  print_caps("inside");
  print_file("/proc/sys/kernel/overflowuid");
  print_file("/proc/sys/kernel/overflowgid");
  show("one more inside", unshare(CLONE_NEWUSER));
  print_file("/proc/self/setgroups");
  putting("/proc/self/setgroups", "allow");
  putting("/proc/self/uid_map", "5 0 1");
  print_ids("twice");
  print_file("/proc/self/uid_map");
}

static void to_1000(void) { become(1000, 1000); }

static void after_mapping(void) {
  print_ids("mapped");
  print_file("/proc/self/uid_map");
  show("setresuid", syscall(SYS_setresuid, 1, 2, 3));
  print_ids("changed");
  print_caps("changed");
}

static void maps_from_outside(void) {
  struct held held = hold(to_1000, after_mapping);
  char text[4400], *end = text;
  const char *map = of(held.pid, "uid_map");
  print_file(map);
  for (int i = 0; i < 341; i++) end += sprintf(end, "%d %d 1\n", i, 5000 + i);
  show("341 extents", put(map, text));
  memset(text, ' ', 4096);
  memcpy(text, "0 0 1", 5);
  text[4096] = 0;
  show("a page", put(map, text));
  putting(map, "0 5000 10\n5 6000 10");
  putting(map, "0 5000 10\n10 5009 10");
  putting(map, "0 1000 1\n10 5000 10\n4294967290 9000 5\n1 100 9");
  print_file(map);
  putting(of(held.pid, "gid_map"), "0 1000 1\n10 20 1\n9 19 1\n8 18 1\n7 17 1\n6 16 1\n5 15 1");
  print_file(of(held.pid, "gid_map"));
  putting(of(held.pid, "projid_map"), "0 0 10");
  print_status(of(held.pid, "status"));
  release(held);
  held = hold(to_1000, NULL);
  end = text;
  for (int i = 0; i < 340; i++) end += sprintf(end, "%d %d 1\n", 339 - i, 5000 + i);
  show("340 extents", put(of(held.pid, "uid_map"), text));
  FILE *file = fopen(of(held.pid, "uid_map"), "r");
  int lines = 0;
  char line[80];
  while (fgets(line, sizeof line, file)) if (lines++ == 0 || lines == 340) printf("%s", line);
  printf("%d lines\n", lines);
  fclose(file);
  release(held);
}

static void others_maps(void) {
  struct held held = hold(to_1000, NULL);
  pid_t stranger = fork();
  if (stranger == 0) {
    become(1001, 1001);
    putting(of(held.pid, "uid_map"), "0 1001 1");
    show("enter", setns(open(of(held.pid, "ns/user"), O_RDONLY), 0));
    _exit(0);
  }
  finish(stranger);
  pid_t owner = fork();
  if (owner == 0) {
    become(1000, 1000);
    putting(of(held.pid, "uid_map"), "0 1001 1");
    putting(of(held.pid, "gid_map"), "0 1000 1");
    putting(of(held.pid, "uid_map"), "0 1000 1");
    putting(of(held.pid, "setgroups"), "deny");
    putting(of(held.pid, "gid_map"), "0 1000 1");
    int fd = open(of(held.pid, "ns/user"), O_RDONLY);
    unsigned uid;
    show("its owner", ioctl(fd, NS_GET_OWNER_UID, &uid));
    printf("%u\n", uid);
    show("enter", setns(fd, CLONE_NEWUSER));
    print_ids("entered");
    print_caps("entered");
    show("its owner from inside", ioctl(fd, NS_GET_OWNER_UID, &uid));
    printf("%u\n", uid);
    show("parent from inside", ioctl(fd, NS_GET_PARENT));
    show("enter again", setns(fd, CLONE_NEWUSER));
    show("leave", setns(open("/proc/1/ns/user", O_RDONLY), CLONE_NEWUSER));
    _exit(0);
  }
  finish(owner);
  release(held);
}

static void by_pidfd(void) {
  struct held held = hold(to_1000, NULL);
  int pidfd = syscall(SYS_pidfd_open, held.pid, 0);
  show("no kind", setns(pidfd, 0));
  show("unknown kind", setns(pidfd, 1));
  show("users and network", setns(pidfd, CLONE_NEWUSER | CLONE_NEWNET));
  show("once more", setns(pidfd, CLONE_NEWUSER));
  print_ids("inside");
  release(held);
}

static void relations(void) {
  struct held held = hold(NULL, NULL);
  struct stat a, b;
  int fd = open(of(held.pid, "ns/user"), O_RDONLY);
  int parent = ioctl(fd, NS_GET_PARENT);
  show("parent", parent >= 0);
  fstat(parent, &a);
  stat("/proc/self/ns/user", &b);
  printf("parent is %s\n", a.st_ino == b.st_ino ? "this one" : "another");
  show("flags", fcntl(parent, F_GETFD));
  show("network's owner", ioctl(open("/proc/self/ns/net", O_RDONLY), NS_GET_USERNS) >= 0);
  show("network's parent", ioctl(open("/proc/self/ns/net", O_RDONLY), NS_GET_PARENT));
  show("network's owner id", ioctl(open("/proc/self/ns/net", O_RDONLY), NS_GET_OWNER_UID, &a));
  show("not a namespace", ioctl(0, NS_GET_USERNS));
  release(held);
}

static void nested(void) {
  int depth = 0;
  while (unshare(CLONE_NEWUSER) == 0) {
    depth++;
    put("/proc/self/setgroups", "deny");
    if (put("/proc/self/uid_map", "0 0 1") < 0 || put("/proc/self/gid_map", "0 0 1") < 0) break;
  }
  show("deeper", -1);
  printf("%d levels\n", depth);
}

static void chrooted(void) {
  mkdir("/tmp/userns-root", 0755);
  show("chroot", chroot("/tmp/userns-root"));
  show("unshare", unshare(CLONE_NEWUSER));
}

static void networks(void) {
  become(1000, 1000);
  show("network alone", unshare(CLONE_NEWNET));
  struct stat a, b, c;
  stat("/proc/self/ns/user", &a);
  show("users and network", unshare(CLONE_NEWUSER | CLONE_NEWNET));
  int fd = open("/proc/self/ns/net", O_RDONLY);
  int owner = ioctl(fd, NS_GET_USERNS);
  show("owner", owner >= 0);
  fstat(owner, &b);
  stat("/proc/self/ns/user", &c);
  printf("owner is %s\n", b.st_ino == c.st_ino ? "the new one" : b.st_ino == a.st_ino ? "the old one" : "another");
  show("network again", unshare(CLONE_NEWNET));
  show("enter the first", setns(open("/proc/1/ns/net", O_RDONLY), 0));
  show("enter the one before", setns(fd, 0));
  int options[] = {SO_DEBUG, SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_PRIORITY, SO_MARK, SO_PREFER_BUSY_POLL};
  const char *names[] = {"debug", "sndbufforce", "rcvbufforce", "priority", "mark", "prefer busy poll"};
  int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0), value = 7;
  for (int i = 0; i < 6; i++) show(names[i], setsockopt(socket_fd, SOL_SOCKET, options[i], &value, sizeof value));
  pid_t child = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) _exit(0);
  show("a child with both, from an id without a number", child < 0 ? -1 : 0);
  putting("/proc/self/uid_map", "0 1000 1");
  putting("/proc/self/setgroups", "deny");
  putting("/proc/self/gid_map", "0 1000 1");
  child = syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    print_ids("child");
    print_caps("child");
    _exit(0);
  }
  if (child > 0) finish(child);
  show("a child with both", child < 0 ? -1 : 0);
}

int main(void) {
  in_child("the initial namespace", first_one);
  in_child("flags that do not go together", flags);
  in_child("threads", with_threads);
  in_child("without maps", unmapped);
  in_child("maps of an ordinary user", ordinary_maps);
  in_child("maps that the superuser writes from outside", maps_from_outside);
  in_child("maps and namespaces of others", others_maps);
  in_child("by a pidfd", by_pidfd);
  in_child("relations", relations);
  in_child("as deep as it goes", nested);
  in_child("from a chroot", chrooted);
  in_child("networks", networks);
  return 0;
}
