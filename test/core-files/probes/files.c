/* Which core files there are after which ends: limits, rights, what stands in the way, wait status. Argument: a directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core.h"

#define NO_LIMIT RLIM_INFINITY

struct attempt {
  const char *what;
  rlim_t core, size;
  int signal; /* 0: a bad pointer */
  void (*prepare)(void); /* in the directory, before */
  void (*change)(void); /* in the process that ends */
};

static void set_limit(int resource, rlim_t limit) {
  struct rlimit both = {limit, limit};
  if (setrlimit(resource, &both) != 0) perror("setrlimit");
}

static void touch(const char *name) { close(open(name, O_CREAT | O_WRONLY, 0644)); }
static void with_link(void) { if (symlink("target", "core") != 0) perror("symlink"); }
static void with_good_link(void) { touch("target"), with_link(); }
static void with_directory(void) { mkdir("core", 0755); }
static void with_second_name(void) { touch("core"); if (link("core", "other") != 0) perror("link"); }
static void with_fifo(void) { mkfifo("core", 0600); }
static void not_dumpable(void) { printf("prctl %d\n", prctl(PR_SET_DUMPABLE, 0)); }
static void dumpable_two(void) { printf("prctl %d\n", prctl(PR_SET_DUMPABLE, 2)); }
static void dumpable_again(void) { prctl(PR_SET_DUMPABLE, 0), prctl(PR_SET_DUMPABLE, 1); }
static void other_user(void) {
  if (setuid(1000) != 0) perror("setuid");
  printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
}
static void other_user_dumpable(void) { other_user(), prctl(PR_SET_DUMPABLE, 1); }
static void into_open_directory(void) { chmod(".", 0777), other_user_dumpable(); }
static void narrow_umask(void) { umask(0277); }
static void wide_umask(void) { umask(0); }
static void gone_directory(void) { mkdir("gone", 0755), chdir("gone"), rmdir("../gone"); }
static void other_group(void) {
  if (setegid(1000) != 0) perror("setegid");
  printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
}
static void blocked(void) {
  sigset_t set;
  sigfillset(&set), sigprocmask(SIG_SETMASK, &set, NULL);
}
static void ignored(void) { signal(SIGSEGV, SIG_IGN); }
static int resets;
static void once(int signal) { resets = signal; }
static void caught_once(void) { struct sigaction action = {.sa_handler = once, .sa_flags = SA_RESETHAND}; sigaction(SIGSEGV, &action, NULL); }
static void stopped_first(void) { kill(getpid(), SIGSTOP); }

static const struct attempt ATTEMPTS[] = {
  {"no limit", NO_LIMIT, NO_LIMIT, 0},
  {"limit 0", 0, NO_LIMIT, 0},
  {"limit 1", 1, NO_LIMIT, 0},
  {"limit 4095", 4095, NO_LIMIT, 0},
  {"limit 4096", 4096, NO_LIMIT, 0},
  {"limit 16384", 16384, NO_LIMIT, 0},
  {"limit 1 GiB", 1 << 30, NO_LIMIT, 0},
  {"file size 0", NO_LIMIT, 0, 0},
  {"file size 100", NO_LIMIT, 100, 0},
  {"file size 10000", NO_LIMIT, 10000, 0},
  {"SIGQUIT", NO_LIMIT, NO_LIMIT, SIGQUIT},
  {"SIGILL", NO_LIMIT, NO_LIMIT, SIGILL},
  {"SIGTRAP", NO_LIMIT, NO_LIMIT, SIGTRAP},
  {"SIGABRT", NO_LIMIT, NO_LIMIT, SIGABRT},
  {"SIGBUS", NO_LIMIT, NO_LIMIT, SIGBUS},
  {"SIGFPE", NO_LIMIT, NO_LIMIT, SIGFPE},
  {"SIGXCPU", NO_LIMIT, NO_LIMIT, SIGXCPU},
  {"SIGXFSZ", NO_LIMIT, NO_LIMIT, SIGXFSZ},
  {"SIGSYS", NO_LIMIT, NO_LIMIT, SIGSYS},
  {"SIGKILL", NO_LIMIT, NO_LIMIT, SIGKILL},
  {"SIGTERM", NO_LIMIT, NO_LIMIT, SIGTERM},
  {"SIGUSR1", NO_LIMIT, NO_LIMIT, SIGUSR1},
  {"SIGRTMIN", NO_LIMIT, NO_LIMIT, 34},
  {"a link to nothing", NO_LIMIT, NO_LIMIT, 0, with_link},
  {"a link to a file", NO_LIMIT, NO_LIMIT, 0, with_good_link},
  {"a directory", NO_LIMIT, NO_LIMIT, 0, with_directory},
  {"a file with two names", NO_LIMIT, NO_LIMIT, 0, with_second_name},
  {"a fifo", NO_LIMIT, NO_LIMIT, 0, with_fifo},
  {"not dumpable", NO_LIMIT, NO_LIMIT, 0, NULL, not_dumpable},
  {"dumpable 2", NO_LIMIT, NO_LIMIT, 0, NULL, dumpable_two},
  {"dumpable again", NO_LIMIT, NO_LIMIT, 0, NULL, dumpable_again},
  {"another user", NO_LIMIT, NO_LIMIT, 0, NULL, other_user},
  {"another user, dumpable", NO_LIMIT, NO_LIMIT, 0, NULL, other_user_dumpable},
  {"another user, dumpable, may write", NO_LIMIT, NO_LIMIT, 0, NULL, into_open_directory},
  {"another group", NO_LIMIT, NO_LIMIT, 0, NULL, other_group},
  {"umask 0277", NO_LIMIT, NO_LIMIT, 0, NULL, narrow_umask},
  {"umask 0", NO_LIMIT, NO_LIMIT, 0, NULL, wide_umask},
  {"a directory that is gone", NO_LIMIT, NO_LIMIT, 0, NULL, gone_directory},
  {"a blocked fault", NO_LIMIT, NO_LIMIT, 0, NULL, blocked},
  {"an ignored fault", NO_LIMIT, NO_LIMIT, 0, NULL, ignored},
  {"caught once", NO_LIMIT, NO_LIMIT, 0, NULL, caught_once},
  {"stopped first", NO_LIMIT, NO_LIMIT, SIGSEGV, NULL, stopped_first},
};

