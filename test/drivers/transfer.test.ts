/** sendfile, splice and copy_file_range with files of drivers, whose reads and writes sleep in the middle. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { collect } from '../support/guest.js';
import { bootOpen, compileDriver, compileProgram, hasCompiler, initDriver, loadDriver, programs } from './support.js';

const HEAD = `
  #define _GNU_SOURCE
  #include <errno.h>
  #include <fcntl.h>
  #include <poll.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  #include <sys/sendfile.h>
  #include <sys/socket.h>
  #include <sys/wait.h>
  static void report(const char *what, long result) {
    printf("%s: %ld%s%s\\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(errno) : "");
  }
`;

/** Prints the same on any file system. */
const FILES = `${HEAD}
  #define SIZE 200000
  static char data[SIZE], back[SIZE];
  static int check(int fd, long from, long size) {
    memset(back, 0, sizeof back);
    long n = pread(fd, back, size, 0);
    return n == size && memcmp(back, data + from, size) == 0;
  }
  int main(int argc, char **argv) {
    int i, p[2], s[2];
    loff_t in, out;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, 0, _IONBF, 0);
    report("chdir", chdir(argv[1]));
    for (i = 0; i < SIZE; i++) data[i] = i * 7 + i / 1000;
    int a = open("a", O_CREAT | O_RDWR, 0600), b = open("b", O_CREAT | O_RDWR, 0600);
    write(a, data, SIZE);
    lseek(a, 0, SEEK_SET);
    report("sendfile", sendfile(b, a, 0, SIZE + 5));
    report("offsets", lseek(a, 0, SEEK_CUR) * 1000000 + lseek(b, 0, SEEK_CUR));
    report("same", check(b, 0, SIZE));
    ftruncate(b, 0); lseek(b, 0, SEEK_SET);
    in = 1000;
    report("sendfile from", sendfile(b, a, &in, 5000));
    report("offset", in); report("own", lseek(a, 0, SEEK_CUR));
    report("same", check(b, 1000, 5000));
    in = 70000; out = 0;
    report("copy_file_range", copy_file_range(a, &in, b, &out, 70001, 0));
    report("offset", in); report("offset", out);
    report("same", check(b, 70000, 70001));
    report("overlap", copy_file_range(a, &in, a, &in, 10, 0));
    pipe(p);
    in = 3;
    report("splice out", splice(a, &in, p[1], 0, 3000, 0));
    report("offset", in);
    report("splice in", splice(p[0], 0, b, 0, 5000, 0));
    report("no more", splice(p[0], 0, b, 0, 5000, SPLICE_F_NONBLOCK));
    write(p[1], "one", 3); write(p[1], "two", 3);
    out = 10;
    report("at a place", splice(p[0], 0, b, &out, 4, 0));
    report("offset", out);
    report("rest", read(p[0], back, 10));
    pread(b, back, 6, 10); back[6] = 0; write(1, back, 4); puts("");
    report("both files", splice(a, 0, b, 0, 10, 0));
    report("negative", splice(a, (in = -1, &in), p[1], 0, 10, 0));
    // A child reads while the pipe is fed from the file until it is full.
    if (fork() == 0) {
      long total = 0, n;
      close(p[1]);
      while ((n = read(p[0], back, 777)) > 0) for (i = 0; i < n; i++) if (back[i] != data[total++]) _exit(1);
      report("child read", total);
      return 0;
    }
    close(p[0]);
    lseek(a, 0, SEEK_SET);
    long total = 0, n;
    while ((n = splice(a, 0, p[1], 0, 1 << 20, 0)) > 0) total += n;
    close(p[1]);
    int status; wait(&status);
    report("spliced", total); report("end", n); report("child", status);
    pipe(p); close(p[0]);
    report("no reader", splice(a, (in = 0, &in), p[1], 0, 10, 0));
    report("sendfile, no reader", sendfile(p[1], a, (in = 0, &in), 10));
    socketpair(AF_UNIX, SOCK_STREAM, 0, s);
    if (fork() == 0) {
      close(s[0]);
      total = 0;
      while ((n = read(s[1], back, 5000)) > 0) for (i = 0; i < n; i++) if (back[i] != data[total++]) _exit(1);
      report("socket read", total);
      return 0;
    }
    close(s[1]);
    in = 0;
    report("to a socket", sendfile(s[0], a, &in, SIZE));
    close(s[0]); wait(&status); report("child", status);
    int append = open("b", O_WRONLY | O_APPEND);
    report("append", sendfile(append, a, 0, 10));
    report("not for writing", sendfile(open("b", O_RDONLY), a, 0, 10));
    unlink("a"); unlink("b");
    return 0;
  }
`;

