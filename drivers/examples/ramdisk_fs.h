/*
 * The file system of the RAM disk, in blocks of BLOCK_SIZE bytes: one that says how large everything is, a map of blocks that
 * are in use, a table of inodes, then data. Nothing on the disk is believed, for anybody may write to the node: numbers of
 * blocks and inodes are checked where they are used.
 *
 * A directory is a file of entries that never move, so that a position in it stays good: an entry that was removed keeps its
 * place, which may be used, or divided, again.
 */
#define FS_MAGIC 0x6b736452
#define INODES 1024
#define INODE_SIZE 128
#define BITMAP_START 1
#define BITMAP_BLOCKS ((blocks + 8 * BLOCK_SIZE - 1) / (8 * BLOCK_SIZE))
#define TABLE_START (BITMAP_START + BITMAP_BLOCKS)
#define TABLE_BLOCKS (INODES * INODE_SIZE / BLOCK_SIZE)
#define DATA_START (TABLE_START + TABLE_BLOCKS)
#define ROOT 1
#define DIRECT 8
#define POINTERS (BLOCK_SIZE / 4)
#define MAX_LENGTH ((banos_u64)(DIRECT + POINTERS + POINTERS * POINTERS) * BLOCK_SIZE)

#define TYPE_MASK 0170000
#define TYPE_DIRECTORY 0040000
#define TYPE_LINK 0120000

struct fs_super {
	banos_u32 magic;
	banos_u32 blocks;
	banos_u32 inodes;
};

/* On the disk. Mode 0: it is free. */
struct fs_inode {
	banos_u32 mode;
	banos_u32 uid;
	banos_u32 gid;
	banos_u32 links;
	banos_u32 device;
	banos_u32 blocks;
	banos_u64 length;
	struct banos_time atime;
	struct banos_time mtime;
	struct banos_time ctime;
	banos_u32 direct[DIRECT];
	banos_u32 indirect[2];
	banos_u64 reserved;
};

_Static_assert(sizeof(struct fs_inode) == INODE_SIZE, "inodes fill their blocks");

/* In a directory; `space` bytes further is the next. Number 0: it is free. */
struct fs_entry {
	banos_u32 ino;
	banos_u16 space;
	banos_u8 type;
	banos_u8 length;
	char name[];
};

static struct disk *disk_of(const struct banos_inode *inode)
{
	return inode->fs->data;
}

/* NULL for numbers that no inode has, and for inodes that are free. */
static struct fs_inode *inode_at(struct disk *disk, banos_u64 ino, int may_be_free)
{
	char *block;
	struct fs_inode *inode;

	if (ino < ROOT || ino >= INODES)
		return 0;
	block = block_at(disk, TABLE_START + ino * INODE_SIZE / BLOCK_SIZE, 1);
	if (!block)
		return 0;
	inode = (struct fs_inode *)(block + ino * INODE_SIZE % BLOCK_SIZE);
	return inode->mode != 0 || may_be_free ? inode : 0;
}

static struct fs_inode *inode_of(const struct banos_inode *inode)
{
	return inode_at(disk_of(inode), inode->ino, 0);
}

static banos_u8 *bitmap_of(struct disk *disk, banos_u32 block)
{
	return (banos_u8 *)block_at(disk, BITMAP_START + block / 8 / BLOCK_SIZE, 1) + block / 8 % BLOCK_SIZE;
}

/* A block of zeros that is in use now; 0: there is none. It is looked for behind the one that was taken last. */
static banos_u32 take_block(struct disk *disk)
{
	for (banos_u32 tried = DATA_START; tried < blocks; tried++) {
		banos_u32 block = disk->last + 1;
		banos_u8 *map;
		void *bytes;

		if (block < DATA_START || block >= blocks)
			block = DATA_START;
		disk->last = block;
		map = bitmap_of(disk, block);
		if (*map & 1 << block % 8)
			continue;
		bytes = block_at(disk, block, 1);
		if (!bytes)
			return 0;
		memset(bytes, 0, BLOCK_SIZE);
		*map |= 1 << block % 8;
		return block;
	}
	return 0;
}

