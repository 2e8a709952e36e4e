/* The RAM disk's file system, bytes of files: see ramdisk_fs.h. */

static long fs_read(struct banos_inode *file, struct banos_iter *to, banos_u64 position)
{
	struct disk *disk = disk_of(file);
	char bytes[BLOCK_SIZE];
	long done = 0;

	while (banos_iter_count(to) > 0) {
		banos_u64 at = position + done;
		banos_u32 within = at % BLOCK_SIZE;
		banos_u64 count = BLOCK_SIZE - within;
		struct fs_inode *inode;
		long moved;

		banos_spin_lock(&disk->lock);
		inode = inode_of(file);
		if (!inode || at >= inode->length) {
			banos_spin_unlock(&disk->lock);
			return inode || done > 0 ? done : -BANOS_EIO;
		}
		if (count > inode->length - at)
			count = inode->length - at;
		/* A hole is block 0 here, which is not the file's. */
		banos_u32 block = map_block(disk, inode, at / BLOCK_SIZE, 0);
		memcpy(bytes, (block ? (const char *)block_at(disk, block, 0) : zeros) + within, count);
		banos_spin_unlock(&disk->lock);
		moved = banos_copy_to_iter(bytes, count, to);
		if (moved <= 0)
			return done > 0 ? done : moved;
		done += moved;
	}
	return done;
}

/* One block's worth. */
static long put_bytes(struct disk *disk, struct banos_inode *file, const char *bytes, long count, banos_u64 at)
{
	struct fs_inode *inode = inode_of(file);
	banos_u32 block;

	if (!inode)
		return -BANOS_EIO;
	if (at + count > MAX_LENGTH)
		return -BANOS_EFBIG;
	block = map_block(disk, inode, at / BLOCK_SIZE, 1);
	if (block == 0)
		return -BANOS_ENOSPC;
	memcpy((char *)block_at(disk, block, 1) + at % BLOCK_SIZE, bytes, count);
	if (at + count > inode->length)
		inode->length = at + count;
	touch(inode, 1);
	return count;
}

static long fs_write(struct banos_inode *file, struct banos_iter *from, banos_u64 position)
{
	struct disk *disk = disk_of(file);
	char bytes[BLOCK_SIZE];
	long done = 0;

	while (banos_iter_count(from) > 0) {
		banos_u64 at = position + done;
		long moved = banos_copy_from_iter(bytes, BLOCK_SIZE - at % BLOCK_SIZE, from);

		if (moved > 0) {
			banos_spin_lock(&disk->lock);
			moved = put_bytes(disk, file, bytes, moved, at);
			banos_spin_unlock(&disk->lock);
		}
		if (moved <= 0)
			return done > 0 ? done : moved;
		done += moved;
	}
	return done;
}

static long fs_readlink(struct banos_inode *file, char *buffer, size_t size)
{
	struct disk *disk = disk_of(file);
	struct fs_inode *inode = inode_of(file);
	size_t done = 0;

	if (!inode || inode->length >= size)
		return -BANOS_EIO;
	while (done < inode->length) {
		banos_u32 block = map_block(disk, inode, done / BLOCK_SIZE, 0);
		size_t count = inode->length - done < BLOCK_SIZE ? inode->length - done : BLOCK_SIZE;

		if (block == 0)
			return -BANOS_EIO;
		memcpy(buffer + done, block_at(disk, block, 0), count);
		done += count;
	}
	return done;
}