const DEVICES = `${HEAD}
  static void on_alarm(int s) {}
  static char big[70000];
  int main(void) {
    char buffer[100];
    int p[2], m = open("/dev/message0", O_RDWR), quiet = open("/dev/quiet", O_RDWR), status, i;
    loff_t zero = 0;
    struct sigaction alarmed = { .sa_handler = on_alarm };
    sigaction(SIGALRM, &alarmed, 0);
    setvbuf(stdout, 0, _IONBF, 0);
    pipe(p);
    report("no splicing out", splice(quiet, 0, p[1], 0, 10, 0));
    write(p[1], "x", 1);
    report("no splicing in", splice(p[0], 0, quiet, 0, 10, 0));
    report("no sendfile in", sendfile(p[1], quiet, 0, 10));
    int file = open("/tmp/file", O_CREAT | O_RDWR, 0600);
    write(file, "from a file", 11);
    report("no sendfile out", sendfile(quiet, file, &zero, 5));
    read(p[0], buffer, 1);
    report("a position", splice(m, &zero, p[1], 0, 10, 0));
    report("sendfile from it", sendfile(file, m, 0, 10));
    write(m, "hello", 5);
    report("out", splice(m, 0, p[1], 0, 3, 0));
    report("out, all of it", splice(m, 0, p[1], 0, 1000, 0));
    report("read", read(p[0], buffer, 100)); buffer[5] = 0; puts(buffer);
    report("sendfile to a pipe", (write(m, "pipe", 4), sendfile(p[1], m, 0, 4)));
    report("read", read(p[0], buffer, 100)); buffer[4] = 0; puts(buffer);
    // The device sleeps until somebody writes.
    if (fork() == 0) { usleep(2000); write(m, "late", 4); _exit(0); }
    report("waited", splice(m, 0, p[1], 0, 100, 0));
    report("read", read(p[0], buffer, 100));
    wait(&status);
    // Again and again: the first one may come before the call.
    ualarm(2000, 2000);
    report("interrupted", splice(m, 0, p[1], 0, 100, 0));
    ualarm(0, 0);
    fcntl(m, F_SETFL, O_NONBLOCK);
    report("nothing there", splice(m, 0, p[1], 0, 100, 0));
    fcntl(m, F_SETFL, 0);
    write(p[1], "to the device", 13);
    report("in", splice(p[0], 0, m, 0, 6, 0));
    report("in", splice(p[0], 0, m, 0, 100, 0));
    report("read", read(m, buffer, 100)); buffer[13] = 0; puts(buffer);
    report("sendfile in", sendfile(m, file, (zero = 0, &zero), 11));
    report("read", read(m, buffer, 100)); buffer[11] = 0; puts(buffer);
    // More than the device has room for: it sleeps in the middle, and meanwhile the pipe is the transfer's.
    for (i = 0; i < sizeof big; i++) big[i] = i * 3 + i / 256;
    if (fork() == 0) {
      for (int n, at = 0; at < 20000; ) {
        usleep(500);
        if ((n = read(m, buffer, 100)) <= 0) _exit(2);
        for (int k = 0; k < n; k++) if (buffer[k] != big[at++]) _exit(3);
      }
      _exit(0);
    }
    write(p[1], big, 20000);
    if (fork() == 0) {
      usleep(1000);
      fcntl(p[0], F_SETFL, O_NONBLOCK);
      struct pollfd poll_it = { p[0], POLLIN, 0 };
      int ready = poll(&poll_it, 1, 0), n = read(p[0], buffer, 10);
      printf("meanwhile: %d %d\\n", ready, n == -1 && errno == EAGAIN);
      return 0;
    }
    report("large", splice(p[0], 0, m, 0, 20000, 0));
    wait(&status); report("child", status);
    wait(&status); report("child", status);
    fcntl(p[0], F_SETFL, 0);
    // Room in the pipe is kept for what the device will give.
    int size = fcntl(p[1], F_SETPIPE_SZ, 4096);
    int pid = fork();
    if (pid == 0) { report("into a pipe that fills", splice(m, 0, p[1], 0, 10, 0)); return 0; }
    usleep(2000);
    fcntl(p[1], F_SETFL, O_NONBLOCK);
    report("no room for others", write(p[1], "other", 5));
    write(m, "0123456789", 10);
    waitpid(pid, &status, 0);
    report("child", status);
    report("read", read(p[0], buffer, 100));
    report("room again", write(p[1], "other", 5));
    report("read", read(p[0], buffer, 100));
    fcntl(p[1], F_SETFL, 0);
    // Killed in the middle: the pipe is free again.
    if ((pid = fork()) == 0) { splice(m, 0, p[1], 0, 10, 0); return 0; }
    usleep(2000);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    report("killed", WTERMSIG(status));
    report("room again", write(p[1], "other", 5));
    report("tee", tee(m, p[1], 10, 0));
    report("copy_file_range", copy_file_range(m, 0, file, 0, 10, 0));
    unlink("/tmp/file");
    return 0;
  }
`;

