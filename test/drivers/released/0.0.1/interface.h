/* The whole interface of version 0.0.1, written down from its layout: no header of today is used by what is built with it. */
typedef struct Banos_Driver Banos_Driver;
struct Banos_Driver {
  unsigned long driver_size;
  unsigned int minimal_banos_version;
  const char *name;
  const char *license;
  unsigned int version;
  int (*init)(Banos_Driver *driver);
  int (*uninit)(Banos_Driver *driver);
};
_Static_assert(sizeof(Banos_Driver) == 56, "as it was");

struct export {
  const char *name;
  void *address;
};
#define EXPORT(symbol) \
  __attribute__((section(".banos-export"), used, aligned(8))) static struct export export_##symbol = {#symbol, (void *)&symbol}
#define DRIVER(name, init, uninit) \
  __attribute__((section(".banos-driver"), used, aligned(8))) static Banos_Driver record = { \
      sizeof(Banos_Driver), 0x00000001, name, "MIT", 0x01000000, init, uninit}

void banos_dprintln(const char *text);
void *banos_lookup_symbol(const char *name);
