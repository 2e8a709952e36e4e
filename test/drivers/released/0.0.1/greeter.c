/* Offers a function and a variable to others. */
#include "interface.h"

int greetings = 0;
EXPORT(greetings);

void greet(const char *whom) {
  greetings++;
  banos_dprintln(whom);
}
EXPORT(greet);

static int init(Banos_Driver *driver) {
  if (driver->driver_size != 56 || banos_lookup_symbol("greet") != 0) return -22;
  banos_dprintln("greeter comes");
  return 0;
}

static int uninit(Banos_Driver *driver) {
  banos_dprintln(greetings == 2 && driver->version == 0x01000000 ? "greeter has greeted twice" : "greeter is confused");
  return 0;
}

DRIVER("greeter", init, uninit);
