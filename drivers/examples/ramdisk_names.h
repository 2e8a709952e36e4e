/* The RAM disk's file system, directories: see ramdisk_fs.h. */

#define ENTRY_HEAD sizeof(struct fs_entry)
/* Bytes that an entry needs, a multiple of 8. */
#define ENTRY_SPACE(length) ((ENTRY_HEAD + (length) + 7) & ~7ul)

/* The entry at a position of a directory; NULL behind the last one, and for what cannot be one. */
static struct fs_entry *entry_at(struct disk *disk, struct fs_inode *dir, banos_u64 position)
{
	banos_u32 within = position % BLOCK_SIZE;
	banos_u32 block = position < dir->length ? map_block(disk, dir, position / BLOCK_SIZE, 0) : 0;
	struct fs_entry *entry;

	if (block == 0 || within > BLOCK_SIZE - ENTRY_HEAD)
		return 0;
	entry = (struct fs_entry *)((char *)block_at(disk, block, 1) + within);
	if (entry->space < ENTRY_HEAD || within + entry->space > BLOCK_SIZE || entry->space % 8 != 0)
		return 0;
	return entry->ino == 0 || ENTRY_HEAD + entry->length <= entry->space ? entry : 0;
}

static struct fs_entry *find(struct disk *disk, struct fs_inode *dir, const char *name)
{
	size_t length = strlen(name);
	struct fs_entry *entry;

	for (banos_u64 at = 0; (entry = entry_at(disk, dir, at)); at += entry->space)
		if (entry->ino && entry->length == length && memcmp(entry->name, name, length) == 0)
			return entry;
	return 0;
}

static int is_empty(struct disk *disk, struct fs_inode *dir)
{
	struct fs_entry *entry;

	for (banos_u64 at = 0; (entry = entry_at(disk, dir, at)); at += entry->space)
		if (entry->ino)
			return 0;
	return 1;
}

/* Room for an entry, in a place that is free, behind one that has more than it needs, or in a new block. */
static struct fs_entry *room_for(struct disk *disk, struct fs_inode *dir, size_t length)
{
	struct fs_entry *entry;
	banos_u32 block;

	for (banos_u64 at = 0; (entry = entry_at(disk, dir, at)); at += entry->space) {
		banos_u32 used = entry->ino ? ENTRY_SPACE(entry->length) : 0;
		struct fs_entry *rest;

		if (entry->space < used + ENTRY_SPACE(length))
			continue;
		if (used == 0)
			return entry;
		rest = (struct fs_entry *)((char *)entry + used);
		rest->space = entry->space - used;
		entry->space = used;
		return rest;
	}
	block = map_block(disk, dir, dir->length / BLOCK_SIZE, 1);
	if (block == 0)
		return 0;
	dir->length += BLOCK_SIZE;
	entry = block_at(disk, block, 1);
	entry->ino = 0;
	entry->space = BLOCK_SIZE;
	return entry;
}

static long add(struct disk *disk, struct fs_inode *dir, const char *name, banos_u64 ino, banos_u32 mode)
{
	size_t length = strlen(name);
	struct fs_entry *entry = room_for(disk, dir, length);

	if (!entry)
		return -BANOS_ENOSPC;
	entry->ino = ino;
	entry->type = (mode & TYPE_MASK) >> 12;
	entry->length = length;
	memcpy(entry->name, name, length);
	touch(dir, 1);
	return 0;
}

static long fs_lookup(struct banos_inode *dir, const char *name, struct banos_attributes *found)
{
	struct fs_inode *inode = inode_of(dir);
	struct fs_entry *entry = inode ? find(disk_of(dir), inode, name) : 0;

	return entry ? describe(disk_of(dir), entry->ino, found) : inode ? -BANOS_ENOENT : -BANOS_EIO;
}

static banos_u64 take_inode(struct disk *disk)
{
	for (banos_u64 ino = ROOT + 1; ino < INODES; ino++) {
		struct fs_inode *inode = inode_at(disk, ino, 1);
		if (inode && inode->mode == 0)
			return ino;
	}
	return 0;
}

static void end_inode(struct disk *disk, struct fs_inode *inode)
{
	set_length(disk, inode, 0);
	memset(inode, 0, sizeof(*inode));
}

static long put_target(struct disk *disk, struct fs_inode *inode, const char *target)
{
	banos_u64 length = strlen(target);

	for (banos_u64 done = 0; done < length; done += BLOCK_SIZE) {
		banos_u32 block = map_block(disk, inode, done / BLOCK_SIZE, 1);
		if (block == 0)
			return -BANOS_ENOSPC;
		memcpy(block_at(disk, block, 1), target + done, length - done < BLOCK_SIZE ? length - done : BLOCK_SIZE);
	}
	inode->length = length;
	return 0;
}