static void clean(void) {
  static const char *const NAMES[] = {"core", "target", "other"};
  rmdir("core");
  for (int i = 0; i < 3; i++) unlink(NAMES[i]);
  chmod(".", 0755);
}

/* How much there is of it, by its program headers. */
static const char *extent(off_t size) {
  unsigned char head[56 * 64 + 64];
  int fd = open("core", O_RDONLY);
  ssize_t got = read(fd, head, sizeof head);
  close(fd);
  if (got == 0) return "empty";
  int count = head[56] | head[57] << 8;
  if (got < 64 + 56 * count) return "only headers";
  unsigned long offset, length;
  memcpy(&offset, head + 64 + 56 * (count - 1) + 8, 8), memcpy(&length, head + 64 + 56 * (count - 1) + 32, 8);
  return (unsigned long)size == offset + length ? "whole" : "cut";
}

static void attempt(const struct attempt *this) {
  clean();
  if (this->prepare != NULL) this->prepare();
  printf("%s: ", this->what), fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    setvbuf(stdout, NULL, _IONBF, 0);
    if (this->change != NULL) this->change();
    set_limit(RLIMIT_CORE, this->core), set_limit(RLIMIT_FSIZE, this->size);
    if (this->signal != 0) kill(getpid(), this->signal);
    *(volatile int *)8 = 1;
    _exit(1);
  }
  int status;
  siginfo_t info;
  while (waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) kill(child, SIGCONT);
  printf("status %x ", status);
  struct stat found;
  if (lstat("core", &found) == 0) {
    int plain = S_ISREG(found.st_mode);
    printf("mode %o uid %d gid %d ", found.st_mode, found.st_uid, found.st_gid);
    if (plain) printf("links %d, %s", (int)found.st_nlink, extent(found.st_size));
    else if (S_ISDIR(found.st_mode)) printf("directory");
  } else printf("none");
  printf(" target %s other %s\n", lstat("target", &found) == 0 ? "there" : "-", lstat("other", &found) == 0 ? "there" : "-");
  clean();
}

static void told(const char *what, rlim_t limit) {
  pid_t child = fork();
  if (child == 0) set_limit(RLIMIT_CORE, limit), abort();
  siginfo_t info;
  waitid(P_PID, child, &info, WEXITED);
  printf("%s: %s %d\n", what, info.si_code == CLD_DUMPED ? "dumped" : info.si_code == CLD_KILLED ? "killed" : "?", info.si_status);
  clean();
}

int main(int argc, char **argv) {
  (void)argc;
  need_core_files();
  setvbuf(stdout, NULL, _IONBF, 0);
  if (chdir(argv[1]) != 0) perror("chdir");
  for (unsigned i = 0; i < sizeof ATTEMPTS / sizeof *ATTEMPTS; i++) attempt(&ATTEMPTS[i]);
  told("a parent hears of a core", NO_LIMIT), told("a parent hears of none", 0);
  return 0;
}
