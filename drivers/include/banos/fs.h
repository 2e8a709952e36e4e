/*
 * File systems: a driver registers a type, mount(8) makes one of it, and from then on the kernel asks for names and
 * attributes and lets the driver read and write.
 *
 * The kernel knows a file by its number (`ino`) and keeps a `struct banos_inode` for each that it uses; the driver may keep
 * what it likes in `data`. Every operation returns 0 (or what it says) or a negative error. What an operation answers is
 * checked: numbers from 1 to 2^53 - 1, names of 1 to 255 bytes without '/' and zero, one type per number, at least one link
 * for what a name leads to. What is not so becomes EIO, with a line in the log.
 *
 * `fsync` and `unmount` may sleep; `read` and `write` may when a process reads and writes, and are also called, and then may
 * not sleep, for pages of mapped files and for programs. All other operations may not, for paths are walked in one piece.
 * A call that may sleep may also be put off when its time slice is over, so that others come between.
 *
 * Access has been checked before, names have been found to be free or taken. Times and counters are the driver's: it sets
 * the times of what it changes (banos_real_time) and counts links.
 */
#ifndef BANOS_FS_H
#define BANOS_FS_H

#include <banos/types.h>

BANOS_BEGIN

struct banos_iter;

struct banos_time {
	/* Since 1970. */
	banos_s64 seconds;
	banos_u32 nanoseconds;
	banos_u32 reserved;
};

/* A mounted file system. */
struct banos_fs {
	banos_u32 size;
	/* Bit 0: read-only. */
	banos_u32 flags;
	/* The driver's. */
	void *data;
	/* Number of the root directory; `mount` sets it. */
	banos_u64 root;
	/* First column of /proc/mounts, and the options; during `mount` only. */
	const char *source;
	const char *options;
};

/* A file, directory, link or node that the kernel uses. */
struct banos_inode {
	banos_u32 size;
	banos_u32 reserved;
	struct banos_fs *fs;
	banos_u64 ino;
	/* The driver's; `data` of the attributes it was found with. */
	void *data;
};

struct banos_attributes {
	banos_u32 size;
	/* Type and permission bits, as st_mode. */
	banos_u32 mode;
	banos_u64 ino;
	/* Bytes. */
	banos_u64 length;
	/* Of 512 bytes. */
	banos_u64 blocks;
	banos_u32 links;
	banos_u32 uid;
	banos_u32 gid;
	/* Of a device node, as st_rdev. */
	banos_u32 device;
	struct banos_time atime;
	struct banos_time mtime;
	struct banos_time ctime;
	/* Of a symbolic link to be made; during `symlink` only. */
	const char *target;
	void *data;
};

/* What `setattr` is to change; ctime is always given. */
#define BANOS_ATTR_MODE 1
#define BANOS_ATTR_UID 2
#define BANOS_ATTR_GID 4
#define BANOS_ATTR_SIZE 8
#define BANOS_ATTR_ATIME 16
#define BANOS_ATTR_MTIME 32

struct banos_statfs {
	banos_u32 size;
	/* A number for the type of file system, as f_type. */
	banos_u32 type;
	/* Bytes. */
	banos_u64 block_size;
	banos_u64 blocks;
	banos_u64 blocks_free;
	banos_u64 files;
	banos_u64 files_free;
	banos_u32 name_length;
	banos_u32 reserved;
};

struct banos_rename {
	banos_u32 size;
	/* Bit 1: exchange the two names. */
	banos_u32 flags;
	struct banos_inode *inode;
	struct banos_inode *parent;
	const char *name;
	struct banos_inode *new_parent;
	const char *new_name;
	/* What the new name leads to until now; NULL: nothing. */
	struct banos_inode *replaced;
};

/* `flags` of the operations: names come and go without the kernel's doing, it asks every time. */
#define BANOS_FS_VOLATILE 1

/*
 * `mount`, `lookup` and `getattr` there must be; what is NULL the file system cannot do. New operations are only added
 * behind, and `size` tells which a driver knows.
 */
struct banos_fs_ops {
	banos_u32 size;
	banos_u32 flags;

	/* Sets `root`, and `data` if it likes. An error refuses the mount. */
	long (*mount)(struct banos_fs *fs);
	/* The last user is gone. Every inode has been given back by `evict`. */
	void (*unmount)(struct banos_fs *fs);
	long (*statfs)(struct banos_fs *fs, struct banos_statfs *out);

	/* Fills in what the name leads to, or returns -ENOENT. */
	long (*lookup)(struct banos_inode *dir, const char *name, struct banos_attributes *found);
	long (*getattr)(struct banos_inode *inode, struct banos_attributes *out);
	long (*setattr)(struct banos_inode *inode, banos_u32 mask, const struct banos_attributes *change);

	/* Get mode, uid, gid, device, target and times; fill in all of it. `create` makes regular files and special nodes. */
	long (*create)(struct banos_inode *dir, const char *name, struct banos_attributes *new_);
	long (*mkdir)(struct banos_inode *dir, const char *name, struct banos_attributes *new_);
	long (*symlink)(struct banos_inode *dir, const char *name, struct banos_attributes *new_);
	long (*link)(struct banos_inode *inode, struct banos_inode *dir, const char *name);
	/* What has no link left stays until `evict`, for it may be open. */
	long (*unlink)(struct banos_inode *dir, const char *name, struct banos_inode *inode);
	/* -ENOTEMPTY is the driver's to find out, here and in `rename`. */
	long (*rmdir)(struct banos_inode *dir, const char *name, struct banos_inode *inode);
	long (*rename)(const struct banos_rename *names);

	/* Returns the length of the target, which does not end with a zero. */
	long (*readlink)(struct banos_inode *inode, char *buffer, size_t size);
	/* Calls banos_dir_emit for the entries behind `cookie` (0: all) until that returns something else than 0. */
	long (*readdir)(struct banos_inode *dir, banos_u64 cookie);

	long (*open)(struct banos_inode *inode, banos_u32 flags);
	void (*release)(struct banos_inode *inode, banos_u32 flags);
	/* The kernel does not use the inode any more. Without links the file is gone. */
	void (*evict)(struct banos_inode *inode);

	/* Return the number of bytes; `read` 0 at the end. Writing behind the end makes the file longer. */
	long (*read)(struct banos_inode *inode, struct banos_iter *to, banos_u64 position);
	long (*write)(struct banos_inode *inode, struct banos_iter *from, banos_u64 position);
	long (*fsync)(struct banos_inode *inode);
	/* POLL* bits that are ready now. Without it a file is always ready, and no epoll takes it. */
	long (*poll)(struct banos_inode *inode);
};

/* The name is that of mount -t and /proc/filesystems; -EEXIST when there is one. */
long banos_register_filesystem(const char *name, const struct banos_fs_ops *operations);
/* -EBUSY while one is mounted. */
long banos_unregister_filesystem(const char *name);

/*
 * From `readdir`: an entry, its number, its type (as DT_*: the type bits of the mode, shifted right by 12) and the cookie
 * that continues behind it, which is greater than those before. '.' and '..' are the kernel's. Returns 0, or 1 when there is
 * no room for more: then the entry was taken still.
 */
long banos_dir_emit(struct banos_inode *dir, const char *name, banos_u64 ino, banos_u32 type, banos_u64 next);

/* Attributes changed without the kernel's doing; `mask` (POLL* bits, or 0) tells who waits for the file. */
void banos_inode_changed(struct banos_inode *inode, banos_u32 mask);

/* The time of day, exact. */
void banos_real_time(struct banos_time *now);

BANOS_END

#endif
