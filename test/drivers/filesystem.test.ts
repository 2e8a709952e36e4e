/** File systems of drivers: the RAM disk's, and ones that answer what they must not. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kernel } from '../../kernel-core/kernel.js';
import { EAGER } from '../cpu/guest.js';
import { collect } from '../support/guest.js';
import {
  bootOpen,
  compileDriver,
  compileProgram,
  hasCompiler,
  initDriver,
  type LoadedDriver,
  loadDriver,
  type OpenKernel,
  programs,
} from './support.js';

const ramdisk = (): Uint8Array =>
  compileDriver(readFileSync('drivers/examples/ramdisk.c', 'utf8'), ['-Idrivers/examples']);

function load(kernel: Kernel, image: Uint8Array, name: string): LoadedDriver {
  const driver = loadDriver(kernel, image, name);
  assert.is(initDriver(kernel, driver), 0);
  return driver;
}

async function sh(kernel: OpenKernel, script: string): Promise<string> {
  const { stdout, stderr, code } = await collect(kernel.spawn(['sh', '-c', script]));
  return `${stdout}${stderr}${code === 0 ? '' : `status ${code}\n`}`;
}

async function end(kernel: OpenKernel, ...drivers: LoadedDriver[]): Promise<void> {
  for (const { owner } of drivers) {
    assert.is(owner.holds, 0, 'nothing holds the driver');
    owner.release();
    assert.is(owner.size, 0);
  }
  assert.is(kernel.inner.drivers.heap.blocks, 0);
  assert.is(kernel.inner.drivers.fsInodes.size, 0);
  kernel.assertIdle();
  await kernel.shutdown();
}

/** Waits until some task sleeps in a driver. */
async function sleeperIn({ inner }: OpenKernel): Promise<void> {
  for (;;) {
    for (const { driverCall } of inner.processes.tasks()) if (driverCall?.state === 'suspended') return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Files mapped, sparse, appended to, deleted while open; prints the same on any file system. */
const FILES = `
  #define _GNU_SOURCE
  #include <dirent.h>
  #include <errno.h>
  #include <fcntl.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  #include <poll.h>
  #include <sys/epoll.h>
  #include <sys/mman.h>
  #include <sys/sendfile.h>
  #include <sys/stat.h>
  #include <sys/wait.h>
  static char buffer[300000], other[300000];
  static void report(const char *what, long result) {
    printf("%s: %ld%s%s\\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
  }
  int main(int argc, char **argv) {
    struct stat s;
    int i, fd, fd2;
    report("chdir", chdir(argv[1]));
    for (i = 0; i < sizeof buffer; i++) buffer[i] = i * 7 + i / 1000;
    fd = open("large", O_CREAT | O_RDWR, 0640);
    report("write", write(fd, buffer, sizeof buffer));
    report("again", pwrite(fd, buffer, 5000, 1000000));
    fstat(fd, &s);
    printf("size %ld mode %o\\n", (long)s.st_size, s.st_mode);
    report("read", pread(fd, other, sizeof other, 0));
    printf("same %d\\n", !memcmp(buffer, other, sizeof buffer));
    report("hole", pread(fd, other, 1000, 500000));
    for (i = 0; i < 1000; i++) if (other[i]) break;
    printf("zeros %d\\n", i);
    report("end", pread(fd, other, 1000, 1005000));
    char *map = mmap(0, 1005000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("mapped %d %d\\n", map[4097] == buffer[4097], map[299999] == buffer[299999]);
    memcpy(map + 4000, "through the mapping", 19);
    report("seen by read", pread(fd, other, 19, 4000));
    printf("%.19s\\n", other);
    report("written beside it", pwrite(fd, "beside", 6, 4019));
    printf("%.25s\\n", map + 4000);
    report("msync", msync(map, 1005000, MS_SYNC));
    report("truncate", ftruncate(fd, 4010));
    printf("%.10s|%d\\n", map + 4000, map[4010]);
    report("longer", ftruncate(fd, 4100));
    report("read", pread(fd, other, 200, 4000));
    printf("%.10s|%d\\n", other, other[10]);
    if (fork() == 0) { map[8192] = 1; _exit(0); }
    wait(&i);
    printf("beyond the end: signal %d\\n", WTERMSIG(i));
    munmap(map, 1005000);
    close(fd);
    fd = open("log", O_CREAT | O_WRONLY | O_APPEND, 0600);
    fd2 = open("log", O_WRONLY | O_APPEND);
    for (i = 0; i < 3; i++) { dprintf(fd, "one %d\\n", i); dprintf(fd2, "two %d\\n", i); }
    printf("offset %ld\\n", (long)lseek(fd, 0, SEEK_CUR));
    close(fd); close(fd2);
    fd = open("log", O_RDONLY);
    report("log", read(fd, other, 1000));
    printf("%.36s", other);
    report("write to it", write(fd, "x", 1));
    report("unlink", unlink("log"));
    report("still there", pread(fd, other, 1000, 6));
    fstat(fd, &s);
    printf("links %ld\\n", (long)s.st_nlink);
    close(fd);
    report("gone", open("log", O_RDONLY));
    mkdir("many", 0755);
    for (i = 0; i < 400; i++) { sprintf(other, "many/file with a longer name %d", i); close(open(other, O_CREAT, 0600)); }
    for (i = 0; i < 400; i += 4) { sprintf(other, "many/file with a longer name %d", i); unlink(other); }
    report("not empty", rmdir("many"));
    DIR *d = opendir("many");
    struct dirent *e;
    int count = 0, sum = 0;
    while ((e = readdir(d))) if (e->d_name[0] != '.') { count++; sum += atoi(strrchr(e->d_name, ' ')); unlinkat(dirfd(d), e->d_name, 0); }
    printf("entries %d %d\\n", count, sum);
    closedir(d);
    report("empty", rmdir("many"));
    fd = open("large", O_RDONLY);
    struct epoll_event ev = { EPOLLIN };
    report("epoll", epoll_ctl(epoll_create1(0), EPOLL_CTL_ADD, fd, &ev));
    struct pollfd p = { fd, POLLIN | POLLOUT };
    report("poll", poll(&p, 1, 0));
    memset(other, 'n', 255); other[255] = 0;
    report("long name", mkdir(other, 0700));
    other[255] = 'n'; other[256] = 0;
    report("longer name", mkdir(other, 0700));
    other[255] = 0;
    report("rmdir", rmdir(other));
    report("bad buffer", pread(fd, (void *)8, 100, 0));
    fchmod(fd, 04755);
    fstat(fd, &s); printf("mode %o\\n", s.st_mode);
    report("fsync", fsync(fd));
    close(fd);
    report("unlink", unlink("large"));
    return 0;
  }
`;

if (!hasCompiler) console.log("SKIP drivers' file systems: they need gcc on x86-64");
else {
  test('busybox works on a RAM disk, and what is there is still there after umount and mount', async () => {
    const kernel = await bootOpen();
    const driver = load(kernel.inner, ramdisk(), 'ramdisk');
    const out = await sh(
      kernel,
      `cd /; mkdir -p mnt; grep -c ramdiskfs /proc/filesystems
      mount -t ramdiskfs /dev/ramdisk0 mnt 2>&1 || echo not formatted
      mount -t ramdiskfs -o format /dev/ramdisk0 mnt && mount | grep ramdisk
      mkdir mnt/d; cp /bin/busybox mnt/d/busybox; mnt/d/busybox echo runs
      echo text > mnt/a; ln -s a mnt/l; ln mnt/a mnt/b; cat mnt/l; stat -c '%h %s' mnt/b
      (cd mnt && tar cf - d) | (mkdir /tmp/x && cd /tmp/x && tar xf - && cmp d/busybox /bin/busybox) && echo same
      mv mnt/d mnt/e; find mnt | sort; mount -t ramdiskfs /dev/ramdisk0 /tmp 2>&1 || echo only once
      exec 3< mnt/a; umount mnt || echo busy; exec 3<&-; umount mnt && ls mnt
      mount -t ramdiskfs /dev/ramdisk0 mnt; find mnt | sort; cat mnt/b; cmp mnt/e/busybox /bin/busybox && echo same
      rm -r mnt/*; df mnt | tail -n 1; umount mnt
      dd if=/bin/busybox of=/dev/ramdisk1 bs=4k conv=notrunc 2>/dev/null
      dd if=/dev/ramdisk1 bs=4k count=3 2>/dev/null | cmp -n 12288 - /bin/busybox && echo same
      dd if=/dev/zero of=/dev/ramdisk1 bs=1M 2>&1 | grep -c 'No space left'
      blockdev --getsize64 /dev/ramdisk1`,
    );
    assert.is(
      out,
      [
        '1',
        'mount: mounting /dev/ramdisk0 on mnt failed: Invalid argument',
        'not formatted',
        '/dev/ramdisk0 on /mnt type ramdiskfs (rw,relatime)',
        'runs',
        'text',
        '2 5',
        'same',
        'mnt\nmnt/a\nmnt/b\nmnt/e\nmnt/e/busybox\nmnt/l',
        'mount: mounting /dev/ramdisk0 on /tmp failed: Resource busy',
        'only once',
        'busy',
        'mnt\nmnt/a\nmnt/b\nmnt/e\nmnt/e/busybox\nmnt/l',
        'text',
        'same',
        '/dev/ramdisk0             8062         1      8061   0% /mnt',
        'same',
        '1',
        '8388608',
        "umount: can't unmount /mnt: Resource busy",
        '',
      ].join('\n'),
    );
    await end(kernel, driver);
  });

  for (const [kind, translator] of [
    ['interpreted', false],
    ['translated at once', EAGER],
  ] as const) {
    test(`files are as on tmpfs, ${kind}`, async () => {
      compileProgram('files', FILES);
      const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }], translator });
      const driver = load(kernel.inner, ramdisk(), 'ramdisk');
      const ours = await sh(
        kernel,
        'mkdir -p /mnt /tmp/work; mount -t ramdiskfs -o format /dev/ramdisk0 /mnt; /programs/files /mnt; umount /mnt',
      );
      const tmpfs = await sh(kernel, '/programs/files /tmp/work');
      assert.is(ours, tmpfs);
      assert.match(ours, /through the mappingbeside/);
      await end(kernel, driver);
    });
  }

  /** What each name in the root directory of `hostile` leads to; its number is what the operation does wrong. */
  const HOSTILE = `
    #include <banos/banos.h>
    #define WAYS 24
    static struct banos_wait_queue never;
    static int way_of(const char *name) { int n = 0; while (*name >= '0' && *name <= '9') n = n * 10 + *name++ - '0'; return n; }
    static void file(struct banos_attributes *out, banos_u64 ino) { out->mode = 0100666; out->ino = ino; out->length = 100; out->links = 1; }
    static long mount(struct banos_fs *fs) {
      if (fs->options[0] == 'n') return 5;
      if (fs->options[0] == 'z') return 0;
      if (fs->options[0] == 'c') return *(volatile long *)8;
      fs->root = fs->options[0] == 'b' ? -1ul : 1;
      return 0;
    }
    static void unmount(struct banos_fs *fs) { (void)fs; *(volatile long *)16 = 1; }
    static long statfs(struct banos_fs *fs, struct banos_statfs *out) {
      (void)fs; memset(&out->block_size, 0xff, 44); return 0;
    }
    static long getattr(struct banos_inode *inode, struct banos_attributes *out) {
      file(out, inode->ino);
      if (inode->ino == 1) out->mode = 0040777;
      if (inode->ino == 117) out->ino = 118;
      return 0;
    }
    static long lookup(struct banos_inode *dir, const char *name, struct banos_attributes *out) {
      int way = way_of(name);
      (void)dir;
      if (name[0] < '0' || name[0] > '9') return -BANOS_ENOENT;
      file(out, 100 + way);
      switch (way) {
      case 1: return -5000;
      case 2: return 1;
      case 3: out->ino = 0; break;
      case 4: out->ino = -1ul; break;
      case 5: out->mode = 0777; break;
      case 6: out->mode = 0177777; break;
      case 7: out->length = -1ul; break;
      case 8: out->links = 0; break;
      case 9: out->ino = 1; out->mode = 0040777; break;
      case 10: out->ino = 1; break;
      case 11: out->atime.nanoseconds = 2000000000; break;
      case 12: return *(volatile long *)0;
      case 13: for (;;) ;
      case 14: banos_msleep(1); break;
      case 15: out->blocks = -1ul; break;
      case 16: out->mode = 0120777; break;
      case 22: out->mode = 0040777; break;
      }
      return 0;
    }
    static long readlink(struct banos_inode *inode, char *buffer, size_t size) { (void)inode; (void)buffer; return size + 1; }
    static long readdir(struct banos_inode *dir, banos_u64 cookie) {
      static char name[300];
      if (dir->ino == 122) { for (;;) if (banos_dir_emit(dir, "same", 3, 8, cookie) > 0) return 0; else if (cookie++ > 600) return 0; }
      memset(name, 'n', 299);
      banos_dir_emit(dir, "good", 2, 8, 1);
      banos_dir_emit(dir, "", 2, 8, 2);
      banos_dir_emit(dir, "a/b", 2, 8, 3);
      banos_dir_emit(dir, name, 2, 8, 4);
      banos_dir_emit(dir, "zero", 0, 8, 5);
      banos_dir_emit(dir, "type", 2, 99, 6);
      banos_dir_emit(dir, "back", 2, 8, 0);
      banos_dir_emit(dir, "good too", 2, 8, 7);
      return 0;
    }
    static long read(struct banos_inode *inode, struct banos_iter *to, banos_u64 position) {
      static char much[4096];
      (void)position;
      switch (inode->ino) {
      case 118: return banos_iter_count(to) + 1;
      case 119: banos_wait_event_interruptible(&never, 0); return -BANOS_ERESTARTSYS;
      case 120: return banos_copy_to_iter(much, 1ul << 40, to);
      case 121: return banos_copy_to_iter(much, 10, (struct banos_iter *)much);
      }
      return 0;
    }
    static long write(struct banos_inode *inode, struct banos_iter *from, banos_u64 position) { (void)from; (void)position; return inode->ino == 118 ? -4096 : 1ul << 60; }
    static const struct banos_fs_ops ops = { .size = sizeof(ops), .mount = mount, .unmount = unmount, .statfs = statfs, .getattr = getattr,
      .lookup = lookup, .readlink = readlink, .readdir = readdir, .read = read, .write = write };
    static struct banos_fs_ops bad;
    static int init(Banos_Driver *driver) {
      (void)driver;
      if (banos_register_filesystem("bad", &bad) != -BANOS_EINVAL) return -1;
      if (banos_register_filesystem("", &ops) != -BANOS_EINVAL) return -2;
      if (banos_register_filesystem("a b", &ops) != -BANOS_EINVAL) return -3;
      if (banos_register_filesystem("tmpfs", &ops) != -BANOS_EEXIST) return -4;
      if (banos_unregister_filesystem("tmpfs") != -BANOS_ENOENT) return -5;
      return banos_register_filesystem("hostile", &ops);
    }
    BANOS_DRIVER("hostile", "MIT", 1, init, 0);
  `;

  test('what a file system must not answer becomes EIO, a crash too, and it can be unmounted', async () => {
    const kernel = await bootOpen();
    const driver = load(kernel.inner, compileDriver(HOSTILE), 'hostile');
    const out = await sh(
      kernel,
      `cd /; mkdir -p mnt; for o in n z2 b c; do mount -t hostile -o $o none mnt 2>&1; done; umount mnt
      mount -t hostile -o ok none mnt; cat /proc/mounts | grep -c hostile
      for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do cat mnt/$n 2>&1; done; readlink mnt/16 || echo no link
      cat mnt/18 2>&1; cat mnt/20 | wc -c; cat mnt/21 2>&1; cat mnt/30 | wc -c
      echo x 2>&1 > mnt/18; echo x 2>&1 > mnt/30; echo x 2>&1 > mnt/nothing; mkdir mnt/d 2>&1; rm mnt/20 2>&1
      ls mnt 2>&1; ls mnt/22 2>/dev/null | wc -l; df mnt | wc -l
      umount mnt; grep -c hostile /proc/mounts`,
    );
    assert.equal(out.trimEnd().split('\n'), [
      ...Array.from({ length: 4 }, () => 'mount: mounting none on mnt failed: I/O error'),
      '1',
      ...Array.from({ length: 15 }, (_, i) => `cat: can't open 'mnt/${i + 1}': I/O error`),
      'no link',
      'cat: read error: I/O error',
      '0',
      'cat: read error: I/O error',
      '0',
      ...['18', '30', 'nothing'].map((name) => `sh: can't create mnt/${name}: Operation not permitted`),
      "mkdir: can't create directory 'mnt/d': Operation not permitted",
      "rm: can't remove 'mnt/20': Operation not permitted",
      'ls: mnt/good: No such file or directory',
      'ls: mnt/good too: No such file or directory',
      '0',
      '2',
      '0',
      // What went to the other stream.
      "umount: can't unmount mnt: Invalid argument",
      'cat: read error: I/O error',
      'status 1',
    ]);
    assert.is(driver.owner.hasCrashed, true);
    await end(kernel, driver);
  });

  test('a read that sleeps is interrupted, and one in a driver that goes by force ends', async () => {
    const kernel = await bootOpen();
    const driver = load(kernel.inner, compileDriver(HOSTILE), 'hostile');
    assert.is(await sh(kernel, 'mkdir -p /mnt; mount -t hostile -o ok none /mnt'), '');
    assert.is(
      await sh(kernel, 'cat /mnt/19 & sleep 0.02; kill -INT $!; kill -TERM $!; wait $!; echo $?'),
      '143\nTerminated\n',
    );
    const reader = collect(
      kernel.spawn([
        'sh',
        '-c',
        'exec 3< /mnt/19; cd /mnt; cat <&3; cat 19; ls; cd /; umount /mnt; cat /proc/mounts | grep hostile',
      ]),
    );
    await sleeperIn(kernel);
    assert.is(driver.owner.holds, 1, 'the mounted file system holds it');
    driver.owner.release();
    assert.is(driver.owner.size, 0);
    assert.not.match(kernel.inner.fileSystemTypes.names.join(), /hostile/);
    const { stdout, stderr } = await reader;
    assert.is(stdout, 'none /mnt hostile rw,relatime 0 0\n');
    assert.is(
      stderr,
      [
        // Its sendfile was told ENODEV, and it tries read.
        'cat: read error: I/O error',
        "cat: can't open '19': I/O error",
        "ls: can't open '.': I/O error",
        "umount: can't unmount /mnt: Resource busy",
        '',
      ].join('\n'),
    );
    assert.is(await sh(kernel, 'umount /mnt; grep hostile /proc/mounts'), 'status 1\n');
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
