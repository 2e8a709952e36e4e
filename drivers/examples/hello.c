/* The smallest driver: says hello and good-bye in the kernel log. */
#include <banos/banos.h>

static int hello_init(Banos_Driver *driver)
{
	banos_printk(BANOS_INFO "%s: hello\n", driver->name);
	return 0;
}

static int hello_uninit(Banos_Driver *driver)
{
	banos_printk(BANOS_INFO "%s: good-bye\n", driver->name);
	return 0;
}

BANOS_DRIVER("hello", "MIT", BANOS_VERSION_WORD(1, 0, 0), hello_init, hello_uninit);
