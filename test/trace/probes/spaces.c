/* unshare, setns and the requests of namespaces' descriptors: their trace is compared with strace's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 2 || chdir(argv[1]) != 0) return 77;
  unshare(0);
  unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_NEWNET);
  unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD);
  unshare(1);
  unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS | CLONE_PIDFD | 1);
  unshare(0x80 | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | 2);
  int fd = open("/proc/self/ns/net", O_RDONLY);
  setns(fd, 0);
  setns(fd, CLONE_NEWNET);
  setns(fd, CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS | 0x80);
  setns(fd, CLONE_FS);
  setns(fd, CLONE_FS | CLONE_NEWNET);
  setns(-1, 0);
  ioctl(fd, 0xb702);
  ioctl(fd, 0xb704, 8);
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  ioctl(s, 0x894c);
  ioctl(s, 0x894c, 5);
  for (int action = -1; action < 13; action++)
    if (action < 2 || action > 9) syscall(SYS_syslog, action, 0, 0);
  for (int level = -1; level < 12; level++)
    if (level < 1 || level > 8) syscall(SYS_syslog, 8, 7, level);
  syscall(SYS_syslog, 3, 8, 1000);
  syscall(SYS_syslog, 3, s, 0);
  return 0;
}
