/*
 * A call of which every argument is damaged in every way, alone and together with every other one: which error comes
 * first, and what is left behind. What is chosen of a dimension is an index; 0 is what is right.
 */
#include <stdio.h>

struct dimension { const char *name; int count; const char *const *names; };
enum { DIMENSIONS = 12 };
static int chosen[DIMENSIONS];

static void name_choice(const struct dimension *d, int at) {
  if (d->names) printf("%s=%s", d->name, d->names[at]);
  else printf("%s=%d", d->name, at);
}

/* `call` makes the call of `chosen` and prints its outcome, a word or some that begin with a blank. */
__attribute__((unused)) static void combine(const struct dimension *d, int count, void (*call)(void)) {
  memset(chosen, 0, sizeof chosen);
  printf("right:"), call(), printf("\n");
  for (int i = 0; i < count; i++) {
    for (int a = 1; a < d[i].count; a++) {
      chosen[i] = a;
      name_choice(&d[i], a), printf(":"), call(), printf("\n");
      for (int k = i + 1; k < count; k++) {
        printf("  %s:", d[k].name);
        for (int b = 1; b < d[k].count; b++) chosen[k] = b, call();
        chosen[k] = 0;
        printf("\n");
      }
    }
    chosen[i] = 0;
  }
}
