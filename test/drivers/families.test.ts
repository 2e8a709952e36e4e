/** Address families of drivers, with the packet family of the examples. */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../abi/errno.js';
import { collect } from '../support/guest.js';
import { bootWithPrograms, guestProgram, until } from './programs.js';
import { callNow, compileDriver, hasCompiler, initDriver, loadDriver } from './support.js';

const AF_ECHO = 19;
const SOCK_DGRAM = 2;
const SYS_SOCKET = 41;
const SYS_CONNECT = 42;
const SYS_SENDTO = 44;
const SYS_RECVFROM = 45;

if (!hasCompiler) console.log('SKIP address families of drivers: they need gcc on x86-64');
else {
  const image = compileDriver(readFileSync('drivers/examples/echo_packet.c', 'utf8'));
  const head = `
    #include <errno.h>
    #include <poll.h>
    #include <signal.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <sys/epoll.h>
    #include <sys/ioctl.h>
    #include <sys/socket.h>
    #include <sys/time.h>
    #include <sys/wait.h>
    #include <unistd.h>
    struct at { unsigned short family, port; };
    static struct at *at(int port) { static struct at one; one = (struct at){19, port}; return &one; }
    static void say(const char *what, long result) {
      printf("%s: %ld %s\\n", what, result, result < 0 ? strerrorname_np(errno) : "");
      fflush(stdout);
    }
    static int ready(int fd) { struct pollfd one = {fd, POLLIN | POLLOUT}; poll(&one, 1, 0); return one.revents; }
    static long to(int fd, int port, const void *text, size_t length, int flags) {
      return sendto(fd, text, length, flags, (void *)at(port), 4);
    }
    static int port_of(int fd) {
      struct at name = {0}; socklen_t length = sizeof name;
      return getsockname(fd, (void *)&name, &length) < 0 ? -errno : name.port;
    }
  `;
  const script = guestProgram(
    'echo',
    `${head}
    static void nothing(int signal) {}
    int main(void) {
      char buffer[9000], big[8192];
      struct at from;
      socklen_t length = sizeof from;
      say("stream", socket(19, SOCK_STREAM, 0));
      say("protocol", socket(19, SOCK_DGRAM, 5));
      int a = socket(19, SOCK_DGRAM, 0), b = socket(19, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      printf("ports %d, ready %#x\\n", port_of(a), ready(a));
      say("short address", bind(a, (void *)at(100), 3));
      struct at wrong = {1, 100};
      say("wrong family", bind(a, (void *)&wrong, 4));
      say("bind", bind(a, (void *)at(100), 4));
      say("again", bind(a, (void *)at(101), 4));
      say("taken", bind(b, (void *)at(100), 4));
      say("the echo's", bind(b, (void *)at(7), 4));
      say("nowhere", send(b, "x", 1, 0));
      say("nobody", to(b, 50, "x", 1, 0));
      say("empty", recv(a, buffer, 10, MSG_DONTWAIT));
      say("to a", to(b, 100, "hello", 5, 0));
      printf("autobound %d, ready %#x\\n", port_of(b), ready(a));
      int count = -1;
      ioctl(a, FIONREAD, &count);
      say("waiting", count);
      say("peek", recvfrom(a, buffer, 3, MSG_PEEK, (void *)&from, &length));
      printf("%.3s from %d of %d\\n", buffer, from.port, length);
      struct iovec piece = {buffer, 3};
      struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
      say("whole length", recvmsg(a, &message, MSG_PEEK | MSG_TRUNC));
      printf("flags %#x\\n", message.msg_flags);
      say("receive", recv(a, buffer, sizeof buffer, 0));
      printf("%.5s, ready %#x\\n", buffer, ready(a));
      say("echo", to(a, 7, "again", 5, 0));
      length = sizeof from;
      say("back", recvfrom(a, buffer, sizeof buffer, 0, (void *)&from, &length));
      printf("%.5s from %d\\n", buffer, from.port);
      say("no bytes", to(a, 7, "", 0, 0));
      say("no bytes", recv(a, buffer, sizeof buffer, 0));
      for (int i = 0; i < sizeof big; i++) big[i] = i * 7 + (i >> 8);
      say("big", to(b, 100, big, sizeof big, 0));
      memset(buffer, 0, sizeof buffer);
      say("big", read(a, buffer, sizeof buffer));
      printf("same %d\\n", memcmp(big, buffer, sizeof big) == 0);
      say("too big", to(b, 100, buffer, 8193, 0));
      say("bad memory", to(b, 100, (void *)8, 100, 0));
      say("bad memory", to(b, 7, "text", 4, 0));
      say("bad memory", recv(b, (void *)8, 100, 0));
      say("still there", recv(b, buffer, 100, 0));
      int value = 2;
      long long received = 0;
      say("limit", setsockopt(a, 280, 1, &value, 4));
      value = 0;
      say("no limit", setsockopt(a, 280, 1, &value, 4));
      say("no option", setsockopt(a, 280, 9, &value, 4));
      say("no option", setsockopt(a, 6, 1, &value, 4));
      length = sizeof value;
      say("limit", getsockopt(a, 280, 1, &value, &length));
      printf("%d %d\\n", value, length);
      length = sizeof received;
      getsockopt(a, 280, 2, &received, &length);
      printf("%lld %d\\n", received, length);
      say("connect", connect(b, (void *)at(100), 4));
      say("nobody", connect(b, (void *)at(555), 4));
      struct timeval patience = {0, 20000};
      setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      say("time-out", recv(a, buffer, 10, 0));
      setsockopt(b, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      say("one", send(b, "1", 1, 0));
      say("two", send(b, "2", 1, 0));
      printf("ready %#x\\n", ready(b));
      say("full", send(b, "3", 1, MSG_DONTWAIT));
      say("time-out", send(b, "3", 1, 0));
      patience.tv_usec = 0;
      setsockopt(b, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      if (fork() == 0) {
        for (int i = 0; i < 500; i++) { int n = 1000 + i; if (send(b, &n, sizeof n, 0) != sizeof n) _exit(1); }
        _exit(0);
      }
      long sum = 0;
      for (int i = 0; i < 502; i++) {
        int n = 0;
        if (recv(a, &n, sizeof n, 0) < 0) perror("recv");
        if (n >= 1000) sum += n;
      }
      wait(&value);
      printf("sum %ld, status %d\\n", sum, value);
      int epoll = epoll_create1(0), events;
      struct epoll_event event = {.events = EPOLLIN | EPOLLET};
      epoll_ctl(epoll, EPOLL_CTL_ADD, a, &event);
      say("epoll", epoll_wait(epoll, &event, 1, 0));
      if (fork() == 0) { usleep(20000); send(b, "news", 4, 0); _exit(0); }
      say("epoll", epoll_wait(epoll, &event, 1, 5000));
      say("epoll", epoll_wait(epoll, &event, 1, 0));
      say("read", read(a, buffer, 10));
      struct sigaction action = {.sa_handler = nothing};
      sigaction(SIGALRM, &action, 0);
      /* Again and again: the first one may come before the call. */
      ualarm(20000, 20000);
      say("interrupted", recv(a, buffer, 10, 0));
      ualarm(0, 0);
      length = sizeof from;
      say("peer", getpeername(b, (void *)&from, &length));
      printf("%d, %d\\n", from.port, length);
      say("no peer", getpeername(a, (void *)&from, &length));
      int pair[2];
      say("pair", socketpair(19, SOCK_DGRAM, 0, pair));
      write(pair[0], "left", 4);
      write(pair[1], "right", 5);
      say("pair", read(pair[0], buffer, 10));
      say("pair", read(pair[1], buffer, 10));
      char control[CMSG_SPACE(4)] = {0};
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      struct cmsghdr *header = CMSG_FIRSTHDR(&message);
      *header = (struct cmsghdr){CMSG_LEN(4), SOL_SOCKET, SCM_RIGHTS};
      *(int *)CMSG_DATA(header) = 1;
      say("descriptors", sendmsg(pair[0], &message, 0));
      say("shutdown", shutdown(pair[0], SHUT_RDWR));
      say("reads", read(pair[0], buffer, 10));
      say("writes", write(pair[0], buffer, 10));
      say("writes to it", write(pair[1], buffer, 10));
      printf("ready %#x\\n", ready(pair[0]));
      say("listen", listen(a, 5));
      say("accept", accept(a, 0, 0));
      return 0;
    }`,
  );
  const expected = `stream: -1 ESOCKTNOSUPPORT
protocol: -1 EPROTONOSUPPORT
ports 0, ready 0x4
short address: -1 EINVAL
wrong family: -1 EAFNOSUPPORT
bind: 0 
again: -1 EINVAL
taken: -1 EADDRINUSE
the echo's: -1 EADDRINUSE
nowhere: -1 EDESTADDRREQ
nobody: -1 ECONNREFUSED
empty: -1 EAGAIN
to a: 5 
autobound 32768, ready 0x5
waiting: 5 
peek: 3 
hel from 32768 of 4
whole length: 5 
flags 0x20
receive: 5 
hello, ready 0x4
echo: 5 
back: 5 
again from 7
no bytes: 0 
no bytes: 0 
big: 8192 
big: 8192 
same 1
too big: -1 EMSGSIZE
bad memory: -1 EFAULT
bad memory: 4 
bad memory: -1 EFAULT
still there: 4 
limit: 0 
no limit: -1 EINVAL
no option: -1 ENOPROTOOPT
no option: -1 ENOPROTOOPT
limit: 0 
2 4
4 8
connect: 0 
nobody: -1 ECONNREFUSED
time-out: -1 EAGAIN
one: 1 
two: 1 
ready 0
full: -1 EAGAIN
time-out: -1 EAGAIN
sum ${(500 * (1000 + 1499)) / 2}, status 0
epoll: 0 
epoll: 1 
epoll: 0 
read: 4 
interrupted: -1 EINTR
peer: 0 
100, 4
no peer: -1 ENOTCONN
pair: 0 
pair: 5 
pair: 4 
descriptors: -1 EINVAL
shutdown: 0 
reads: 0 
writes: -1 EPIPE
writes to it: -1 EPIPE
ready 0x15
listen: -1 EOPNOTSUPP
accept: -1 EOPNOTSUPP
`;

  test('a packet family of a driver does all that sockets do', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, image, 'echo_packet');
    assert.is((await collect(kernel.spawn([script]))).stdout.split('\n')[0], 'stream: -1 EAFNOSUPPORT');
    assert.is(initDriver(inner, driver), 0);
    const first = await collect(kernel.spawn([script]));
    assert.is(first.stdout, expected);
    assert.is(first.stderr, '');
    assert.is((await collect(kernel.spawn(['cat', '/proc/banos/families']))).stdout, '19 echo echo_packet 0\n');
    assert.is(driver.owner.holds, 0);
    assert.is(inner.drivers.heap.blocks, 0);
    assert.is(callNow(inner, driver, 'uninit', 0), 0);
    assert.is((await collect(kernel.spawn([script]))).stdout.split('\n')[0], 'stream: -1 EAFNOSUPPORT');
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a TypeScript program and one in C talk through a family of a driver', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, image, 'echo_packet');
    assert.is(initDriver(inner, driver), 0);
    const server = guestProgram(
      'server',
      `${head}
      int main(void) {
        int fd = socket(19, SOCK_DGRAM, 0);
        bind(fd, (void *)at(200), 4);
        char buffer[100];
        for (;;) {
          struct at from;
          socklen_t length = sizeof from;
          long count = recvfrom(fd, buffer, sizeof buffer, 0, (void *)&from, &length);
          if (count <= 0) return count != 0;
          for (int i = 0; i < count; i++) buffer[i] ^= 32;
          sendto(fd, buffer, count, 0, (void *)&from, length);
        }
      }`,
    );
    let answer = '';
    kernel.installSystemProgram('/bin/client', async (system) => {
      const block = system.memory.take(64);
      if (typeof block === 'number') return 1;
      const { address } = block;
      system.memory.write(address, new Uint8Array(new Uint16Array([AF_ECHO, 200]).buffer));
      system.memory.write(address + 8, Buffer.from('typescript'));
      const fd = await system.call(SYS_SOCKET, AF_ECHO, SOCK_DGRAM, 0);
      if ((await system.call(SYS_CONNECT, fd, address, 4)) !== 0) return 2;
      if ((await system.call(SYS_SENDTO, fd, address + 8, 10, 0, 0, 0)) !== 10) return 3;
      const count = await system.call(SYS_RECVFROM, fd, address + 8, 32, 0, 0, 0);
      const bytes = new Uint8Array(Math.max(count, 0));
      inner.processes.task(system.pid)!.mm!.read(address + 8, bytes);
      answer = Buffer.from(bytes).toString();
      await system.call(SYS_SENDTO, fd, 0, 0, 0, 0, 0);
      return 0;
    });
    const peer = kernel.spawn([server]);
    await until(() => driver.owner.holds === 1);
    assert.is((await collect(kernel.spawn(['client']))).code, 0);
    assert.is(answer, 'TYPESCRIPT');
    assert.is((await collect(peer)).code, 0);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('a socket holds the module; when that goes by force, sockets answer ENETDOWN', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const driver = loadDriver(inner, image, 'echo_packet');
    assert.is(initDriver(inner, driver), 0);
    const waiting = guestProgram(
      'waiting',
      `${head}
      int main(void) {
        char c;
        int fd = socket(19, SOCK_DGRAM, 0), other = socket(19, SOCK_DGRAM, 0);
        say("receive", recv(fd, &c, 1, 0));
        printf("ready %#x\\n", ready(other));
        say("bind", bind(other, (void *)at(10), 4));
        say("socket", socket(19, SOCK_DGRAM, 0));
        say("option", setsockopt(other, 280, 1, &fd, 4));
        return close(fd) + close(other);
      }`,
    );
    const child = kernel.spawn([waiting]);
    await until(() => driver.owner.holds === 2);
    assert.is(callNow(inner, driver, 'uninit', 0), -EBUSY);
    await until(() => kernel.dump().processes.some(({ state }) => state === 'sleeping'));
    driver.owner.release();
    const { stdout, code } = await collect(child);
    assert.is(
      stdout,
      'receive: -1 ENETDOWN\nready 0x19\nbind: -1 ENETDOWN\nsocket: -1 EAFNOSUPPORT\noption: -1 ENETDOWN\n',
    );
    assert.is(code, 0);
    assert.equal([driver.owner.holds, driver.owner.size, inner.drivers.heap.blocks], [0, 0, 0]);
    kernel.assertIdle();
    await kernel.shutdown();
  });

  test('what a hostile family answers harms nobody', async () => {
    const kernel = await bootWithPrograms();
    const { inner } = kernel;
    const hostile = compileDriver(`
      #include <banos/banos.h>
      static long ok(struct banos_socket *socket) { return 0; }
      static long crash(struct banos_socket *socket) { return *(volatile long *)0; }
      static long name(struct banos_socket *socket, int peer, void *address) { return peer ? 1l << 40 : 100000; }
      static long much(struct banos_socket *socket, struct banos_iter *iter, struct banos_message *message) {
        message->name_length = ~0u;
        message->length = ~0ull;
        return 1l << 40;
      }
      static long marker(struct banos_socket *socket, int how) { return -0x10000 - how; }
      static long option(struct banos_socket *socket, struct banos_option *option) { option->length = ~0u; return 0; }
      static long sleeps(struct banos_socket *socket, banos_u32 request, unsigned long argument) {
        banos_msleep(1);
        return 0;
      }
      static struct banos_family_ops ops = {.size = sizeof ops, .create = ok, .release = crash, .poll = crash, .getname = name,
        .sendmsg = much, .recvmsg = much, .shutdown = marker, .getsockopt = option, .ioctl = sleeps};
      long reg(int family, int how) {
        struct banos_family one = {.size = sizeof one, .family = family, .name = how == 1 ? "a b" : "hostile", .ops = &ops};
        if (how == 2) one.size = 4;
        ops.size = how == 3 ? 8 : sizeof ops;
        return banos_register_family(&one);
      }
      long unreg(int family) { return banos_unregister_family(family); }
      static int init(Banos_Driver *driver) { return 0; }
      BANOS_DRIVER("hostile", "MIT", 1, init, init);
    `);
    const driver = loadDriver(inner, hostile, 'hostile');
    for (const how of [1, 2, 3]) assert.is(callNow(inner, driver, 'reg', AF_ECHO, how), -EINVAL);
    for (const family of [-1, 0, 46, 1000]) assert.is(callNow(inner, driver, 'reg', family, 0), -EINVAL);
    assert.is(callNow(inner, driver, 'reg', 1, 0), -EEXIST);
    assert.is(callNow(inner, driver, 'unreg', 1), -ENOENT);
    assert.is(callNow(inner, driver, 'reg', AF_ECHO, 0), 0);
    assert.is(callNow(inner, driver, 'reg', AF_ECHO, 0), -EEXIST);
    const victim = guestProgram(
      'victim',
      `${head}
      int main(void) {
        char buffer[300];
        socklen_t length = 200;
        int fd = socket(19, SOCK_DGRAM, 0);
        int stream = socket(19, SOCK_STREAM, 0);
        say("name", getsockname(fd, (void *)buffer, &length));
        length = 200;
        say("peer", getpeername(fd, (void *)buffer, &length));
        say("send", send(fd, buffer, 10, 0));
        say("receive", recv(fd, buffer, 10, MSG_TRUNC));
        say("stream", recv(stream, buffer, 10, 0));
        for (int i = 0; i < 3; i++) say("shutdown", shutdown(fd, i));
        length = 200;
        say("option", getsockopt(fd, 280, 1, buffer, &length));
        say("ioctl", ioctl(fd, 1, 0));
        printf("ready %#x\\n", ready(fd));
        say("bind", bind(fd, (void *)at(1), 4));
        return 0;
      }`,
    );
    const { stdout, code, signal } = await collect(kernel.spawn([victim]));
    assert.is(
      stdout,
      `name: 0 \npeer: 0 \nsend: -1 EIO\nreceive: -1 EIO\nstream: -1 EIO\n${'shutdown: -1 EIO\n'.repeat(3)}option: -1 EINVAL\nioctl: -1 EIO\nready 0x19\nbind: -1 EOPNOTSUPP\n`,
    );
    assert.equal([code, signal], [0, null]);
    assert.ok(kernel.log().some((line) => line.startsWith('BUG: scheduling while atomic')));
    assert.equal([driver.owner.holds, inner.drivers.heap.blocks], [0, 0]);
    driver.owner.release();
    kernel.assertIdle();
    await kernel.shutdown();
  });
}

test.run();
