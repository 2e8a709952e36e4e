/* A driver with calls that may not be put off: one holds a spinlock for a while, one is asked by poll. */
#include <banos/banos.h>

static struct banos_spinlock lock;
static int value;

static void locked(int by) { value += by; }

static void unlocked(void) { value *= 2; }

static long locker_write(struct banos_file *file, struct banos_iter *from, banos_u64 position) {
  int i;
  banos_spin_lock(&lock);
  for (i = 0; i < 3; i++) locked(i);
  banos_spin_unlock(&lock);
  unlocked();
  return 1;
}

static banos_u32 locker_poll(struct banos_file *file) { return BANOS_POLLIN | BANOS_POLLOUT; }

static const struct banos_chrdev_ops operations = {
    .size = sizeof(operations),
    .write = locker_write,
    .poll = locker_poll,
};

static const struct banos_chrdev device = {
    .size = sizeof(device),
    .minors = 1,
    .name = "locker",
    .mode = 0666,
    .ops = &operations,
};

static int locker_init(Banos_Driver *driver) {
  long number = banos_chrdev_register(&device);
  return number < 0 ? number : 0;
}

static int locker_uninit(Banos_Driver *driver) { return 0; }

BANOS_DRIVER("locker", "MIT", BANOS_VERSION_WORD(1, 0, 0), locker_init, locker_uninit);
