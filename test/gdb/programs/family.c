/* A child by fork, which executes this program again, and one by vfork. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int in_child(int n) { return n + 1; }

int main(int argc, char **argv) {
  if (argc > 1) return atoi(argv[1]);
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    char number[2] = {(char)('0' + in_child(4)), 0};
    char *args[] = {argv[0], number, 0};
    execv(argv[0], args);
    _exit(99);
  }
  waitpid(child, &status, 0);
  int sum = WEXITSTATUS(status);
  child = vfork();
  if (child == 0) _exit(3);
  waitpid(child, &status, 0);
  return sum + WEXITSTATUS(status);
}
