/* A driver that dies three calls deep: what gdb has to find in the kernel's core file. */
static int state[4] = {11, 22, 33, 44};
static int deepest(int depth, int *nowhere) {
  int kept = depth * 2;
  return *nowhere + kept; /* the crash */
}
static int deeper(int depth, int *nowhere) {
  int more = state[depth];
  return deepest(more, nowhere) + more;
}
int driver_read(int depth, int *nowhere) { return deeper(depth, nowhere) + 1; }
