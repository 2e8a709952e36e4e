/* The whole driver interface. */
#ifndef BANOS_BANOS_H
#define BANOS_BANOS_H

#include <banos/driver.h>
#include <banos/memory.h>
#include <banos/print.h>

#endif
