/* Policies, processors, priorities: of oneself, of another's process, of nobody, with arguments that are none. prctl, too. */
#include "userns.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define BAD 8
static pid_t victim;

static void policies(pid_t who) {
  static const int asked[] = {0, 1, 2, 3, 5, 6, 7, 99, -1, 0x40000000, 0x40000003};
  int zero = 0, one = 1;
  for (int i = 0; i < sizeof asked / sizeof *asked; i++) {
    char what[40];
    snprintf(what, sizeof what, "policy %x", asked[i]);
    show(what, syscall(SYS_sched_setscheduler, who, asked[i], &zero));
    show(" is", syscall(SYS_sched_getscheduler, who));
  }
  show("no parameter", syscall(SYS_sched_setscheduler, who, 0, NULL));
  show("bad parameter", syscall(SYS_sched_setscheduler, who, 0, BAD));
  show("batch with a priority", syscall(SYS_sched_setscheduler, who, 3, &one));
  show("setparam", syscall(SYS_sched_setparam, who, &zero));
  show("setparam, a priority", syscall(SYS_sched_setparam, who, &one));
  show("setparam, none", syscall(SYS_sched_setparam, who, NULL));
  show("getparam, none", syscall(SYS_sched_getparam, who, NULL));
  show("getparam, bad", syscall(SYS_sched_getparam, who, BAD));
  show("interval, bad", syscall(SYS_sched_rr_get_interval, who, BAD));
}

static void processors(pid_t who) {
  unsigned long all[16], none[16] = {0};
  memset(all, 255, sizeof all);
  show("all processors", syscall(SYS_sched_setaffinity, who, sizeof all, all));
  show("no processor", syscall(SYS_sched_setaffinity, who, sizeof none, none));
  show("an empty mask", syscall(SYS_sched_setaffinity, who, 0, all));
  show("a bad mask", syscall(SYS_sched_setaffinity, who, 8, BAD));
  show("a byte", syscall(SYS_sched_setaffinity, who, 1, all));
  show("get seven bytes", syscall(SYS_sched_getaffinity, who, 7, all));
  show("get to nowhere", syscall(SYS_sched_getaffinity, who, 8, BAD));
}

static void priorities(pid_t who) {
  static const int asked[] = {2 << 13 | 4, 3 << 13, 1 << 13 | 4, 2 << 13 | 9, 5 << 13, 3, 0};
  show("nice", setpriority(PRIO_PROCESS, who, 19));
  show("nicer", setpriority(PRIO_PROCESS, who, 18));
  for (int i = 0; i < sizeof asked / sizeof *asked; i++) {
    char what[40];
    snprintf(what, sizeof what, "I/O priority %x", asked[i]);
    show(what, syscall(SYS_ioprio_set, 1, who, asked[i]));
  }
  show("I/O priority", syscall(SYS_ioprio_get, 1, who));
  show("of nobody's", syscall(SYS_ioprio_set, 1, who, 2 << 13));
}

static void everything(void) {
  static const char *names[] = {"own", "the other", "negative", "nobody"};
  pid_t targets[] = {0, victim, -1, 4000000};
  for (int i = 0; i < 4; i++) {
    printf("-- %s\n", names[i]);
    policies(targets[i]);
    processors(targets[i]);
    priorities(targets[i]);
  }
}
static void everything_as_user(void) { become(1000, 1000); everything(); }

static void forks(void) {
  int zero = 0;
  setpriority(PRIO_PROCESS, 0, -5);
  show("reset on fork", syscall(SYS_sched_setscheduler, 0, 0x40000003, &zero));
  fflush(stdout);
  if (fork() == 0) {
    show("child's policy", syscall(SYS_sched_getscheduler, 0));
    show("child's priority", 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0));
    fflush(stdout);
    _exit(0);
  }
  wait(NULL);
  show("own priority", syscall(SYS_getpriority, PRIO_PROCESS, 0));
}

static void name_is(void) {
  char name[16];
  prctl(PR_GET_NAME, name);
  puts(name);
}

static void settings(void) {
  char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096, 4096);
  memset(page, 'A', 4096);
  show("a bad name", prctl(PR_SET_NAME, BAD));
  name_is();
  show("a long name", prctl(PR_SET_NAME, "0123456789abcdefghi"));
  name_is();
  show("a name cut off", prctl(PR_SET_NAME, page + 4093));
  name_is();
  show("a name at the end", prctl(PR_SET_NAME, page + 4096 - 15));
  name_is();
  show("no name", prctl(PR_SET_NAME, ""));
  name_is();
  show("get to nowhere", prctl(PR_GET_NAME, BAD));
  show("dumpable 2", prctl(PR_SET_DUMPABLE, 2));
  show("dumpable -1", prctl(PR_SET_DUMPABLE, -1));
  show("death signal 65", prctl(PR_SET_PDEATHSIG, 65));
  show("death signal -1", prctl(PR_SET_PDEATHSIG, -1));
  show("death signal 64", prctl(PR_SET_PDEATHSIG, 64));
  show("death signal to nowhere", prctl(PR_GET_PDEATHSIG, BAD));
  show("no new privileges, too much", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1));
  show("asked for too much", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 1));
  show("asked for", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show("privileges again", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  show("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 5));
  show("subreaper to nowhere", prctl(PR_GET_CHILD_SUBREAPER, BAD));
  show("keep 2", prctl(PR_SET_KEEPCAPS, 2));
  show("keep", prctl(PR_SET_KEEPCAPS, 1));
  show("kept", prctl(PR_GET_KEEPCAPS));
  show("bounding 41", prctl(PR_CAPBSET_READ, 41));
  show("bounding -1", prctl(PR_CAPBSET_READ, -1));
  show("bounding 0", prctl(PR_CAPBSET_READ, 0));
  show("drop 41", prctl(PR_CAPBSET_DROP, 41));
  show("drop 3", prctl(PR_CAPBSET_DROP, 3));
  show("bounding 3", prctl(PR_CAPBSET_READ, 3));
  show("unknown", prctl(9999));
  become(1000, 1000);
  show("drop 41 as a user", prctl(PR_CAPBSET_DROP, 41));
}

int main(void) {
  victim = fork();
  if (victim == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  in_child("the superuser", everything);
  in_child("a user", everything_as_user);
  in_child("forks", forks);
  in_child("settings", settings);
  kill(victim, SIGKILL);
  waitpid(victim, NULL, 0);
  return 0;
}
