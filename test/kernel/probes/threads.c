/* POSIX threads over clone and futex: mutexes, conditions, barriers, join, thread-directed signals, exit. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long sum, turn;
static __thread long mine;
static pthread_key_t key;
static volatile pthread_t signalled;

static void destroy(void *value) { __atomic_add_fetch((long *)value, 1, __ATOMIC_SEQ_CST); }
static long destroyed;

static void *add(void *argument) {
  pthread_setspecific(key, &destroyed);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < ROUNDS; i++) {
    pthread_mutex_lock(&lock);
    sum += (long)argument;
    pthread_mutex_unlock(&lock);
    mine++;
  }
  return (void *)mine;
}

static void *take_turns(void *argument) {
  for (long i = (long)argument; i < 200; i += 2) {
    pthread_mutex_lock(&lock);
    while (turn != i) pthread_cond_wait(&changed, &lock);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
  }
  return 0;
}

static void note(int signal) {
  (void)signal;
  signalled = pthread_self();
}
static void *wait_for_signal(void *argument) {
  sigset_t set;
  (void)argument;
  sigemptyset(&set);
  sigsuspend(&set);
  return (void *)(long)pthread_equal(signalled, pthread_self());
}

static void *leave(void *argument) {
  (void)argument;
  usleep(10000);
  _exit(33);
}

static char *self;
static void *execute(void *argument) {
  (void)argument;
  execl(self, self, "again", (char *)0);
  _exit(1);
}

int main(int argc, char **argv) {
  pthread_t threads[THREADS];
  self = argv[0];
  if (argc > 1) {
    printf("executed by a thread: leader %d\n", gettid() == getpid());
    return 12;
  }
  setvbuf(stdout, 0, _IOLBF, 0);
  pthread_key_create(&key, destroy);
  pthread_barrier_init(&barrier, 0, THREADS);
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], 0, add, (void *)(i + 1));
  long total = 0;
  for (int i = 0; i < THREADS; i++) {
    void *result;
    pthread_join(threads[i], &result);
    total += (long)result;
  }
  printf("sum %ld rounds %ld destroyed %ld\n", sum, total, destroyed);
  pthread_create(&threads[0], 0, take_turns, (void *)0);
  pthread_create(&threads[1], 0, take_turns, (void *)1);
  pthread_join(threads[0], 0);
  pthread_join(threads[1], 0);
  printf("turns %ld\n", turn);
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += 5000000;
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  pthread_mutex_lock(&lock);
  int error = pthread_cond_timedwait(&changed, &lock, &until);
  printf("timed wait: %s\n", strerror(error));
  pthread_mutex_unlock(&lock);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, 0);
  signal(SIGUSR1, note);
  pthread_create(&threads[0], 0, wait_for_signal, 0);
  pthread_create(&threads[1], 0, wait_for_signal, 0);
  void *first, *second;
  pthread_kill(threads[1], SIGUSR1);
  pthread_join(threads[1], &second);
  pthread_kill(threads[0], SIGUSR1);
  pthread_join(threads[0], &first);
  printf("signals to threads %ld %ld\n", (long)first, (long)second);
  pid_t child = fork();
  if (child == 0) {
    pthread_create(&threads[0], 0, leave, 0);
    for (;;) pause();
  }
  int status;
  waitpid(child, &status, 0);
  printf("exit_group from a thread %x\n", status);
  child = fork();
  if (child == 0) {
    pthread_create(&threads[0], 0, leave, 0);
    pthread_exit(0);
  }
  waitpid(child, &status, 0);
  printf("exit after the leader %x\n", status);
  child = fork();
  if (child == 0) {
    pthread_create(&threads[0], 0, execute, 0);
    for (;;) pause();
  }
  waitpid(child, &status, 0);
  printf("exec from a thread %x\n", status);
  return 0;
}
