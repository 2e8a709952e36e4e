/*
 * System calls with arguments from a box of bad ones: wild pointers, huge and negative lengths, unknown flags and
 * descriptors. Each child makes some thousand calls that follow from its seed; whatever they answer, or whether the
 * child dies of them, the kernel has to go on. Every fourth child changes its own memory map, too, of which it soon
 * dies. Prints how many children made it to their end.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;
static unsigned long next(void) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}
static unsigned below(unsigned n) { return next() % n; }

/* Everything about files, directories, metadata, polling and memory; not what ends or stops the child, signals it, or sleeps for good. */
static const short numbers[] = {
    0,   1,   2,   3,   4,   5,   6,   7,   8,   9,   10,  11,  12,  16,  17,  18,  19,  20,  21,  22,  23,  25,  26,  27,
    28,  32,  33,  40,  72,  73,  74,  75,  76,  77,  78,  79,  80,  81,  82,  83,  84,  85,  86,  87,  88,  89,  90,  91,
    92,  93,  94,  95,  132, 133, 136, 137, 138, 149, 150, 151, 152, 155, 161, 162, 165, 166, 187, 188, 189, 190, 191, 192,
    193, 194, 195, 196, 197, 198, 199, 217, 221, 235, 257, 258, 259, 260, 261, 262, 263, 264, 265, 266, 267, 268, 269, 270,
    271, 275, 277, 278, 280, 285, 292, 293, 295, 296, 306, 316, 319, 325, 326, 327, 328, 332, 436, 437, 439, 452};

static char *page;
static const char *const names[] = {"a", "b", "d", "d/x", "fifo", ".", "..", "/", "/dev/null", "/dev/zero", "/proc/self/fd/1", "/proc/self/maps", "/dev/tty", "/dev/ptmx", "link", "loop", "", "a/", "//", "/proc/1/status"};

static long argument(void) {
  switch (below(14)) {
    case 0: return 0;
    case 1: return -(long)below(5);
    case 2: return below(12);
    case 3: return 1L << below(64);
    case 4: return (1L << below(64)) - 1;
    case 5: return next();
    case 6: return (long)page + below(4096);
    case 7: return (long)page + 4096 - below(40);
    case 8: return (long)page & ~0xfffL;
    case 9: return 0x7ffffffff000 - below(20);
    case 10: return 0x8000000000000000;
    case 11: return 0xffffffff00000000 + below(100);
    case 12: return (long)names[below(sizeof names / sizeof *names)];
    default: return below(5000);
  }
}

static void interrupted(int number) { (void)number; }

static void child(int seed, int calls) {
  state = 88172645463325252UL + seed * 7919UL;
  for (int i = 0; i < 10; i++) next();
  page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mmap(page + 4096, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  struct sigaction action = {.sa_handler = interrupted};
  sigaction(SIGALRM, &action, 0);
  signal(SIGPIPE, SIG_IGN), signal(SIGXFSZ, SIG_IGN), signal(SIGTTOU, SIG_IGN), signal(SIGTTIN, SIG_IGN), signal(SIGHUP, SIG_IGN), signal(SIGIO, SIG_IGN);
  struct itimerval often = {{0, 2000}, {0, 2000}};
  setitimer(ITIMER_REAL, &often, 0);
  int p[2];
  pipe(p), open("a", O_RDWR | O_CREAT, 0666), open(".", O_RDONLY), open("/dev/ptmx", O_RDWR | O_NONBLOCK);
  for (int i = 0; i < calls; i++) {
    for (int j = 0; j < 8; j++) ((long *)page)[below(512)] = below(3) ? argument() : (long)next();
    int number = numbers[below(sizeof numbers / sizeof *numbers)];
    if (seed % 4 && number >= 9 && number <= 28 && (number <= 12 || number >= 25)) continue;
    /* A mask of ppoll or pselect6 could hold the alarm off for ever. */
    long fourth = number == SYS_ppoll ? 0 : argument(), sixth = number == SYS_pselect6 ? 0 : argument();
    syscall(number, argument(), argument(), argument(), fourth, argument(), sixth);
  }
}

int main(int argc, char **argv) {
  int children = atoi(argv[2]), calls = atoi(argv[3]), survivors = 0;
  chdir(argv[1]);
  mkdir("d", 0777), mkfifo("fifo", 0666), symlink("a", "link"), symlink("loop", "loop");
  for (int seed = 0; seed < children; seed++) {
    if (fork() == 0) {
      close(0), close(1), close(2);
      open("/dev/null", O_RDWR), dup(0), dup(0);
      if (seed % 2) setuid(1000);
      child(seed, calls);
      _exit(0);
    }
    int status;
    wait(&status);
    survivors += status == 0;
  }
  printf("%d of %d\n", survivors, children);
  return 0;
}
