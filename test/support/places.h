/*
 * Memory for hostile arguments. Between two holes lie six pages at the same address in every run, so that what a call
 * does with a pointer that lies in memory does not depend on where memory is; a read-only page lies apart from them.
 */
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

enum { PLACE_PAGE = 4096, PLACE_SIZE = 6 * PLACE_PAGE };
static char *const placed = (char *)0x20001000;
static char *const placed_read_only = (char *)0x20010000;

/* How what lies at a pointer is damaged. */
enum place { WHOLE, CROSSING, ODD, LAST, CUT_BY_ONE, CUT_IN_HALF, READ_ONLY, NOWHERE, UNMAPPED, NONCANONICAL, KERNELS, WRAPPING, PLACES };
static const char *const PLACE_NAMES[] = {"whole", "crossing", "odd", "last", "cut-by-one", "cut-in-half", "read-only", "null", "unmapped", "noncanonical", "kernel", "wrapping"};

__attribute__((unused)) static void make_places(void) {
  mmap(placed, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  mmap(placed_read_only, PLACE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* Puts `size` bytes where and as far as the place has memory. `slot`: 0, 1 … for arguments that are placed at once. */
__attribute__((unused)) static void *put(enum place place, int slot, const void *data, size_t size) {
  size_t half = size / 2, present = size;
  char *at = placed + slot * 512;
  switch (place) {
    case CROSSING: at = placed + PLACE_PAGE - half; break;
    case ODD: at += 257; break;
    case LAST: at = placed + PLACE_SIZE - size; break;
    case CUT_BY_ONE: at = placed + PLACE_SIZE - size + 1, present = size ? size - 1 : 0; break;
    case CUT_IN_HALF: at = placed + PLACE_SIZE - half, present = half; break;
    case READ_ONLY:
      at = placed_read_only + slot * 512;
      mprotect(placed_read_only, PLACE_PAGE, PROT_READ | PROT_WRITE);
      memcpy(at, data, size);
      mprotect(placed_read_only, PLACE_PAGE, PROT_READ);
      return at;
    case NOWHERE: return 0;
    case UNMAPPED: return placed - PLACE_PAGE;
    case NONCANONICAL: return (void *)0x800000000000;
    case KERNELS: return (void *)0xffff888000000000;
    case WRAPPING: return (void *)-8;
    default: break;
  }
  memcpy(at, data, present);
  return at;
}
