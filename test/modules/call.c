/* Makes one of the module calls and prints its result: call finit|init|install FILE [PARAMETERS [FLAGS]], call delete NAME [FLAGS]. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYS_BANOS_INSTALL 1111

static char image[1 << 20];

int main(int argc, char **argv) {
  long result;
  const char *what = argv[1], *name = argv[2], *text = argc > 3 ? argv[3] : "";
  if (!strcmp(what, "delete")) result = syscall(SYS_delete_module, name, strtol(text, 0, 0));
  else if (!strcmp(what, "finit")) {
    int file = open(name, argc > 5 ? strtol(argv[5], 0, 0) : O_RDONLY);
    result = syscall(SYS_finit_module, file, text, argc > 4 ? strtol(argv[4], 0, 0) : 0);
  } else if (!strcmp(what, "bad")) {
    struct { const char *name; long result; } calls[] = {
#define CALL(...) {#__VA_ARGS__, syscall(__VA_ARGS__) < 0 ? -errno : 0}
        CALL(SYS_finit_module, -1, "", 0),
        CALL(SYS_finit_module, -1, "", 8),
        CALL(SYS_finit_module, -1, 8, 4),
        CALL(SYS_init_module, 8, 1000, ""),
        CALL(SYS_init_module, image, 63, ""),
        CALL(SYS_init_module, image, 64, 8),
        CALL(SYS_init_module, image, 64, ""),
        CALL(SYS_init_module, image, -1, ""),
        CALL(SYS_init_module, image, 1L << 40, ""),
        CALL(SYS_delete_module, 8, 0),
        CALL(SYS_delete_module, "", 0),
        CALL(SYS_delete_module, "0123456789012345678901234567890123456789012345678901234", 0),
        CALL(SYS_delete_module, "01234567890123456789012345678901234567890123456789012345", 0),
        CALL(SYS_BANOS_INSTALL, 8),
        CALL(SYS_BANOS_INSTALL, 0xffffffff81000000),
        CALL(SYS_BANOS_INSTALL, image),
    };
    for (unsigned i = 0; i < sizeof calls / sizeof calls[0]; i++) {
      printf("%s %s\n", calls[i].name, calls[i].result == 0 ? "0" : strerrorname_np(-calls[i].result));
    }
    return 0;
  } else {
    int file = open(name, O_RDONLY);
    long length = read(file, image, sizeof image);
    result = !strcmp(what, "init") ? syscall(SYS_init_module, image, length, text) : syscall(SYS_BANOS_INSTALL, image);
  }
  if (result < 0) printf("%s\n", strerrorname_np(errno));
  else printf("%ld\n", result);
  return 0;
}
