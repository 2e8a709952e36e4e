/* What probes of core files need of the host: that it writes them as files called `core`, as large as they are. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Ends the probe where that is not so (support/probes.ts). */
static void need_core_files(void) {
  char pattern[64] = "";
  int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY);
  struct rlimit limit;
  getrlimit(RLIMIT_CORE, &limit);
  if (read(fd, pattern, sizeof pattern - 1) < 0 || strcmp(pattern, "core\n") != 0 || limit.rlim_max != RLIM_INFINITY) exit(77);
  close(fd);
}
