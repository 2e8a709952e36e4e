/* Uses what greeter.c offers, by linking and by looking it up. */
#include "interface.h"

extern int greetings;
void greet(const char *whom);

static int init(Banos_Driver *driver) {
  void (*found)(const char *) = banos_lookup_symbol("greet");

  if (found != greet || banos_lookup_symbol("banos_dprintln") != (void *)banos_dprintln) return -2;
  if (banos_lookup_symbol("nobody") != 0) return -17;
  greet("hello, linked");
  found("hello, looked up");
  return greetings == 2 ? 0 : -5;
}

static int uninit(Banos_Driver *driver) {
  banos_dprintln(driver->name);
  return 0;
}

DRIVER("caller", init, uninit);
