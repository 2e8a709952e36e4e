/* clone3 and unshare: flags, sizes and fields that are none, or do not go together. */
#include "userns.h"
#include <linux/sched.h>

/* As many bytes as a call may want to look at. */
static union {
  struct clone_args args;
  char bytes[8192];
} call;

static void clear(unsigned long flags, unsigned long signal) {
  memset(&call, 0, sizeof call);
  call.args.flags = flags;
  call.args.exit_signal = signal;
}

static void make(const char *what, long size) {
  fflush(stdout);
  long child = syscall(SYS_clone3, &call, size);
  if (child == 0) syscall(SYS_exit, 0);
  show(what, child < 0 ? -1 : 0);
  while (wait4(-1, NULL, __WALL, NULL) > 0) {}
}

static void flag(unsigned long flags, unsigned long signal) {
  char what[60];
  clear(flags, signal);
  snprintf(what, sizeof what, "flags %lx signal %lu", flags, signal);
  make(what, sizeof call.args);
}

static void flags(void) {
  for (int bit = 0; bit < 64; bit++) {
    unsigned long one = 1ul << bit;
    /* Memory of its own, or else the caller waits; of namespaces some are not built. */
    if (one & (CLONE_VM | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | CLONE_NEWTIME)) continue;
    if (one & (CLONE_PIDFD | CLONE_SETTLS)) continue;
    flag(one, SIGCHLD);
    flag(one, 0);
    flag(one | CLONE_VM | CLONE_VFORK, 0);
  }
  flag(CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | CLONE_CLEAR_SIGHAND, 0);
  flag(CLONE_VM | CLONE_VFORK | CLONE_SIGHAND | CLONE_THREAD, SIGCHLD);
  flag(CLONE_NEWUSER | CLONE_FS, 0);
}

static void fields(void) {
  static const unsigned long signals[] = {64, 65, 255, 256, 1ul << 32, -1ul};
  static const long sizes[] = {0, 8, 63, 64, 65, 80, 87, 88, 96, 4096, 4097, -1};
  signal(64, SIG_IGN);
  for (int i = 0; i < sizeof signals / sizeof *signals; i++) flag(0, signals[i]);
  for (int i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    char what[40];
    clear(0, SIGCHLD);
    snprintf(what, sizeof what, "%ld bytes", sizes[i]);
    make(what, sizes[i]);
    clear(CLONE_INTO_CGROUP, SIGCHLD);
    snprintf(what, sizeof what, "%ld bytes, a control group", sizes[i]);
    make(what, sizes[i]);
  }
  clear(0, SIGCHLD);
  call.bytes[100] = 1;
  make("more than is known, unused", 96);
  make("more than is known", 104);
  clear(0, SIGCHLD);
  call.args.stack = 4096;
  make("a stack without a size", 88);
  clear(0, SIGCHLD);
  call.args.stack_size = 4096;
  make("a size without a stack", 88);
  clear(0, SIGCHLD);
  call.args.cgroup = 1;
  make("a control group that is not asked for", 88);
  clear(CLONE_INTO_CGROUP, SIGCHLD);
  call.args.cgroup = 1ul << 32;
  make("no descriptor", 88);
  clear(0, SIGCHLD);
  call.args.set_tid_size = 1;
  make("a number from nowhere", 88);
  clear(0, SIGCHLD);
  call.args.set_tid = 4096;
  make("no number from somewhere", 88);
  clear(CLONE_PIDFD | CLONE_PARENT_SETTID, SIGCHLD);
  call.args.pidfd = call.args.parent_tid = (unsigned long)&call;
  make("two answers at one place", 88);
  clear(CLONE_PIDFD, SIGCHLD);
  call.args.pidfd = 8;
  make("a descriptor to nowhere", 88);
  show("from nowhere", syscall(SYS_clone3, 8, 88));
}

static void unsharing(void) {
  static const unsigned long high[] = {1ul << 32, 1ul << 33, 1ul << 40, 1ul << 63};
  for (int i = 0; i < 4; i++) {
    show("unshare", syscall(SYS_unshare, high[i]));
    show("with a user namespace", syscall(SYS_unshare, high[i] | CLONE_NEWUSER));
    show("with files", syscall(SYS_unshare, high[i] | CLONE_FILES));
  }
  show("nothing", syscall(SYS_unshare, 0));
}

int main(void) {
  in_child("flags", flags);
  in_child("fields", fields);
  in_child("unshare", unsharing);
  return 0;
}