/** A device that can be read and written, and not spliced. */
const QUIET = `
  #include <banos/banos.h>
  static long nothing(struct banos_file *file, struct banos_iter *iter, banos_u64 position) { return 0; }
  static const struct banos_chrdev_ops ops = { .size = sizeof(ops), .flags = BANOS_CHRDEV_SEEKABLE, .read = nothing, .write = nothing };
  static const struct banos_chrdev device = { .size = sizeof(device), .minors = 1, .name = "quiet", .ops = &ops };
  static int init(Banos_Driver *driver) { long r = banos_chrdev_register(&device); return r < 0 ? r : 0; }
  BANOS_DRIVER("quiet", "MIT", 1, init, 0);
`;

if (!hasCompiler) console.log('SKIP transfers with drivers: they need gcc on x86-64');
else {
  /** Every move of bytes sleeps. */
  const SLEEPY = `
    #include <banos/banos.h>
    #define banos_copy_to_iter(...) (banos_msleep(1), banos_copy_to_iter(__VA_ARGS__))
    #define banos_copy_from_iter(...) (banos_msleep(1), banos_copy_from_iter(__VA_ARGS__))
  `;

  test("files of a driver's file system are moved as those of tmpfs, asleep in the middle or not", async () => {
    compileProgram('transfer-files', FILES);
    writeFileSync(join(programs, 'sleepy.h'), SLEEPY);
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const source = readFileSync('drivers/examples/ramdisk.c', 'utf8');
    const plain = loadDriver(kernel.inner, compileDriver(source, ['-Idrivers/examples']), 'ramdisk');
    const sleepy = ['-Idrivers/examples', '-include', join(programs, 'sleepy.h')];
    const tmpfs = await collect(kernel.spawn(['/programs/transfer-files', '/tmp']));
    const native = spawnSync(join(programs, 'transfer-files'), [programs], { encoding: 'latin1' });
    assert.is(tmpfs.stdout, native.stdout);
    for (const driver of [plain, loadDriver(kernel.inner, compileDriver(source, sleepy), 'ramdisk')]) {
      assert.is(initDriver(kernel.inner, driver), 0);
      const script =
        'mkdir -p /mnt; mount -t ramdiskfs -o format /dev/ramdisk0 /mnt; /programs/transfer-files /mnt; umount /mnt';
      const { stdout, stderr } = await collect(kernel.spawn(['sh', '-c', script]));
      assert.is(stdout + stderr, tmpfs.stdout);
      assert.is(driver.owner.holds, 0);
      driver.owner.release();
    }
    assert.is(kernel.inner.drivers.heap.blocks, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('devices are spliced when they say that they can be, and sleep in the middle', async () => {
    compileProgram('transfer-devices', DEVICES);
    const kernel = await bootOpen({ mounts: [{ host: programs, guest: '/programs' }] });
    const message = loadDriver(
      kernel.inner,
      compileDriver(readFileSync('drivers/examples/message.c', 'utf8')),
      'message',
    );
    const quiet = loadDriver(kernel.inner, compileDriver(QUIET), 'quiet');
    assert.is(initDriver(kernel.inner, message), 0);
    assert.is(initDriver(kernel.inner, quiet), 0);
    const { stdout, stderr } = await collect(kernel.spawn(['/programs/transfer-devices']));
    assert.equal((stdout + stderr).trimEnd().split('\n'), [
      'no splicing out: -1 Invalid argument',
      'no splicing in: -1 Invalid argument',
      'no sendfile in: -1 Invalid argument',
      'no sendfile out: -1 Invalid argument',
      'a position: -1 Invalid argument',
      'sendfile from it: -1 Invalid argument',
      'out: 3',
      'out, all of it: 2',
      'read: 5',
      'hello',
      'sendfile to a pipe: 4',
      'read: 4',
      'pipe',
      'waited: 4',
      'read: 4',
      'interrupted: -1 Interrupted system call',
      'nothing there: -1 Resource temporarily unavailable',
      'in: 6',
      'in: 7',
      'read: 13',
      'to the device',
      'sendfile in: 11',
      'read: 11',
      'from a file',
      'meanwhile: 0 1',
      'large: 20000',
      'child: 0',
      'child: 0',
      'no room for others: -1 Resource temporarily unavailable',
      'into a pipe that fills: 10',
      'child: 0',
      'read: 10',
      'room again: 5',
      'read: 5',
      'killed: 9',
      'room again: 5',
      'tee: -1 Invalid argument',
      'copy_file_range: -1 Invalid argument',
    ]);
    for (const { owner } of [message, quiet]) {
      assert.is(owner.holds, 0);
      owner.release();
    }
    assert.is(kernel.inner.drivers.heap.blocks, 0);
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
