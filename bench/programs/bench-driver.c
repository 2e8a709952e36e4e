/* A driver whose ioctl does next to nothing: what is left is what a call of a driver costs. calls.c loads it. */
#include <banos/banos.h>

static long bench_ioctl(struct banos_file *file, banos_u32 request, unsigned long argument) {
  (void)file;
  return request == BANOS_IO('b', 1) ? (long)argument + 1 : -BANOS_ENOTTY;
}

static const struct banos_chrdev_ops operations = {.size = sizeof(operations), .ioctl = bench_ioctl};

static const struct banos_chrdev device = {
    .size = sizeof(device), .minors = 1, .name = "bench", .mode = 0666, .ops = &operations};

static int bench_init(Banos_Driver *driver) {
  long number = banos_chrdev_register(&device);
  (void)driver;
  return number < 0 ? number : 0;
}

static int bench_uninit(Banos_Driver *driver) {
  (void)driver;
  return 0;
}

BANOS_DRIVER("bench", "MIT", BANOS_VERSION_WORD(1, 0, 0), bench_init, bench_uninit);