static void give_block(struct disk *disk, banos_u32 *place, struct fs_inode *inode)
{
	banos_u32 block = *place;

	*place = 0;
	if (block < DATA_START || block >= blocks)
		return;
	*bitmap_of(disk, block) &= ~(1 << block % 8);
	if (inode->blocks > 0)
		inode->blocks--;
}

/* What is at `place`, or a new block there; 0: a hole, or no room. */
static banos_u32 follow(struct disk *disk, struct fs_inode *inode, banos_u32 *place, int make)
{
	if (*place == 0 && make) {
		*place = take_block(disk);
		if (*place != 0)
			inode->blocks++;
	}
	return *place >= DATA_START && *place < blocks ? *place : 0;
}

static banos_u32 *pointers_in(struct disk *disk, banos_u32 block)
{
	return block_at(disk, block, 1);
}

/* The block that has the bytes of a file; 0: a hole, or no room. */
static banos_u32 map_block(struct disk *disk, struct fs_inode *inode, banos_u64 index, int make)
{
	banos_u32 block;

	if (index < DIRECT)
		return follow(disk, inode, &inode->direct[index], make);
	index -= DIRECT;
	block = follow(disk, inode, &inode->indirect[index >= POINTERS], make);
	if (block == 0)
		return 0;
	if (index >= POINTERS) {
		index -= POINTERS;
		if (index >= POINTERS * POINTERS)
			return 0;
		block = follow(disk, inode, &pointers_in(disk, block)[index / POINTERS], make);
		if (block == 0)
			return 0;
	}
	return follow(disk, inode, &pointers_in(disk, block)[index % POINTERS], make);
}

/* Gives back the blocks of one level from `keep` on, of those that begin at `first`. */
static void cut_level(struct disk *disk, struct fs_inode *inode, banos_u32 *place, int level, banos_u64 first,
		      banos_u64 keep)
{
	banos_u64 span = level == 2 ? POINTERS : 1;

	if (*place < DATA_START || *place >= blocks)
		return;
	if (level > 0) {
		banos_u32 *pointers = pointers_in(disk, *place);
		for (banos_u32 i = 0; i < POINTERS; i++)
			if (first + (i + 1) * span > keep)
				cut_level(disk, inode, &pointers[i], level - 1, first + i * span, keep);
	}
	if (first >= keep)
		give_block(disk, place, inode);
}

static void set_length(struct disk *disk, struct fs_inode *inode, banos_u64 length)
{
	banos_u64 keep = (length + BLOCK_SIZE - 1) / BLOCK_SIZE;

	if (length < inode->length) {
		banos_u32 last = length % BLOCK_SIZE ? map_block(disk, inode, keep - 1, 0) : 0;
		if (last)
			memset((char *)block_at(disk, last, 1) + length % BLOCK_SIZE, 0, BLOCK_SIZE - length % BLOCK_SIZE);
		for (banos_u32 i = keep < DIRECT ? keep : DIRECT; i < DIRECT; i++)
			give_block(disk, &inode->direct[i], inode);
		cut_level(disk, inode, &inode->indirect[0], 1, DIRECT, keep);
		cut_level(disk, inode, &inode->indirect[1], 2, DIRECT + POINTERS, keep);
	}
	inode->length = length;
}

static void touch(struct fs_inode *inode, int content)
{
	banos_real_time(&inode->ctime);
	if (content)
		inode->mtime = inode->ctime;
}

static long fs_format(struct disk *disk)
{
	struct fs_super *super = block_at(disk, 0, 1);
	struct fs_inode *root;

	if (!super)
		return -BANOS_ENOMEM;
	for (banos_u32 block = 0; block < DATA_START; block++) {
		void *bytes = block_at(disk, block, 1);
		if (!bytes)
			return -BANOS_ENOMEM;
		memset(bytes, 0, BLOCK_SIZE);
	}
	super->magic = FS_MAGIC;
	super->blocks = blocks;
	super->inodes = INODES;
	root = inode_at(disk, ROOT, 1);
	root->mode = TYPE_DIRECTORY | 0755;
	root->links = 2;
	touch(root, 1);
	root->atime = root->mtime;
	return 0;
}

static int has_option(const char *options, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = options; *at; at++)
		if (memcmp(at, name, length) == 0 && (at == options || at[-1] == ',') && (at[length] == ',' || !at[length]))
			return 1;
	return 0;
}

