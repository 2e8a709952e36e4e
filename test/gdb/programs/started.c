/* Says how it was started. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int twice(int n) { return 2 * n; }

int main(int argc, char **argv) {
  char where[100];
  printf("%d arguments: ", argc);
  for (int i = 1; i < argc; i++) printf("<%s>%s", argv[i], i == argc - 1 ? ", " : " ");
  printf("X=%s, HOME=%s, in %s, terminal %d\n", getenv("X"), getenv("HOME"), getcwd(where, sizeof where), isatty(1));
  return twice(argc);
}
