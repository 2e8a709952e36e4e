/* Clocks through the vDSO against the same clocks through system calls: found, in order, and where none answers. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_fn)(clockid_t, struct timespec *);
typedef int (*day_fn)(struct timeval *, struct timezone *);
typedef time_t (*time_fn)(time_t *);
typedef long (*cpu_fn)(unsigned *, unsigned *, void *);

/* As a C library does it: through the dynamic section, with the version. */
static void *find(const char *wanted) {
  char *base = (char *)getauxval(AT_SYSINFO_EHDR);
  if (!base || memcmp(base, ELFMAG, SELFMAG)) return NULL;
  Elf64_Ehdr *header = (Elf64_Ehdr *)base;
  Elf64_Phdr *programs = (Elf64_Phdr *)(base + header->e_phoff);
  char *load = NULL;
  Elf64_Dyn *dynamic = NULL;
  for (int i = 0; i < header->e_phnum; i++) {
    if (programs[i].p_type == PT_LOAD) load = base + programs[i].p_offset - programs[i].p_vaddr;
    if (programs[i].p_type == PT_DYNAMIC) dynamic = (Elf64_Dyn *)(base + programs[i].p_offset);
  }
  Elf64_Sym *symbols = NULL;
  char *strings = NULL;
  uint16_t *versions = NULL;
  char *definitions = NULL;
  for (; dynamic->d_tag != DT_NULL; dynamic++) {
    char *at = load + dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_SYMTAB) symbols = (Elf64_Sym *)at;
    if (dynamic->d_tag == DT_STRTAB) strings = at;
    if (dynamic->d_tag == DT_VERSYM) versions = (uint16_t *)at;
    if (dynamic->d_tag == DT_VERDEF) definitions = at;
  }
  for (int i = 1; i < 64; i++) {
    if (symbols[i].st_name == 0 || strcmp(strings + symbols[i].st_name, wanted)) continue;
    for (char *at = definitions;;) {
      Elf64_Verdef *definition = (Elf64_Verdef *)at;
      Elf64_Verdaux *name = (Elf64_Verdaux *)(at + definition->vd_aux);
      if (definition->vd_ndx == (versions[i] & 0x7fff) && !strcmp(strings + name->vda_name, "LINUX_2.6")) {
        return load + symbols[i].st_value;
      }
      if (!definition->vd_next) return NULL;
      at += definition->vd_next;
    }
  }
  return NULL;
}

static int after(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec != b->tv_sec ? b->tv_sec > a->tv_sec : b->tv_nsec >= a->tv_nsec;
}

static void clocks(clock_fn get) {
  static const struct {
    int id;
    const char *name;
  } all[] = {{0, "REALTIME"},     {1, "MONOTONIC"},        {4, "MONOTONIC_RAW"}, {5, "REALTIME_COARSE"}, {6, "MONOTONIC_COARSE"},
             {7, "BOOTTIME"},     {11, "TAI"},             {2, "PROCESS_CPUTIME"}, {3, "THREAD_CPUTIME"},  {8, "REALTIME_ALARM"},
             {9, "BOOTTIME_ALARM"}, {10, "SGI_CYCLE"},     {12, "12"},             {99, "99"},             {-1, "-1"}};
  for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
    struct timespec first, middle, last;
    long one = syscall(SYS_clock_gettime, all[i].id, &first);
    int two = get(all[i].id, &middle);
    long three = syscall(SYS_clock_gettime, all[i].id, &last);
    /* The function of the vDSO answers with the errno itself. */
    int same = one == 0 ? two == 0 && three == 0 : two == -EINVAL;
    int ordered = one != 0 || (after(&first, &middle) && after(&middle, &last) && (unsigned long)middle.tv_nsec < 1000000000);
    printf("%s: same %d ordered %d\n", all[i].name, same, ordered);
  }
}

int main(void) {
  clock_fn clock = (clock_fn)find("__vdso_clock_gettime");
  day_fn day = (day_fn)find("__vdso_gettimeofday");
  time_fn seconds = (time_fn)find("__vdso_time");
  cpu_fn cpu = (cpu_fn)find("__vdso_getcpu");
  printf("found %d %d %d %d, not %d\n", clock != 0, day != 0, seconds != 0, cpu != 0, find("__vdso_nothing") != 0);
  if (!clock || !day || !seconds || !cpu) return 1;
  clocks(clock);

  struct timespec a, b;
  struct timeval tv = {0};
  struct timezone zone = {-1, -1};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &a);
  int result = day(&tv, &zone);
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &b);
  long long us = tv.tv_sec * 1000000LL + tv.tv_usec;
  printf("gettimeofday %d: %d zone %d %d\n", result,
         us >= a.tv_sec * 1000000LL + a.tv_nsec / 1000 && us <= b.tv_sec * 1000000LL + b.tv_nsec / 1000, zone.tz_minuteswest,
         zone.tz_dsttime);
  printf("nothing wanted: %d %d\n", day(NULL, NULL), day(NULL, &zone));

  time_t t = 7, u = time(NULL);
  time_t v = seconds(&t);
  printf("time %d %d\n", t == v && v >= u && v <= u + 2, seconds(NULL) >= v);

  unsigned processor = 9999, node = 9999;
  printf("getcpu %ld: %d %d, %ld\n", cpu(&processor, &node, NULL), processor < 4096, node < 64, cpu(NULL, NULL, NULL));

  /* A child and its child have the page where the parent had it. */
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    int ok = clock(CLOCK_MONOTONIC, &a) == 0;
    _exit(ok && fork() >= 0 && clock(CLOCK_MONOTONIC, &b) == 0 && after(&a, &b) ? 0 : 1);
  }
  int status;
  waitpid(child, &status, 0);
  printf("child %d\n", status);

  /* Code like any other: not to be written, and gone when unmapped. */
  char *base = (char *)getauxval(AT_SYSINFO_EHDR);
  char line[256], name[64] = "";
  FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) {
    unsigned long start, end;
    char rights[8];
    if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %63s", &start, &end, rights, name) == 4 && (char *)start == base) {
      printf("%s %s\n", rights, name);
    }
  }
  fclose(maps);
  fflush(stdout);
  child = fork();
  if (child == 0) {
    *(volatile char *)base = 0;
    _exit(0);
  }
  waitpid(child, &status, 0);
  printf("written: signal %d\n", WTERMSIG(status));
  child = fork();
  if (child == 0) {
    munmap(base, 4096);
    clock(CLOCK_MONOTONIC, &a);
    _exit(0);
  }
  waitpid(child, &status, 0);
  printf("unmapped: signal %d\n", WTERMSIG(status));
  return 0;
}
