/* Robust futexes: who ends while holding locks, by return, signal or exec, marks their words and wakes who waits; damaged lists do no harm. */
#define _GNU_SOURCE
#include "../../support/asleep.h"
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct shared {
  pthread_mutex_t locks[3];
  uint32_t word, free_word;
  struct robust_list entries[4];
  struct robust_list_head head;
} *shared;

static long futex(uint32_t *word, int op, uint32_t value) { return syscall(SYS_futex, word, op, value, 0, 0, 0); }

static void asked(const char *what, long result) { printf("%s: %s\n", what, result ? strerrorname_np(errno) : "0"); }

static void make_locks(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  for (int i = 0; i < 3; i++) pthread_mutex_init(&shared->locks[i], &attributes);
}

/* What taking each lock says, and whether it is whole again. */
static void take_all(const char *what) {
  printf("%s:", what);
  for (int i = 0; i < 3; i++) {
    int got = pthread_mutex_lock(&shared->locks[i]);
    printf(" %s", got ? strerrorname_np(got) : "taken");
    if (got == EOWNERDEAD) printf("+%d", pthread_mutex_consistent(&shared->locks[i]));
    pthread_mutex_unlock(&shared->locks[i]);
  }
  putchar('\n');
}

static void *thread_that_ends(void *unused) {
  pthread_mutex_lock(&shared->locks[1]);
  return unused;
}

static void by_process(const char *what, int how) {
  int ready[2];
  char byte;
  pipe(ready);
  int child = fork();
  if (child == 0) {
    pthread_mutex_lock(&shared->locks[0]);
    pthread_mutex_lock(&shared->locks[2]);
    write(ready[1], "!", 1);
    if (how == 0) _exit(0);
    if (how == 1) execl("/proc/self/exe", "robust", "idle", (char *)0);
    for (;;) pause();
  }
  read(ready[0], &byte, 1);
  int waiter = fork();
  if (waiter == 0) _exit(pthread_mutex_lock(&shared->locks[2]));
  if (how == 2) {
    until_asleep(waiter);
    kill(child, SIGKILL);
  }
  int status;
  waitpid(waiter, &status, 0);
  printf("%s: waiter got %d\n", what, WEXITSTATUS(status));
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  close(ready[0]), close(ready[1]);
  take_all(what);
}

/* A list written by hand; afterwards the words tell what was done to them. 9 stands for the thread's number. */
static void by_hand(const char *what, uint32_t word, int which) {
  int child = fork();
  if (child == 0) {
    struct robust_list_head *head = &shared->head;
    uint32_t own = gettid();
    shared->word = (word & ~FUTEX_TID_MASK) | ((word & FUTEX_TID_MASK) == 9 ? own : (word & FUTEX_TID_MASK));
    shared->free_word = own;
    head->futex_offset = (char *)&shared->word - (char *)&shared->entries[0];
    head->list_op_pending = 0;
    head->list.next = &shared->entries[0];
    shared->entries[0].next = &head->list;
    if (which == 1) shared->entries[0].next = &shared->entries[0];
    if (which == 2) shared->entries[0].next = (void *)8;
    if (which == 3) head->futex_offset += 1;
    if (which == 4) head->list.next = (void *)16;
    if (which == 5) head->list.next = &head->list, head->list_op_pending = &shared->entries[0];
    if (which == 6) head->list_op_pending = &shared->entries[0];
    if (which == 7) head->list.next = (void *)((char *)&shared->entries[0] + 1);
    if (which == 8) head->futex_offset = -((intptr_t)1 << 60);
    syscall(SYS_set_robust_list, which == 9 ? (void *)24 : (void *)head, sizeof *head);
    _exit(0);
  }
  waitpid(child, 0, 0);
  uint32_t left = shared->word, owner = left & FUTEX_TID_MASK;
  printf("%s: %s%s%s\n", what, left & FUTEX_WAITERS ? "waiters " : "", left & FUTEX_OWNER_DIED ? "died " : "",
         owner == 0 ? "nobody" : owner == (uint32_t)child ? "still the child" : "another");
}

int main(int argc, char **argv) {
  if (argc > 1) for (;;) pause();
  setvbuf(stdout, 0, _IONBF, 0);
  shared = mmap(0, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  make_locks();
  take_all("free");
  by_process("exit", 0);
  by_process("exec", 1);
  by_process("killed", 2);
  pthread_t thread;
  pthread_create(&thread, 0, thread_that_ends, 0);
  pthread_join(thread, 0);
  take_all("thread");

  by_hand("own", 9, 0);
  by_hand("own, with waiters", 9 | FUTEX_WAITERS, 0);
  by_hand("another's", 1, 0);
  by_hand("nobody's", 0, 0);
  by_hand("a circle", 9 | FUTEX_WAITERS, 1);
  by_hand("a wild next", 9, 2);
  by_hand("a crooked offset", 9, 3);
  by_hand("a wild first", 9, 4);
  by_hand("pending", 9, 5);
  by_hand("pending, given back", 0, 5);
  by_hand("pending and in the list", 9, 6);
  by_hand("priority inheritance", 9 | FUTEX_WAITERS, 7);
  by_hand("a far offset", 9, 8);
  by_hand("a wild head", 9, 9);

  struct robust_list_head *head = (void *)1;
  size_t size = 1;
  int child = fork();
  if (child == 0) for (;;) pause();
  until_asleep(child); /* by then its libc has set its list */
  asked("child's", syscall(SYS_get_robust_list, child, &head, &size));
  printf("%d %zu\n", head != 0 && head != (void *)1, size);
  struct robust_list_head *own;
  asked("own", syscall(SYS_get_robust_list, 0, &own, &size));
  asked("set", syscall(SYS_set_robust_list, &shared->head, sizeof *head));
  asked("set before", syscall(SYS_get_robust_list, 0, &head, &size));
  printf("%d\n", head == &shared->head);
  syscall(SYS_set_robust_list, own, sizeof *head);
  asked("bad size pointer", syscall(SYS_get_robust_list, 0, &head, 8L));
  asked("bad head pointer", syscall(SYS_get_robust_list, 0, 8L, &size));
  asked("nobody's", syscall(SYS_get_robust_list, 999999, &head, &size));
  asked("negative", syscall(SYS_get_robust_list, -1, &head, &size));
  asked("a size that is not known", syscall(SYS_set_robust_list, own, 12L));
  if (fork() == 0) {
    setuid(1000);
    asked("another user's", syscall(SYS_get_robust_list, child, &head, &size));
    _exit(0);
  }
  wait(0);
  kill(child, SIGKILL);
  waitpid(child, 0, 0);
  return 0;
}
