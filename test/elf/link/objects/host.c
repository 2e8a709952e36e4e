/*
 * Runs linked objects on the real processor: `host FILE` maps segments where they were linked for, calls the constructors,
 * then the entry with each argument, and prints what it answers.
 * FILE: words of 8 bytes: segments, then for each: address, size, protection, bytes in the file; constructors, their
 * addresses; entry; arguments, their values; then the bytes of the segments.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

long host_number = 1000;
long host_seven(void) { return 7; }
void host_line(const char *text, long number) { printf("%s %ld\n", text, number); }

static long word(FILE *file) {
  long value;
  if (fread(&value, 8, 1, file) != 1) exit(2);
  return value;
}

int main(int count, char **arguments) {
  /* Keeps what an object may ask for. */
  if (count == 0) printf("%ld", host_seven() + host_number);
  FILE *file = fopen(arguments[1], "rb");
  struct { void *address; long size, protection, stored; } segments[8];
  long constructors[16], values[64];
  if (file == NULL) return 3;
  long segment_count = word(file);
  for (long i = 0; i < segment_count; i++) fread(&segments[i], 32, 1, file);
  long constructor_count = word(file);
  for (long i = 0; i < constructor_count; i++) constructors[i] = word(file);
  long (*entry)(long) = (long (*)(long))word(file);
  long value_count = word(file);
  for (long i = 0; i < value_count; i++) values[i] = word(file);
  for (long i = 0; i < segment_count; i++) {
    void *at = mmap(segments[i].address, segments[i].size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != segments[i].address) return 4;
    if (fread(at, 1, segments[i].stored, file) != (size_t)segments[i].stored) return 5;
    if (mprotect(at, segments[i].size, (int)segments[i].protection) != 0) return 6;
  }
  for (long i = 0; i < constructor_count; i++) ((void (*)(void))constructors[i])();
  for (long i = 0; i < value_count; i++) printf("answer %ld\n", entry(values[i]));
  return 0;
}
