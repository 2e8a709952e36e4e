/* A driver that follows a null pointer when its device is written to. */
#include <banos/banos.h>

struct node {
  int value;
  struct node *next;
};

static struct node last = {7, 0};
static struct node first = {6, &last};

static int third_value(struct node *node) {
  return node->next->next->value;
}

static long crasher_write(struct banos_file *file, struct banos_iter *from, banos_u64 position) {
  long sum = third_value(&first);
  return sum + 1;
}

static const struct banos_chrdev_ops operations = {
    .size = sizeof(operations),
    .write = crasher_write,
};

static const struct banos_chrdev device = {
    .size = sizeof(device),
    .minors = 1,
    .name = "crasher",
    .mode = 0666,
    .ops = &operations,
};

static int crasher_init(Banos_Driver *driver) {
  long number = banos_chrdev_register(&device);
  return number < 0 ? number : 0;
}

static int crasher_uninit(Banos_Driver *driver) { return 0; }

BANOS_DRIVER("crasher", "MIT", BANOS_VERSION_WORD(1, 0, 0), crasher_init, crasher_uninit);
