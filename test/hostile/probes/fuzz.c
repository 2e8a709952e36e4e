/* Calls every system call number with random and hostile arguments, each number in a child of its own.
   fuzz SEED ROUNDS [FIRST [LAST]] | fuzz SEED ROUNDS mix COUNT
   The children's descendants are killed with kill(-1), so this must never run on a real system: it refuses to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define LAST_NUMBER 460
#define PAGE 4096UL
#define POOL 16

static unsigned long state;
static unsigned long next(void) {
  state += 0x9e3779b97f4a7c15UL;
  unsigned long z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
  return z ^ (z >> 31);
}
static unsigned long below(unsigned long limit) { return next() % limit; }

/* Raw calls only: after the first hostile call nothing of libc can be relied on. */
static long call(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e, unsigned long f) {
  long result;
  register unsigned long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
  asm volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}

static char *arena, *read_only, *forbidden, *edge;
static char *paths[POOL];

static const unsigned long numbers[] = {
  0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 65, 255, 256, 1023, 1024, 1025, 4095, 4096, 4097, 8192, 65535, 65536, 1UL << 20, 1UL << 24,
  0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 1UL << 32, (1UL << 32) + 1, 1UL << 40, 1UL << 47,
  (1UL << 52) + 1, 1UL << 53, (1UL << 53) + 1, 1UL << 62, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, -1UL, -2UL, -9UL, -100UL, -4095UL,
};

static unsigned long pointer(void) {
  switch (below(16)) {
  case 0: return 0;
  case 1: return below(PAGE);
  case 2: return -1UL - below(16);
  case 3: return 0xffff800000000000UL + below(PAGE);
  case 4: return 0x0000800000000000UL - below(16);
  case 5: return 0x00007ffffffff000UL - below(32);
  case 6: return (unsigned long)read_only + below(PAGE);
  case 7: return (unsigned long)forbidden + below(PAGE);
  case 8: return (unsigned long)edge + PAGE - below(24);
  case 9: return (unsigned long)call + below(64);
  case 10: return (unsigned long)&state & -PAGE;
  case 11: case 12: return (unsigned long)paths[below(POOL)];
  default: return (unsigned long)arena + below(8 * PAGE);
  }
}

static unsigned long argument(void) {
  switch (below(8)) {
  case 0: return below(24);                    /* a descriptor, perhaps */
  case 1: return numbers[below(sizeof numbers / sizeof *numbers)];
  case 2: return 1UL << below(64);
  case 3: return next() >> below(64);
  case 4: return below(4096);
  default: return pointer();
  }
}

/* What a program that means well could pass. */
static unsigned long plausible(void) {
  switch (below(8)) {
  case 0: case 1: return below(18);
  case 2: return 0;
  case 3: return 1UL << below(20);
  case 4: return (unsigned long)paths[below(POOL - 1)];
  case 5: return below(3 * PAGE);
  default: return (unsigned long)arena + 64 * below(64);
  }
}

/* Structures in the arena: words that are again arguments. */
static void fill(int well_meant) {
  unsigned long *words = (unsigned long *)arena;
  for (int i = 0; i < 64; i++) words[below(8 * 64)] = well_meant ? plausible() : argument();
}

static void prepare(void) {
  arena = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  read_only = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  forbidden = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  edge = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(edge + PAGE, PAGE);
  static const char *const names[] = { "/", ".", "..", "", "/tmp/a", "/tmp/b", "/tmp/d", "/tmp/a/b", "/dev/null", "/dev/tty", "/dev/ptmx", "/proc/self/maps",
    "/proc/self/fd/3", "/dev/zero", "tmpfs" };
  char *text = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < POOL - 1; i++) {
    paths[i] = text + i * 64;
    strcpy(paths[i], names[i]);
  }
  paths[POOL - 1] = text + PAGE;
  memset(paths[POOL - 1], 'x', 2 * PAGE);
  int ends[2];
  pipe(ends);
  open("/tmp/a", O_RDWR | O_CREAT, 0666);
  open("/tmp", O_RDONLY | O_DIRECTORY);
  open("/dev/null", O_RDWR);
  open("/dev/zero", O_RDWR);
  open("/dev/ptmx", O_RDWR | O_NOCTTY);
  open("/proc/self/status", O_RDONLY);
  open("/tmp/a", O_PATH);
  epoll_create1(0);
  mkfifo("/tmp/f", 0666);
  open("/tmp/f", O_RDWR);
}

/* What a child may not be asked to do: end or change the parent that watches over it, or turn the machine off. */
static int aims_at_parent(long nr, const unsigned long *a, int parent) {
  int pid = (int)a[0];
  switch (nr) {
  case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo: case SYS_rt_tgsigqueueinfo:
    return pid == -1 || pid == parent || pid == -parent;
  case SYS_prlimit64: case SYS_process_vm_writev: return pid == parent;
  case SYS_reboot: return 1;
  default: return 0;
  }
}

static void one(long nr, int parent) {
  unsigned long a[6];
  int hostility = below(4);                      /* of four arguments */
  for (int i = 0; i < 6; i++) a[i] = below(4) < hostility ? argument() : plausible();
  fill(hostility < 2);
  if (aims_at_parent(nr, a, parent)) return;
  call(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void child(long number, int rounds, int parent) {
  setsid();
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(null, fd);
  prepare();
  struct rlimit files = { 256, 256 };
  setrlimit(RLIMIT_NOFILE, &files);
  for (int i = 0; i < rounds; i++) {
    struct itimerval soon = { { 0, 0 }, { 0, 20000 } };
    call(SYS_setitimer, ITIMER_REAL, (unsigned long)&soon, 0, 0, 0, 0);
    one(number < 0 ? (long)below(LAST_NUMBER + 1) : number, parent);
  }
  call(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

/* A child that has not ended after half a second is killed, and in any case all that it left behind. */
static int patient_wait(int pid) {
  int status = 0, got = 0;
  for (int i = 0; i < 25 && got == 0; i++) {
    got = waitpid(pid, &status, WNOHANG | __WALL);
    if (got == 0) usleep(20000);
  }
  kill(-1, SIGKILL);
  if (got == 0) waitpid(pid, &status, __WALL);
  while (waitpid(-1, 0, __WALL) > 0);
  return status;
}

int main(int argc, char **argv) {
  struct utsname name;
  uname(&name);
  if (getenv("FUZZ_IN_BANOS") == 0 || strcmp(name.nodename, "fuzzed") != 0 || argc < 3) return 2;
  unsigned long seed = strtoul(argv[1], 0, 0);
  int rounds = atoi(argv[2]), parent = getpid();
  int mixed = argc > 4 && strcmp(argv[3], "mix") == 0;
  long first = argc > 3 ? atol(argv[3]) : 0, last = argc > 4 ? atol(argv[4]) : argc > 3 ? first : LAST_NUMBER;
  if (mixed) first = 1;
  int exited = 0, killed = 0;
  for (long number = first; number <= last; number++) {
    state = seed * 1000003 + number;
    int pid = fork();
    if (pid == 0) child(mixed ? -1 : number, rounds, parent);
    if (pid < 0) return 3;
    int status = patient_wait(pid);
    if (WIFEXITED(status)) exited++;
    else killed++;
  }
  printf("%d exited, %d killed\n", exited, killed);
  return 0;
}
