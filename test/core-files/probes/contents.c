/* What a core file holds: notes in their order, states of threads, mappings by filter, bytes. Argument: a directory. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core.h"
#include "../../support/asleep.h"

#define PAGE 4096
#define AT 0x200000000000ul
#define STEP 0x100000ul
#define PAGES 4

static const char *const PLACES[] = {
  "anonymous, written to", "anonymous, untouched", "anonymous, only read", "anonymous, no access now",
  "anonymous, MADV_DONTDUMP", "anonymous, MADV_DONTDUMP and MADV_DODUMP", "shared anonymous", "private, plain file",
  "private, plain file, written to", "private, second page of a program", "private, program",
  "private, ELF that cannot be executed", "private, ELF without right to read", "shared, file", "shared, file that is gone",
  "shared, memfd",
};
#define COUNT (sizeof PLACES / sizeof *PLACES)

static char *at(int place) { return (char *)(AT + place * STEP); }

static char *map(int place, int prot, int flags, int fd, off_t offset) {
  char *got = mmap(at(place), PAGES * PAGE, prot, flags | MAP_FIXED, fd, offset);
  if (got != at(place)) perror("mmap");
  return got;
}

static int file_of(const char *name, const char *begin, mode_t mode) {
  int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0644);
  fchmod(fd, mode);
  pwrite(fd, begin, strlen(begin), 0), ftruncate(fd, PAGES * PAGE);
  for (int i = 1; i < PAGES; i++) pwrite(fd, begin, 2, i * PAGE);
  return fd;
}

static void map_all(void) {
  enum { RW = PROT_READ | PROT_WRITE, MINE = MAP_PRIVATE | MAP_ANONYMOUS };
  map(0, RW, MINE, -1, 0)[2 * PAGE] = 'a';
  map(1, RW, MINE, -1, 0);
  if (map(2, RW, MINE, -1, 0)[PAGE] != 0) puts("not zero");
  map(3, RW, MINE, -1, 0)[PAGE] = 'b', mprotect(at(3), PAGES * PAGE, PROT_NONE);
  map(4, RW, MINE, -1, 0)[PAGE] = 'c', madvise(at(4), PAGES * PAGE, MADV_DONTDUMP);
  map(5, RW, MINE, -1, 0)[PAGE] = 'd', madvise(at(5), PAGES * PAGE, MADV_DONTDUMP), madvise(at(5), PAGES * PAGE, MADV_DODUMP);
  map(6, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0)[3 * PAGE] = 'e';
  int plain = file_of("plain", "text", 0644);
  map(7, RW, MAP_PRIVATE, plain, 0);
  map(8, RW, MAP_PRIVATE, plain, 0)[PAGE] = 'f';
  int program = file_of("program", "#!x", 0755);
  map(9, PROT_READ, MAP_PRIVATE, program, PAGE);
  map(10, PROT_READ, MAP_PRIVATE, program, 0);
  int elf = file_of("elf", "\177ELF...", 0644);
  map(11, PROT_READ, MAP_PRIVATE, elf, 0);
  map(12, PROT_NONE, MAP_PRIVATE, elf, 0);
  map(13, RW, MAP_SHARED, file_of("shared", "shared", 0644), 0)[PAGE] = 'g';
  map(14, RW, MAP_SHARED, file_of("gone", "gone", 0644), 0)[PAGE] = 'h', unlink("gone");
  int memory = memfd_create("memory", 0);
  ftruncate(memory, PAGES * PAGE), map(15, RW, MAP_SHARED, memory, 0)[PAGE] = 'i';
}

static void filter(const char *text) {
  char path[64];
  int fd = open("/proc/self/coredump_filter", O_WRONLY);
  if (write(fd, text, strlen(text)) < 0) perror("filter");
  close(fd);
}

static void show_filter(const char *when) {
  char text[32] = "";
  int fd = open("/proc/self/coredump_filter", O_RDONLY);
  if (read(fd, text, sizeof text - 1) < 0) perror("filter");
  close(fd);
  printf("filter %s: %s", when, text);
}

static void try_filter(const char *text) {
  int fd = open("/proc/self/coredump_filter", O_WRONLY);
  ssize_t got = write(fd, text, strlen(text));
  printf("write %s: %s\n", text, got < 0 ? strerrorname_np(errno) : "taken");
  close(fd);
  show_filter("then");
}

static pthread_barrier_t barrier;
static pid_t sleepers[2];
static void *sleeper(void *arg) {
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR1), sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, NULL), pthread_kill(pthread_self(), SIGUSR2);
  *(pid_t *)arg = gettid();
  pthread_barrier_wait(&barrier);
  for (;;) pause();
  return arg;
}

static unsigned char *core;
static long length;

static int load_core(void) {
  struct stat found;
  int fd = open("core", O_RDONLY);
  fstat(fd, &found), length = found.st_size;
  core = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  return found.st_blocks * 512l < length;
}

static Elf64_Phdr *segments(int *count) {
  Elf64_Ehdr *header = (Elf64_Ehdr *)core;
  *count = header->e_phnum;
  return (Elf64_Phdr *)(core + header->e_phoff);
}

static void show_notes(void) {
  int count;
  Elf64_Phdr *notes = segments(&count);
  int thread = 0;
  for (unsigned char *p = core + notes->p_offset; p < core + notes->p_offset + notes->p_filesz;) {
    Elf64_Nhdr *note = (Elf64_Nhdr *)p;
    unsigned char *content = p + 12 + (note->n_namesz + 3) / 4 * 4;
    p = content + (note->n_descsz + 3) / 4 * 4;
    /* What there is besides depends on the processor. */
    if (note->n_namesz == 6) continue;
    printf("note %x, %s\n", note->n_type, (char *)(note + 1));
    if (note->n_type == NT_PRSTATUS) {
      struct elf_prstatus *s = (void *)content;
      struct user_regs_struct *r = (void *)s->pr_reg;
      printf("thread %d: signal %d %d %d cursig %d pending %lx held %lx leader %d fpvalid %d\n", thread++, s->pr_info.si_signo,
             s->pr_info.si_code, s->pr_info.si_errno, s->pr_cursig, s->pr_sigpend, s->pr_sighold, s->pr_pid == s->pr_pgrp, s->pr_fpvalid);
      printf("orig_rax %ld cs %lx ss %lx ds %lx es %lx fs %lx gs %lx fs_base %d\n", (long)r->orig_rax, (long)r->cs, (long)r->ss,
             (long)r->ds, (long)r->es, (long)r->fs, (long)r->gs, r->fs_base != 0);
      if (thread == 1) printf("rbx %lx r12 %lx r15 %lx\n", (long)r->rbx, (long)r->r12, (long)r->r15);
      else printf("rax %ld\n", (long)r->rax);
    } else if (note->n_type == NT_PRPSINFO) {
      struct elf_prpsinfo *s = (void *)content;
      printf("%c %d nice %d uid %d gid %d name %s ends in a blank %d\n", s->pr_sname, s->pr_zomb, s->pr_nice, s->pr_uid, s->pr_gid, s->pr_fname, s->pr_psargs[strlen(s->pr_psargs) - 1] == 32);
    } else if (note->n_type == NT_SIGINFO) {
      siginfo_t *info = (void *)content;
      printf("signal %d code %d address %p\n", info->si_signo, info->si_code, info->si_addr);
    } else if (note->n_type == NT_FPREGSET) {
      struct user_fpregs_struct *f = (void *)content;
      printf("cwd %x mxcsr %x xmm7 %x\n", f->cwd, f->mxcsr, f->xmm_space[4 * 7]);
    } else if (note->n_type == NT_FILE) {
      long *words = (long *)content;
      char *name = (char *)(words + 2 + 3 * words[0]);
      for (long i = 0; i < words[0]; i++, name += strlen(name) + 1) {
        long *range = words + 2 + 3 * i;
        if ((unsigned long)range[0] < AT || (unsigned long)range[0] >= AT + COUNT * STEP) continue;
        char *slash = strrchr(name, '/');
        printf("mapped %ld pages of %s from %ld, unit %ld\n", (range[1] - range[0]) / PAGE, slash == NULL ? name : slash, range[2], words[1]);
      }
    }
  }
}

