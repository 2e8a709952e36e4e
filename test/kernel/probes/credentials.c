/* What a change of identity or of capabilities hides: memory, files in /proc; and calls about nobody. */
#include "userns.h"
#include <sys/prctl.h>
#include <sys/resource.h>

static char self[300];

static void dumpable(const char *when) {
  printf("%s: dumpable %d\n", when, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void execute(void) {
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  fflush(stdout);
  execl(self, self, "executed", NULL);
  show("exec", -1);
}

static void file_ids(void) {
  dumpable("first");
  syscall(SYS_setfsuid, 1000);
  dumpable("other fsuid");
  syscall(SYS_setfsgid, 1000);
  dumpable("other fsgid");
  syscall(SYS_setfsgid, 1000);
  dumpable("the same fsgid");
  show("setresuid, nothing", syscall(SYS_setresuid, -1, -1, -1));
  show("setresgid, nothing", syscall(SYS_setresgid, -1, -1, -1));
  show("setresuid, what it is", syscall(SYS_setresuid, 0, -1, 0));
  show("fsuid", syscall(SYS_setfsuid, -1));
  show("fsgid", syscall(SYS_setfsgid, -1));
  dumpable("nothing new");
  show("setresuid, the effective one", syscall(SYS_setresuid, -1, 0, -1));
  show("fsuid", syscall(SYS_setfsuid, -1));
  dumpable("the fsuid follows");
  syscall(SYS_setfsuid, 1000);
  show("setreuid, nothing", syscall(SYS_setreuid, -1, -1));
  show("fsuid", syscall(SYS_setfsuid, -1));
  show("setregid, nothing", syscall(SYS_setregid, -1, -1));
  show("fsgid", syscall(SYS_setfsgid, -1));
}

static void death_signal(void) {
  int signal = 0;
  prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
  syscall(SYS_setresuid, -1, -1, 1000);
  prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
  show("another saved one", signal);
  syscall(SYS_setfsuid, 1000);
  prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
  show("another fsuid", signal);
}

static void versions(void) {
  unsigned header[2] = {0x20080522, -1}, data[6];
  show("negative, no room", syscall(SYS_capget, header, NULL));
  show("negative", syscall(SYS_capget, header, data));
  header[1] = 4000000;
  show("nobody, no room", syscall(SYS_capget, header, NULL));
  show("nobody", syscall(SYS_capget, header, data));
  header[0] = 1;
  show("unknown version, no room", syscall(SYS_capget, header, NULL));
  show("now", header[0]);
  header[0] = 1;
  show("unknown version", syscall(SYS_capget, header, data));
  show("bad header, no room", syscall(SYS_capget, 8, NULL));
  header[1] = 0;
  show("set from nowhere", syscall(SYS_capset, header, NULL));
}

static void gained(void) {
  unsigned header[2] = {0x20080522, 0}, data[6] = {0};
  show("give up all", syscall(SYS_capset, header, data));
  dumpable("after that");
  execute();
}
static void other_user(void) { syscall(SYS_setresuid, -1, 1000, -1); execute(); }
static void other_files(void) { syscall(SYS_setfsuid, 1000); execute(); }
static void founder(void) { show("unshare", unshare(CLONE_NEWUSER)); dumpable("inside"); execute(); }

static void entering(void) {
  struct held own = hold(NULL, NULL), another = hold(NULL, NULL);
  int first = open(of(own.pid, "ns/user"), O_RDONLY), second = open(of(another.pid, "ns/user"), O_RDONLY);
  if (fork() == 0) {
    show("enter", setns(first, CLONE_NEWUSER));
    dumpable("a namespace of one's own");
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  show("setfsuid", syscall(SYS_setfsuid, 1));
  syscall(SYS_setresuid, -1, -1, -1);
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  show("enter", setns(second, CLONE_NEWUSER));
  dumpable("with another fsuid");
  release(own);
  release(another);
}

static void become_user(void) { become(1000, 1000); }
static void foreign(void) {
  struct held held = hold(become_user, NULL);
  int fd = open(of(held.pid, "ns/user"), O_RDONLY);
  show("enter", setns(fd, CLONE_NEWUSER));
  dumpable("a namespace of somebody else's");
  release(held);
}

static void mode_of(const char *what, const char *path) {
  struct stat st;
  stat(path, &st);
  printf("%s: %o\n", what, st.st_mode);
}

/* The superuser of a namespace takes set-id bits away as anybody does. */
static void set_id_bits(void) {
  become(1000, 1000);
  unshare(CLONE_NEWUSER);
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "0 1000 1");
  put("/proc/self/gid_map", "0 1000 1");
  char name[] = "/tmp/probeXXXXXX";
  int fd = mkstemp(name);
  chmod(name, 06755);
  mode_of("made", name);
  show("write", write(fd, "x", 1));
  mode_of("written", name);
  chmod(name, 06755);
  show("truncate", ftruncate(fd, 0));
  mode_of("truncated", name);
  chmod(name, 06755);
  show("chown", chown(name, 0, 0));
  mode_of("owned", name);
  unlink(name);
}

static void owner_of(const char *name) {
  struct stat st;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/%s", name);
  if (lstat(path, &st) != 0) show(name, -1);
  else printf("%s: %o %u %u\n", name, st.st_mode & 0177777, st.st_uid, st.st_gid);
}

static void owners(void) {
  static const char *names[] = {".", "fd", "fdinfo", "ns", "ns/user", "task", "status", "exe", "maps", "environ", "fdinfo/0", "auxv"};
  become(1000, 1000);
  for (int on = 1; on >= 0; on--) {
    prctl(PR_SET_DUMPABLE, on, 0, 0, 0);
    printf("dumpable %d\n", on);
    for (int i = 0; i < sizeof names / sizeof *names; i++) owner_of(names[i]);
    show("search fd", access("/proc/self/fd/0", F_OK));
    show("list fd", open("/proc/self/fd", O_RDONLY) >= 0 ? 0 : -1);
  }
}

/* No capability opens a setting for what its bits do not say. */
static void settings(void) {
  static const char *names[] = {"kernel", "kernel/version", "kernel/hostname", "fs/file-nr", "net/core", "net/core/somaxconn"};
  for (int i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64];
    snprintf(path, sizeof path, "/proc/sys/%s", names[i]);
    printf("%s:\n", names[i]);
    show(" read", access(path, R_OK));
    show(" write", access(path, W_OK));
    show(" execute", access(path, X_OK));
    show(" write, effective", faccessat(AT_FDCWD, path, W_OK, AT_EACCESS));
    show(" open", open(path, O_WRONLY) >= 0 ? 0 : -1);
    show(" truncate", truncate(path, 0));
  }
}
static void settings_as_user(void) { become(1000, 1000); settings(); }
static void settings_in_group(void) { become(1000, 0); settings(); }
static void settings_by_effective(void) { syscall(SYS_setresuid, 1000, 0, 0); settings(); }
static void settings_inside(void) {
  become(1000, 1000);
  show("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNET));
  settings();
}

int main(int count, char **arguments) {
  if (count > 1) {
    dumpable("executed");
    return 0;
  }
  readlink("/proc/self/exe", self, sizeof self - 1);
  in_child("file ids", file_ids);
  in_child("death signal", death_signal);
  in_child("versions of capabilities", versions);
  in_child("a program gives capabilities back", gained);
  in_child("executed by another user", other_user);
  in_child("executed with another fsuid", other_files);
  in_child("a user namespace", founder);
  in_child("entering", entering);
  in_child("entering another's", foreign);
  in_child("set-id bits", set_id_bits);
  in_child("owners in /proc", owners);
  in_child("settings", settings);
  in_child("settings as a user", settings_as_user);
  in_child("settings in the superuser's group", settings_in_group);
  in_child("settings by the effective user", settings_by_effective);
  in_child("settings of a namespace", settings_inside);
  return 0;
}
