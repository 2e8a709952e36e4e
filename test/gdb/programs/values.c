/* Variables of many kinds, calls, a loop: for breakpoints, steps, prints. */
#include <string.h>

struct point {
  int x, y;
};

int global = 5;
double doubles[4] = {1.5, 2.5, 3.5, 4.5};

static int depth(int n) {
  if (n == 0) return 1;
  return 1 + depth(n - 1);
}

double scale(double d) { return d * 1.5; }

long double extended(long double d) { return d / 3; }

int main(int argc, char **argv) {
  struct point p = {1, 2};
  char text[32];
  memset(text, 0, sizeof text);
  strcpy(text, "hello");
  for (int i = 0; i < 10; i++) {
    p.x += i;
    global = p.x;
  }
  int d = depth(3);
  long double e = extended(d);
  doubles[1] = scale(doubles[0]);
  return p.x + d + (int)e + (argc > 1 ? (int)strlen(argv[1]) : 0);
}
