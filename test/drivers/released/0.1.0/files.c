/*
 * A driver of interface version 0.1.0: a file system, `mount -t keptfs none DIRECTORY`, with one file in its root, `text`, that
 * can be read, written, cut and renamed.
 */
#include <banos/banos.h>

#define ROOT 1
#define TEXT 2
#define ROOM 100

static char text[ROOM] = "from the driver\n";
static char name[32] = "text";
static banos_u64 length = 16;
static struct banos_time changed;
static int is_evicted;

static long describe(banos_u64 ino, struct banos_attributes *out)
{
	out->ino = ino;
	out->mode = ino == ROOT ? 0040755 : 0100644;
	out->links = ino == ROOT ? 2 : 1;
	out->length = ino == ROOT ? 0 : length;
	out->blocks = ino == ROOT ? 0 : 1;
	out->atime = out->mtime = out->ctime = changed;
	return 0;
}

static long kept_mount(struct banos_fs *fs)
{
	if (fs->size < sizeof(*fs) || memcmp(fs->source, "none", 5) != 0)
		return -BANOS_EINVAL;
	fs->root = ROOT;
	fs->data = text;
	return 0;
}

static void kept_unmount(struct banos_fs *fs)
{
	banos_printk(BANOS_INFO "keptfs: unmounted%s%s\n", is_evicted ? "" : ", not evicted", fs->data == text ? "" : ", lost");
}

static long kept_statfs(struct banos_fs *fs, struct banos_statfs *out)
{
	(void)fs;
	out->type = 0x6b657074;
	out->block_size = 512;
	out->blocks = 10;
	out->blocks_free = 9;
	out->name_length = 31;
	return 0;
}

static long kept_lookup(struct banos_inode *dir, const char *wanted, struct banos_attributes *found)
{
	if (dir->ino != ROOT || strlen(wanted) != strlen(name) || memcmp(wanted, name, strlen(name)) != 0)
		return -BANOS_ENOENT;
	found->data = name;
	return describe(TEXT, found);
}

static long kept_getattr(struct banos_inode *inode, struct banos_attributes *out)
{
	return inode->ino == TEXT && inode->data != name ? -BANOS_EIO : describe(inode->ino, out);
}

static long kept_setattr(struct banos_inode *inode, banos_u32 mask, const struct banos_attributes *change)
{
	(void)inode;
	if (mask & BANOS_ATTR_SIZE) {
		if (change->length > ROOM)
			return -BANOS_EFBIG;
		if (change->length > length)
			memset(text + length, 0, change->length - length);
		length = change->length;
	}
	if (mask & BANOS_ATTR_MTIME)
		changed = change->mtime;
	return mask & (BANOS_ATTR_MODE | BANOS_ATTR_UID | BANOS_ATTR_GID) ? -BANOS_EPERM : 0;
}

static long kept_rename(const struct banos_rename *names)
{
	size_t size = strlen(names->new_name) + 1;

	if (names->flags != 0 || names->replaced != NULL || size > sizeof(name))
		return -BANOS_EINVAL;
	memcpy(name, names->new_name, size);
	return 0;
}

static long kept_readdir(struct banos_inode *dir, banos_u64 cookie)
{
	return cookie == 0 ? banos_dir_emit(dir, name, TEXT, 0100000 >> 12, 1) : 0;
}

static void kept_evict(struct banos_inode *inode)
{
	is_evicted |= inode->ino == TEXT;
}

static long kept_read(struct banos_inode *inode, struct banos_iter *to, banos_u64 position)
{
	(void)inode;
	return position >= length ? 0 : banos_copy_to_iter(text + position, length - position, to);
}

static long kept_write(struct banos_inode *inode, struct banos_iter *from, banos_u64 position)
{
	long count;

	if (position >= ROOM)
		return -BANOS_EFBIG;
	count = banos_copy_from_iter(text + position, ROOM - position, from);
	if (count > 0 && position + count > length)
		length = position + count;
	banos_real_time(&changed);
	banos_inode_changed(inode, 0);
	return count;
}

static const struct banos_fs_ops operations = {
	.size = sizeof(operations),
	.mount = kept_mount,
	.unmount = kept_unmount,
	.statfs = kept_statfs,
	.lookup = kept_lookup,
	.getattr = kept_getattr,
	.setattr = kept_setattr,
	.rename = kept_rename,
	.readdir = kept_readdir,
	.evict = kept_evict,
	.read = kept_read,
	.write = kept_write,
};

static int files_init(Banos_Driver *driver)
{
	(void)driver;
	banos_real_time(&changed);
	if (banos_register_filesystem("keptfs_before", &operations) != 0 ||
	    banos_unregister_filesystem("keptfs_before") != 0 || banos_unregister_filesystem("keptfs") != -BANOS_ENOENT)
		return -BANOS_EIO;
	return banos_register_filesystem("keptfs", &operations);
}

static int files_uninit(Banos_Driver *driver)
{
	(void)driver;
	return banos_unregister_filesystem("keptfs");
}

BANOS_DRIVER("kept_files", "MIT", BANOS_VERSION_WORD(0, 1, 0), files_init, files_uninit);
