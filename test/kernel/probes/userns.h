/* What the probes of user namespaces share: results as text, children that end before the next begins. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A result: a number, or the name of an error. */
static long show(const char *what, long result) {
  if (result < 0) printf("%s: %s\n", what, strerrorname_np(errno));
  else printf("%s: %ld\n", what, result);
  fflush(stdout);
  return result;
}

/* As it is in the initial namespace: the C library would change all threads, and groups stay the caller's business. */
static void become(unsigned uid, unsigned gid) {
  syscall(SYS_setgroups, 0, NULL);
  syscall(SYS_setresgid, gid, gid, gid);
  syscall(SYS_setresuid, uid, uid, uid);
  /* Else its files in /proc would be the superuser's. */
  syscall(SYS_prctl, 4 /* PR_SET_DUMPABLE */, 1, 0, 0, 0);
}

static long put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -1;
  long result = write(fd, text, strlen(text));
  int error = errno;
  close(fd);
  errno = error;
  return result < 0 ? -1 : result;
}

static void putting(const char *path, const char *text) {
  char what[120];
  snprintf(what, sizeof what, "%s <- %.60s", strrchr(path, '/') + 1, text);
  for (char *c = what; *c; c++) if (*c == '\n') *c = '|';
  show(what, put(path, text));
}

static void print_file(const char *path) {
  char text[8192];
  int fd = open(path, O_RDONLY);
  if (fd < 0) { show(path, -1); return; }
  long count = read(fd, text, sizeof text - 1);
  close(fd);
  if (count < 0) { show(path, -1); return; }
  text[count] = 0;
  const char *name = strncmp(path, "/proc/", 6) == 0 ? strrchr(path, '/') + 1 : path;
  printf("%s (%ld bytes):\n%s", name, count, text);
  fflush(stdout);
}

/* Lines of a status file that say who it is and what it may. */
static void print_status(const char *path) {
  char line[256];
  FILE *file = fopen(path, "r");
  if (!file) { show("status", -1); return; }
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7)) printf("  %s", line);
  fclose(file);
  fflush(stdout);
}

static void print_ids(const char *when) {
  unsigned r, e, s, R, E, S;
  syscall(SYS_getresuid, &r, &e, &s);
  syscall(SYS_getresgid, &R, &E, &S);
  unsigned groups[64];
  int count = syscall(SYS_getgroups, 64, groups);
  printf("%s: uid %u %u %u gid %u %u %u, %d groups:", when, r, e, s, R, E, S, count);
  for (int i = 0; i < count; i++) printf(" %u", groups[i]);
  printf("\n");
  fflush(stdout);
}

/* Capabilities of the caller, by capget. @param mask of those that are shown, since a host may have taken some away */
static void print_caps(const char *when) {
  unsigned header[2] = {0x20080522, 0}, data[6] = {0};
  if (syscall(SYS_capget, header, data) != 0) { show("capget", -1); return; }
  printf("%s: effective %x%08x permitted %x%08x inheritable %x%08x\n", when, data[3], data[0], data[4], data[1], data[5], data[2]);
  fflush(stdout);
}

static void finish(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) < 0) { show("wait", -1); return; }
  if (status != 0) printf("ended with %x\n", status);
  fflush(stdout);
}

/* Runs a case in a child of its own. */
static void in_child(const char *title, void (*body)(void)) {
  printf("== %s\n", title);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    body();
    fflush(stdout);
    _exit(0);
  }
  finish(child);
}

/* A child in a user namespace of its own that waits until `go` gets a byte. */
struct held {
  pid_t pid;
  int go, ready;
};

static struct held hold(void (*before)(void), void (*after)(void)) {
  int go[2], ready[2];
  pipe(go);
  pipe(ready);
  fflush(stdout);
  struct held held = {fork(), go[1], ready[0]};
  char byte = 0;
  if (held.pid == 0) {
    close(go[1]);
    close(ready[0]);
    if (before) before();
    if (unshare(CLONE_NEWUSER) != 0) show("unshare", -1);
    write(ready[1], &byte, 1);
    read(go[0], &byte, 1);
    if (after) after();
    fflush(stdout);
    _exit(0);
  }
  close(go[0]);
  close(ready[1]);
  read(ready[0], &byte, 1);
  return held;
}

static void release(struct held held) {
  write(held.go, "", 1);
  finish(held.pid);
  close(held.go);
  close(held.ready);
}

static const char *of(pid_t pid, const char *name) {
  static char paths[8][64];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, 64, "/proc/%d/%s", pid, name);
  return path;
}
