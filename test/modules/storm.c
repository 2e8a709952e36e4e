/*
 * Loads images one after the other, and unloads what has come of them by force: storm FILE. The file has the length of each
 * image, 8 bytes, before it. A line for each: its result; "silent" behind it when it was refused without a word in the log.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char image[1 << 20];

/* Are there records in the log that were not read yet? */
static int has_news(int log) {
  char record[8192];
  int count = 0;
  while (read(log, record, sizeof record) >= 0 || errno == EPIPE) count++;
  return count > 0;
}

/* A damaged name is one, nevertheless: whatever is there but the first module goes. */
static void unload_all(void) {
  char line[4096], name[64];
  FILE *modules = fopen("/proc/modules", "r");
  while (fgets(line, sizeof line, modules))
    if (sscanf(line, "%63s", name) == 1 && strcmp(name, "ok")) syscall(SYS_delete_module, name, O_NONBLOCK | O_TRUNC);
  fclose(modules);
}

int main(int argc, char **argv) {
  FILE *file = fopen(argv[1], "rb");
  int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
  unsigned long length;
  while (fread(&length, 8, 1, file) == 1) {
    if (fread(image, 1, length, file) != length) return 2;
    has_news(log);
    long result = syscall(SYS_init_module, image, length, "count=5");
    printf("%s%s\n", result == 0 ? "0" : strerrorname_np(errno), result != 0 && !has_news(log) ? " silent" : "");
    if (result == 0) unload_all();
  }
  return 0;
}
