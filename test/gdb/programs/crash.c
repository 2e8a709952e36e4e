/* Faults with a signal, and signals that handlers take. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

volatile int caught;

static void handler(int signal) { caught = signal; }

static int zero(void) { return 0; }

int main(int argc, char **argv) {
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  signal(SIGUSR2, SIG_IGN);
  raise(SIGUSR2);
  raise(SIGWINCH);
  volatile int *nowhere = (int *)(long)(16 + zero());
  *nowhere = caught;
  return 0;
}
