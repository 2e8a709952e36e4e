/* A driver with all that a driver can say about itself. */
#include "banos.h"

int message_count(void);
static int opened;
static int level = 3;
static unsigned sizes[4];
static unsigned sizes_given;

static int start(Banos_Driver *driver) {
  banos_dprintln(driver->name);
  opened = level + message_count();
  return 0;
}

static int stop(Banos_Driver *driver) {
  banos_dprintln("stopped");
  return driver->version == 7 ? 0 : -1;
}

int message_count(void) { return opened + sizes[0]; }
int message_totals[2] = {5};

static Banos_Driver driver BANOS_DRIVER = {sizeof(Banos_Driver), 0x00000001, "message", "MIT", 7, start, stop};
BANOS_EXPORT(message_count);
BANOS_EXPORT(message_totals);

MODULE_INFO(info_license, "license=MIT");
MODULE_INFO(info_author, "author=Somebody");
MODULE_INFO(info_second, "author=Somebody Else");
MODULE_INFO(info_description, "description=Keeps a=b messages");
MODULE_INFO(info_depends, "depends=");
MODULE_INFO(info_parm, "parm=level:how much it says");

struct banos_param {
  unsigned long size;
  const char *name;
  void *value;
  unsigned type, count, mode, pad;
  unsigned *given;
};
static const struct banos_param parameters[] __attribute__((section(".banos-param"), used, aligned(8))) = {
    {sizeof(struct banos_param), "level", &level, 5, 1, 0644, 0, 0},
    {sizeof(struct banos_param), "sizes", sizes, 6, 4, 0, 0, &sizes_given},
};
static const struct {
  unsigned long version;
  char name[56];
} versions[] __attribute__((section("__versions"), used)) = {{0xfedcba9876543210, "banos_dprintln"}};