static void show_memory(void) {
  int count;
  Elf64_Phdr *segment = segments(&count);
  for (int i = 1; i < count; i++) {
    Elf64_Phdr *s = segment + i;
    if (s->p_vaddr < AT || s->p_vaddr >= AT + COUNT * STEP) continue;
    printf("%s: %ld of %ld pages, rights %x, align %lx, physical %lx:", PLACES[(s->p_vaddr - AT) / STEP], (long)s->p_filesz / PAGE,
           (long)s->p_memsz / PAGE, s->p_flags, (long)s->p_align, (long)s->p_paddr);
    for (unsigned long page = 0; page < s->p_filesz / PAGE; page++) {
      unsigned char byte = core[s->p_offset + page * PAGE];
      printf(" %x", byte);
    }
    printf("\n");
  }
}

static void crash(const char *bits, int threads) {
  printf("=== filter %s, %d more threads\n", bits, threads);
  unlink("core");
  pid_t child = fork();
  if (child == 0) {
    filter(bits);
    setpgid(0, 0);
    prctl(PR_SET_NAME, "name of it");
    setpriority(PRIO_PROCESS, 0, 3);
    map_all();
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, threads + 1);
    for (int i = 0; i < threads; i++) pthread_create(&thread, NULL, sleeper, &sleepers[i]);
    if (threads > 0) {
      pthread_barrier_wait(&barrier);
      for (int i = 0; i < threads; i++) until_asleep(sleepers[i]);
    }
    kill(getpid(), 0);
    asm volatile("mov $0x1234567, %%rbx\n mov $-2, %%r12\n mov $0x77, %%r15\n movd %%ebx, %%xmm7\n movl $1, 0x10" : : : "rbx", "r12", "r15", "xmm7", "memory");
    _exit(1);
  }
  int status;
  waitpid(child, &status, 0);
  printf("status %x\n", status);
  int is_sparse = load_core();
  if (threads > 0) printf("sparse %d\n", is_sparse), show_notes();
  show_memory();
  munmap(core, length);
}

int main(int argc, char **argv) {
  if (argc > 2) {
    show_filter("after exec");
    return 0;
  }
  need_core_files();
  setrlimit(RLIMIT_CORE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
  setvbuf(stdout, NULL, _IONBF, 0);
  char self[256];
  ssize_t got = readlink("/proc/self/exe", self, sizeof self - 1);
  self[got] = 0;
  if (chdir(argv[1]) != 0) perror("chdir");
  show_filter("at first");
  static const char *const TEXTS[] = {"0x7f\n", "077", "23", "0", "0x1ff", "0xffffffff", "0x100000000", "-1", "", "x", "1 ", " 2", "+3", "08", "1\n\n", "0x"};
  for (unsigned i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) try_filter(TEXTS[i]);
  filter("0x21");
  pid_t child = fork();
  if (child == 0) show_filter("after fork"), execl(self, self, argv[1], "again", NULL), _exit(1);
  waitpid(child, NULL, 0);
  static const char *const FILTERS[] = {"0x33", "0", "0x1", "0x2", "0x4", "0x8", "0x10", "0xff"};
  for (unsigned i = 0; i < sizeof FILTERS / sizeof *FILTERS; i++) crash(FILTERS[i], i == 0 ? 2 : 0);
  return 0;
}
