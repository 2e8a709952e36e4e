/* The driver interface as upstream's version 0.0.1 has it: what a driver that was built elsewhere looks like. */
typedef struct Banos_Driver Banos_Driver;
struct Banos_Driver {
  unsigned long driver_size;
  unsigned minimal_banos_version;
  const char *name;
  const char *license;
  unsigned version;
  int (*init)(Banos_Driver *);
  int (*uninit)(Banos_Driver *);
};
struct banos_export {
  const char *name;
  void *address;
};
#define BANOS_DRIVER __attribute__((section(".banos-driver"), used, aligned(8)))
#define BANOS_EXPORT(symbol) \
  static const struct banos_export export_##symbol \
      __attribute__((section(".banos-export"), used, aligned(8))) = {#symbol, (void *)symbol}
#define MODULE_INFO(name, text) static const char name[] __attribute__((section(".modinfo"), used, aligned(1))) = text
void banos_dprintln(const char *);
void *banos_lookup_symbol(const char *);
