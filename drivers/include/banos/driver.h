/*
 * What a driver is: one `Banos_Driver` in a section of its own, and the names that it offers to others. The layout is that
 * of interface version 0.0.1, and will not change: fields are only added behind, and `driver_size` tells which a driver
 * knows.
 */
#ifndef BANOS_DRIVER_H
#define BANOS_DRIVER_H

#include <banos/types.h>

BANOS_BEGIN

/* Major in the top byte, then minor, then 16 bits of patch. */
#define BANOS_VERSION_WORD(major, minor, patch) \
	(((banos_u32)(major) << 24) | ((banos_u32)(minor) << 16) | (banos_u32)(patch))
/* Of the interface that these headers describe. */
#define BANOS_VERSION BANOS_VERSION_WORD(0, 1, 0)

typedef struct Banos_Driver Banos_Driver;
struct Banos_Driver {
	banos_u64 driver_size;
	banos_u32 minimal_banos_version;
	const char *name;
	const char *license;
	banos_u32 version;
	/* 0, or a negative error: then everything that it took is given back. */
	int (*init)(Banos_Driver *driver);
	int (*uninit)(Banos_Driver *driver);
};

/* Defines the driver: BANOS_DRIVER("name", "license", version, init, uninit); once in an object. */
#define BANOS_DRIVER(name_, license_, version_, init_, uninit_)                          \
	__attribute__((section(".banos-driver"), used, aligned(8))) Banos_Driver         \
	banos_driver_record = {                                                          \
		.driver_size = sizeof(Banos_Driver),                                     \
		.minimal_banos_version = BANOS_VERSION_WORD(0, 0, 1),                    \
		.name = (name_),                                                         \
		.license = (license_),                                                   \
		.version = (version_),                                                   \
		.init = (init_),                                                         \
		.uninit = (uninit_),                                                     \
	}

struct banos_export {
	const char *name;
	void *address;
};

/* Offers a function or variable of the driver to drivers that are loaded later. */
#define BANOS_EXPORT(symbol)                                                             \
	__attribute__((section(".banos-export"), used, aligned(8))) static struct banos_export \
	banos_export_##symbol = { #symbol, (void *)&symbol }

/* Writes a line into the kernel log. */
void banos_dprintln(const char *text);

/* Address of a name that the kernel or a loaded driver offers; NULL when nobody does. */
void *banos_lookup_symbol(const char *name);

BANOS_END

#endif
