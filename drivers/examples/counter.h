/*
 * What counter_lib.c offers to other drivers: counters with names, all of which /proc/driver/counters shows. A counter keeps its
 * value while the drivers that use it come and go, as long as the library stays.
 */
#include <banos/banos.h>

/* The counter of that name, a new one at 0 when there is none. NULL: the name is too long, or there are too many. */
struct counter;
struct counter *counter_get(const char *name);
void counter_add(struct counter *counter, banos_u64 amount);
