/* Programs that eat memory, one per name; each ends by itself when the kernel says no, or is killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096L
#define MB (1L << 20)

static void touch(char *from, long bytes) {
  for (long i = 0; i < bytes; i += PAGE) from[i] = 1;
}

static void say(const char *what, long result) {
  printf("%s: %s\n", what, result == -1 ? strerrorname_np(errno) : "works");
}

/* One mapping larger than memory is refused; small ones are granted until touching them kills. */
static void eat_mmap(void) {
  say("a mapping larger than memory", (long)mmap(0, 1L << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  fflush(stdout);
  for (;;) {
    char *p = mmap(0, 4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) break;
    touch(p, 4 * MB);
  }
  puts("not killed");
}

static void eat_brk(void) {
  for (;;) {
    char *p = sbrk(MB);
    if (p == (char *)-1) break;
    touch(p, MB);
  }
  puts("not killed");
}

/* read(2) into untouched memory: the kernel itself needs the pages. */
static void eat_read(void) {
  int zero = open("/dev/zero", O_RDONLY);
  for (;;) {
    char *p = mmap(0, 4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) break;
    for (long done = 0; done < 4 * MB;) {
      long n = read(zero, p + done, 4 * MB - done);
      if (n < 0) { say("read", n); exit(1); }
      done += n;
    }
  }
  puts("not killed");
}

static void eat_populate(void) {
  for (int i = 0; i < 64; i++) {
    char *p = mmap(0, 4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED) { say("populate", -1); exit(0); }
  }
  puts("populated");
}

static void oom_score_adj(const char *value) {
  int fd = open("/proc/self/oom_score_adj", O_WRONLY);
  if (write(fd, value, strlen(value)) < 0) say("oom_score_adj", -1);
  close(fd);
}

/* Children that share a quarter of memory and then write to it. */
static void eat_cow(void) {
  char *p = mmap(0, 12 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  touch(p, 12 * MB);
  int killed = 0, go[2];
  oom_score_adj("-1000");
  pipe(go);
  for (int i = 0; i < 12; i++) {
    if (fork() == 0) {
      char c;
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      oom_score_adj("0");
      read(go[0], &c, 1);
      touch(p, 12 * MB);
      pause();
      _exit(0);
    }
  }
  write(go[1], "xxxxxxxxxxxx", 12);
  sleep(1);
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  int status;
  while (wait(&status) > 0) killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  printf("%s, %s\n", killed > 0 ? "some were killed" : "none was killed", killed < 12 ? "some were not" : "all were");
}

/* Shared memory and files in memory: the error of the call, or of the access. */
static void eat_tmpfs(void) {
  char block[65536];
  memset(block, 1, sizeof block);
  int fd = open("/tmp/big", O_RDWR | O_CREAT, 0600);
  long n;
  while ((n = write(fd, block, sizeof block)) > 0);
  say("write to a full memory", n);
  say("a file after it", open("/tmp/other", O_RDWR | O_CREAT, 0600));
  say("truncation", ftruncate(fd, 0));
  say("write after it", write(fd, block, sizeof block));
  unlink("/tmp/big");
}

static void eat_sized_tmpfs(void) {
  char block[65536];
  memset(block, 1, sizeof block);
  mkdir("/tmp/small", 0777);
  say("mount", mount("none", "/tmp/small", "tmpfs", 0, "size=1m,nr_inodes=20"));
  int fd = open("/tmp/small/f", O_RDWR | O_CREAT, 0600);
  long n, total = 0;
  while ((n = write(fd, block, 50000)) > 0) total += n;
  printf("%ld bytes\n", total);
  say("one byte more", n);
  say("fallocate", posix_fallocate(fd, 4 * MB, PAGE) == 0 ? 0 : (errno = ENOSPC, -1));
  char *p = mmap(0, 2 * MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  say("a hole", ftruncate(fd, 2 * MB));
  char name[64];
  int made = 0;
  for (int i = 0; i < 64; i++) {
    sprintf(name, "/tmp/small/%d", i);
    int file = open(name, O_WRONLY | O_CREAT, 0600);
    if (file < 0) break;
    close(file);
    made++;
  }
  say("a file too many", made < 64 ? -1 : 0);
  printf("%d files\n", made);
  fflush(stdout);
  if (fork() == 0) { touch(p, 2 * MB); _exit(0); }
  int status;
  wait(&status);
  printf("the hole: %s\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS ? "SIGBUS" : "no signal");
  say("truncation", ftruncate(fd, 0));
  say("write", write(fd, block, 50000));
  munmap(p, 2 * MB);
  close(fd);
  say("unmount", umount("/tmp/small"));
}

static void eat_memfd(void) {
  int fd = memfd_create("m", 0);
  ftruncate(fd, 1L << 40);
  char *p = mmap(0, 1L << 40, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  for (long i = 0;; i += PAGE) p[i] = 1;
}

static void eat_pipes(void) {
  char block[65536];
  int full = 0, ends[2];
  struct rlimit files = { 65536, 65536 };
  setrlimit(RLIMIT_NOFILE, &files);
  while (pipe2(ends, O_NONBLOCK) == 0) {
    fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
    while (write(ends[1], block, sizeof block) > 0);
    full++;
    if (full > 30000) break;
  }
  say("a pipe too many", full > 30000 ? 0 : -1);
}

/* Page tables: one page in every 2 MiB. */
static void eat_tables(void) {
  long mapped = 0;
  for (int i = 0; i < 30000; i++) {
    char *p = mmap(0, 1L << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) break;
    for (long at = 0; at < 1L << 30; at += 2 * MB) mapped += 1 + *(volatile char *)(p + at);
  }
  puts("not killed");
}

static void eat_vmas(void) {
  long n = 0;
  char *p = MAP_FAILED, *last = p;
  for (; n < 200000; n++) {
    p = mmap(0, PAGE, n % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) break;
    last = p;
  }
  say("a mapping too many", p == MAP_FAILED ? -1 : 0);
  printf("%s\n", n > 65000 && n < 65536 ? "about 65530" : "not 65530");
  say("unmapping one", munmap(last, PAGE));
}

static void eat_stack(void) {
  volatile char frame[4096];
  frame[0] = 1;
  eat_stack();
  frame[1] = 2;
}

static void eat_processes(void) {
  int n = 0;
  char *p = mmap(0, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (;; n++) {
    int pid = fork();
    if (pid < 0) break;
    if (pid == 0) { touch(p, MB); pause(); }
  }
  say("a process too many", -1);
  signal(SIGTERM, SIG_IGN);
  kill(0, SIGTERM);
  while (wait(0) > 0);
}

static void eat_arguments(void) {
  static char text[131072];
  memset(text, 'a', sizeof text - 1);
  char *argv[200];
  for (int size = 0; size < 199; size++) argv[size] = text;
  argv[199] = 0;
  say("25 MB of arguments", execv("/proc/self/exe", argv));
  text[131071] = 'a';
  char *one[] = { "x", text, 0 };
  say("one argument of 128 KiB", execv("/proc/self/exe", one));
}

static const struct { const char *name; void (*run)(void); } all[] = {
  { "mmap", eat_mmap }, { "brk", eat_brk }, { "read", eat_read }, { "populate", eat_populate }, { "cow", eat_cow }, { "tmpfs", eat_tmpfs },
  { "sized-tmpfs", eat_sized_tmpfs }, { "memfd", eat_memfd }, { "pipes", eat_pipes }, { "tables", eat_tables }, { "vmas", eat_vmas },
  { "stack", eat_stack }, { "processes", eat_processes }, { "arguments", eat_arguments },
};

int main(int argc, char **argv) {
  setvbuf(stdout, 0, _IONBF, 0);
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    if (argc > 1 && strcmp(argv[1], all[i].name) == 0) all[i].run();
  }
  return 0;
}
