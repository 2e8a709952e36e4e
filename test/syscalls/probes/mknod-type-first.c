/* A type that no node can have is refused before the name is looked at, be it too long or not there. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char longest[5000];

static void try(const char *what, const char *name, mode_t mode) {
  int result = mknod(name, mode, 0);
  printf("%s: %d %s\n", what, result, result < 0 ? strerror(errno) : "");
}

int main(void) {
  memset(longest, 'x', sizeof longest - 1);
  try("unknown type, name too long", longest, 0050000);
  try("unknown type, bad pointer", (char *)8, 0050000);
  try("directory, name too long", longest, 0040755);
  try("directory, bad pointer", (char *)8, 0040755);
  try("file, name too long", longest, 0100644);
  try("file, bad pointer", (char *)8, 0100644);
  try("unknown type, empty name", "", 0050000);
  return 0;
}
