/* Three threads that meet at a barrier, and in one function. */
#include <pthread.h>

static pthread_barrier_t barrier;
static int counts[3];

static void meet(int n) {
  counts[n] += n + 1;
  pthread_barrier_wait(&barrier);
}

static void *work(void *arg) {
  int n = *(int *)arg;
  for (int i = 0; i < 3; i++) meet(n);
  return arg;
}

int main(void) {
  int numbers[3] = {0, 1, 2};
  pthread_t others[2];
  pthread_barrier_init(&barrier, 0, 3);
  for (int i = 1; i < 3; i++) pthread_create(&others[i - 1], 0, work, &numbers[i]);
  work(&numbers[0]);
  for (int i = 0; i < 2; i++) pthread_join(others[i], 0);
  return counts[0] + counts[1] + counts[2];
}