static long fs_mount(struct banos_fs *fs)
{
	size_t length = strlen(fs->source);
	/* A single disk has no number. */
	int number = count == 1 ? 0 : length > 0 ? fs->source[length - 1] - '0' : -1;
	struct fs_super *super;
	struct disk *disk;

	if (number < 0 || number >= (int)count)
		return -BANOS_ENODEV;
	disk = &disks[number];
	if (disk->is_mounted)
		return -BANOS_EBUSY;
	if (has_option(fs->options, "format") && fs_format(disk) != 0)
		return -BANOS_ENOMEM;
	super = block_at(disk, 0, 0);
	if (super->magic != FS_MAGIC || super->blocks != blocks || super->inodes != INODES)
		return -BANOS_EINVAL;
	disk->is_mounted = 1;
	fs->data = disk;
	fs->root = ROOT;
	return 0;
}

static void fs_unmount(struct banos_fs *fs)
{
	((struct disk *)fs->data)->is_mounted = 0;
}

static long fs_statfs(struct banos_fs *fs, struct banos_statfs *out)
{
	struct disk *disk = fs->data;
	banos_u8 map = 0;

	out->type = FS_MAGIC;
	out->block_size = BLOCK_SIZE;
	out->blocks = blocks - DATA_START;
	for (banos_u32 block = DATA_START; block < blocks; block++) {
		if (block == DATA_START || block % 8 == 0)
			map = *bitmap_of(disk, block);
		out->blocks_free += !(map & 1 << block % 8);
	}
	out->files = INODES - ROOT;
	for (banos_u32 ino = ROOT; ino < INODES; ino++)
		out->files_free += !inode_at(disk, ino, 0);
	out->name_length = 255;
	return 0;
}

static long describe(struct disk *disk, banos_u64 ino, struct banos_attributes *out)
{
	struct fs_inode *inode = inode_at(disk, ino, 0);

	if (!inode)
		return -BANOS_EIO;
	out->mode = inode->mode;
	out->ino = ino;
	out->length = inode->length;
	out->blocks = (banos_u64)inode->blocks * (BLOCK_SIZE / 512);
	out->links = inode->links;
	out->uid = inode->uid;
	out->gid = inode->gid;
	out->device = inode->device;
	out->atime = inode->atime;
	out->mtime = inode->mtime;
	out->ctime = inode->ctime;
	return 0;
}

static long fs_getattr(struct banos_inode *inode, struct banos_attributes *out)
{
	return describe(disk_of(inode), inode->ino, out);
}

static long fs_setattr(struct banos_inode *file, banos_u32 mask, const struct banos_attributes *change)
{
	struct fs_inode *inode = inode_of(file);

	if (!inode)
		return -BANOS_EIO;
	if (mask & BANOS_ATTR_SIZE) {
		if (change->length > MAX_LENGTH)
			return -BANOS_EFBIG;
		set_length(disk_of(file), inode, change->length);
	}
	if (mask & BANOS_ATTR_MODE)
		inode->mode = change->mode;
	if (mask & BANOS_ATTR_UID)
		inode->uid = change->uid;
	if (mask & BANOS_ATTR_GID)
		inode->gid = change->gid;
	if (mask & BANOS_ATTR_ATIME)
		inode->atime = change->atime;
	if (mask & BANOS_ATTR_MTIME)
		inode->mtime = change->mtime;
	inode->ctime = change->ctime;
	return 0;
}

#include "ramdisk_names.h"
#include "ramdisk_io.h"

static const struct banos_fs_ops fs_operations = {
	.size = sizeof(fs_operations),
	.mount = fs_mount,
	.unmount = fs_unmount,
	.statfs = fs_statfs,
	.lookup = fs_lookup,
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.create = fs_create,
	.mkdir = fs_create,
	.symlink = fs_create,
	.link = fs_link,
	.unlink = fs_unlink,
	.rmdir = fs_rmdir,
	.rename = fs_rename,
	.readlink = fs_readlink,
	.readdir = fs_readdir,
	.evict = fs_evict,
	.read = fs_read,
	.write = fs_write,
};