/* Also for directories and links. */
static long fs_create(struct banos_inode *parent, const char *name, struct banos_attributes *attributes)
{
	struct disk *disk = disk_of(parent);
	struct fs_inode *dir = inode_of(parent);
	banos_u64 ino = take_inode(disk);
	struct fs_inode *inode = inode_at(disk, ino, 1);
	int is_directory = (attributes->mode & TYPE_MASK) == TYPE_DIRECTORY;
	long result;

	if (!dir)
		return -BANOS_EIO;
	if (!inode)
		return -BANOS_ENOSPC;
	inode->mode = attributes->mode;
	inode->uid = attributes->uid;
	inode->gid = attributes->gid;
	inode->device = attributes->device;
	inode->links = is_directory ? 2 : 1;
	inode->atime = attributes->atime;
	inode->mtime = attributes->mtime;
	inode->ctime = attributes->ctime;
	result = attributes->target ? put_target(disk, inode, attributes->target) : 0;
	if (result == 0)
		result = add(disk, dir, name, ino, inode->mode);
	if (result != 0) {
		end_inode(disk, inode);
		return result;
	}
	dir->links += is_directory;
	return describe(disk, ino, attributes);
}

static long fs_link(struct banos_inode *file, struct banos_inode *parent, const char *name)
{
	struct fs_inode *dir = inode_of(parent);
	struct fs_inode *inode = inode_of(file);
	long result;

	if (!dir || !inode)
		return -BANOS_EIO;
	result = add(disk_of(parent), dir, name, file->ino, inode->mode);
	if (result != 0)
		return result;
	inode->links++;
	touch(inode, 0);
	return 0;
}

/* A name of it is gone. What has none left lives until it is evicted. */
static void drop_link(struct fs_inode *dir, struct fs_inode *inode)
{
	if ((inode->mode & TYPE_MASK) == TYPE_DIRECTORY) {
		inode->links = 0;
		dir->links--;
	} else if (inode->links > 0) {
		inode->links--;
	}
	touch(inode, 0);
}

static long fs_unlink(struct banos_inode *parent, const char *name, struct banos_inode *file)
{
	struct fs_inode *dir = inode_of(parent);
	struct fs_inode *inode = inode_of(file);
	struct fs_entry *entry = dir ? find(disk_of(parent), dir, name) : 0;

	if (!inode || !entry || entry->ino != file->ino)
		return -BANOS_EIO;
	entry->ino = 0;
	touch(dir, 1);
	drop_link(dir, inode);
	return 0;
}

static long fs_rmdir(struct banos_inode *parent, const char *name, struct banos_inode *file)
{
	struct fs_inode *inode = inode_of(file);

	if (inode && !is_empty(disk_of(file), inode))
		return -BANOS_ENOTEMPTY;
	return fs_unlink(parent, name, file);
}

/* A directory changes its parent: its `..` counts elsewhere. */
static void move_parent(struct fs_inode *inode, struct fs_inode *from, struct fs_inode *to)
{
	if ((inode->mode & TYPE_MASK) == TYPE_DIRECTORY) {
		from->links--;
		to->links++;
	}
}

static long fs_rename(const struct banos_rename *names)
{
	struct disk *disk = disk_of(names->parent);
	struct fs_inode *from = inode_of(names->parent);
	struct fs_inode *to = inode_of(names->new_parent);
	struct fs_inode *inode = inode_of(names->inode);
	struct fs_inode *other = names->replaced ? inode_of(names->replaced) : 0;
	struct fs_entry *entry = from ? find(disk, from, names->name) : 0;
	struct fs_entry *target = to ? find(disk, to, names->new_name) : 0;
	int is_exchange = (names->flags & 2) != 0;

	if (!from || !to || !inode || !entry || !!names->replaced != (other && target))
		return -BANOS_EIO;
	if (target && !is_exchange && (other->mode & TYPE_MASK) == TYPE_DIRECTORY && !is_empty(disk, other))
		return -BANOS_ENOTEMPTY;
	if (target) {
		target->ino = names->inode->ino;
		target->type = (inode->mode & TYPE_MASK) >> 12;
	} else {
		long result = add(disk, to, names->new_name, names->inode->ino, inode->mode);
		if (result != 0)
			return result;
		/* Its place may have been divided, it has not moved. */
		entry = find(disk, from, names->name);
	}
	if (is_exchange) {
		entry->ino = names->replaced->ino;
		entry->type = (other->mode & TYPE_MASK) >> 12;
		move_parent(other, to, from);
		touch(other, 0);
	} else {
		entry->ino = 0;
		if (other)
			drop_link(to, other);
	}
	move_parent(inode, from, to);
	touch(inode, 0);
	touch(from, 1);
	touch(to, 1);
	return 0;
}

static long fs_readdir(struct banos_inode *dir, banos_u64 cookie)
{
	struct disk *disk = disk_of(dir);
	struct fs_inode *inode = inode_of(dir);
	struct fs_entry *entry;
	char name[256];

	if (!inode)
		return -BANOS_EIO;
	for (banos_u64 at = cookie; (entry = entry_at(disk, inode, at)); at += entry->space) {
		if (!entry->ino)
			continue;
		memcpy(name, entry->name, entry->length);
		name[entry->length] = 0;
		if (banos_dir_emit(dir, name, entry->ino, entry->type, at + entry->space) != 0)
			break;
	}
	return 0;
}

static void fs_evict(struct banos_inode *file)
{
	struct fs_inode *inode = inode_of(file);

	if (inode && inode->links == 0)
		end_inode(disk_of(file), inode);
}
