/* /proc/sys/net: what each network namespace has of it, whose it is, and who may set it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *names[] = {"core/optmem_max", "core/rmem_default", "core/rmem_max", "core/somaxconn",
                              "core/wmem_default", "core/wmem_max", "unix/max_dgram_qlen", "core", "unix", ""};

static void show(const char *when) {
  printf("-- %s\n", when);
  for (int i = 0; i < 10; i++) {
    char path[80];
    struct stat st;
    snprintf(path, sizeof path, "/proc/sys/net/%s", names[i]);
    if (stat(path, &st) != 0) { printf("%s: %s\n", path, strerrorname_np(errno)); continue; }
    printf("%s: %o %u %u", names[i], st.st_mode, st.st_uid, st.st_gid);
    if (S_ISREG(st.st_mode)) {
      int fd = open(path, O_WRONLY);
      printf(", open for writing: %s", fd < 0 ? strerrorname_np(errno) : "yes");
      close(fd);
    }
    /* Where nobody may write, the superuser may not either: his capability does not count for settings. */
    if (S_ISREG(st.st_mode) && st.st_mode & 0200) printf(", access %d", access(path, W_OK));
    printf("\n");
  }
  fflush(stdout);
}

static void set(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  long result = fd < 0 ? -1 : write(fd, text, strlen(text));
  printf("%s: %s\n", path, result < 0 ? strerrorname_np(errno) : "set");
  close(fd);
}

static void get(int fd) {
  char text[40] = "";
  printf("%ld: %s", pread(fd, text, sizeof text, 0), text);
}

static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  write(fd, text, strlen(text));
  close(fd);
}

static void become(unsigned uid) {
  syscall(SYS_setgroups, 0, NULL);
  syscall(SYS_setresgid, uid, uid, uid);
  syscall(SYS_setresuid, uid, uid, uid);
  syscall(SYS_prctl, 4, 1, 0, 0, 0);
}

#define ALONE(body)                      \
  do {                                   \
    fflush(stdout);                      \
    if (fork() == 0) { body; fflush(stdout); _exit(0); } \
    wait(NULL);                          \
  } while (0)

int main(void) {
  show("the first one");
  ALONE(become(1000); show("an ordinary user"));
  ALONE(unshare(CLONE_NEWNET); show("a new one"); set("/proc/sys/net/core/somaxconn", "77"); set("/proc/sys/net/core/rmem_max", "5000000"));
  ALONE(unshare(CLONE_NEWNET); become(1000); show("a new one, an ordinary user"));
  ALONE(become(1000); unshare(CLONE_NEWUSER | CLONE_NEWNET); put("/proc/self/uid_map", "0 1000 1");
        put("/proc/self/setgroups", "deny"); put("/proc/self/gid_map", "0 1000 1"); show("in a user namespace");
        set("/proc/sys/net/core/somaxconn", "77"); set("/proc/sys/net/core/wmem_max", "5000000");
        set("/proc/sys/kernel/hostname", "x"));
  ALONE(int first = open("/proc/sys/net/core/somaxconn", O_RDONLY); unshare(CLONE_NEWNET);
        set("/proc/sys/net/core/somaxconn", "78"); int second = open("/proc/sys/net/core/somaxconn", O_RDONLY);
        get(first); get(second));
  return 0;
}
