/*
 * What a module says of itself besides BANOS_DRIVER: texts that modinfo shows, modules that it needs, and parameters, which
 * get values when it is loaded (`insmod hello.o count=3`) and show them below /sys/module. And how it asks for others.
 */
#ifndef BANOS_MODULE_H
#define BANOS_MODULE_H

#include <banos/types.h>

BANOS_BEGIN

#define BANOS_JOIN2(a, b) a##b
#define BANOS_JOIN(a, b) BANOS_JOIN2(a, b)

/* A text of any kind: BANOS_MODULE_INFO("author", "me"). */
#define BANOS_MODULE_INFO(key, text)                                                     \
	__attribute__((section(".modinfo"), used, aligned(1))) static const char         \
	BANOS_JOIN(banos_info_, __COUNTER__)[] = key "=" text

#define BANOS_AUTHOR(text) BANOS_MODULE_INFO("author", text)
#define BANOS_DESCRIPTION(text) BANOS_MODULE_INFO("description", text)
/* Modules that are to be loaded before this one, with commas between. Those whose symbols it uses need not be named. */
#define BANOS_DEPENDS(names) BANOS_MODULE_INFO("depends", names)

/* Types of parameters: BANOS_PARAM(count, int, 0644). charp is a `char *`, bool and invbool a `_Bool`. */
enum {
	BANOS_PARAM_bool = 0,
	BANOS_PARAM_invbool = 1,
	BANOS_PARAM_byte = 2,
	BANOS_PARAM_short = 3,
	BANOS_PARAM_ushort = 4,
	BANOS_PARAM_int = 5,
	BANOS_PARAM_uint = 6,
	BANOS_PARAM_long = 7,
	BANOS_PARAM_ulong = 8,
	BANOS_PARAM_charp = 9,
	BANOS_PARAM_string = 10,
};

struct banos_param {
	banos_u64 size;
	const char *name;
	void *value;
	banos_u32 type;
	/* Values that have room; bytes of a string's buffer. */
	banos_u32 count;
	/* Permission bits of its file, 0 for none. */
	banos_u32 mode;
	banos_u32 reserved;
	/* Gets how many values were given. */
	banos_u32 *given;
};

#define BANOS_PARAM_RECORD(name_, value_, type_, count_, mode_, given_)                  \
	__attribute__((section(".banos-param"), used, aligned(8))) static struct banos_param \
	banos_param_##name_ = {                                                          \
		.size = sizeof(struct banos_param),                                      \
		.name = #name_,                                                          \
		.value = (void *)(value_),                                               \
		.type = BANOS_PARAM_##type_,                                             \
		.count = (count_),                                                       \
		.mode = (mode_),                                                         \
		.given = (given_),                                                       \
	};                                                                               \
	BANOS_MODULE_INFO("parmtype", #name_ ":" #type_)

/* A variable. */
#define BANOS_PARAM(name, type, mode) BANOS_PARAM_RECORD(name, &name, type, 1, mode, 0)
/* An array; `given`, an unsigned variable's address or 0, gets the number of values. */
#define BANOS_PARAM_ARRAY(name, type, given, mode)                                       \
	BANOS_PARAM_RECORD(name, name, type, sizeof(name) / sizeof(name[0]), mode, given)
/* A `char` array that a text is copied into. */
#define BANOS_PARAM_STRING(name, mode) BANOS_PARAM_RECORD(name, name, string, sizeof(name), mode, 0)
#define BANOS_PARAM_DESCRIPTION(name, text) BANOS_MODULE_INFO("parm", #name ":" text)

/*
 * Loads another module, found by its name as modprobe finds it, or by its path when there is a slash in it, with all that it
 * needs; waits until its init has returned. 0 when it is there, whoever has loaded it; -BANOS_EEXIST for the module that asks,
 * and for a path whose module is there; -BANOS_EDEADLK when it waits for the module that asks, for that is just coming or going;
 * or why it was refused. May sleep.
 */
int banos_request_module(const char *name);
/*
 * Unloads another module. 0; -BANOS_EAGAIN while it is in use; -BANOS_EBUSY when it is coming or going, or is the one that
 * asks; or what its uninit returned. May sleep.
 */
int banos_unload_module(const char *name);

BANOS_END

#endif
