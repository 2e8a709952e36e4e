/* What can be done with /dev/ksyms. The driver `named` is loaded. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KIOCGSIZE 0x40046c03
#define KIOCGVALUE 0xc0106c04
#define KIOCGSYMBOL 0xc0206c05

struct value { const char *name; unsigned long value; };
struct symbol { const char *name; Elf64_Sym symbol; };

static const char *result(long r) { return r < 0 ? strerrorname_np(errno) : "0"; }

int main(void) {
  int file = open("/dev/ksyms", O_RDONLY), size = 0;
  struct stat status;
  fstat(file, &status);
  ioctl(file, KIOCGSIZE, &size);
  printf("size %d\n", size == status.st_size && size > 0);
  struct value value = {"global_one", 0};
  long r = ioctl(file, KIOCGVALUE, &value);
  printf("global_one %s %lx\n", result(r), value.value);
  struct symbol symbol = {"global_one"};
  r = ioctl(file, KIOCGSYMBOL, &symbol);
  printf("symbol %s %lx type %d bind %d\n", result(r), symbol.symbol.st_value, ELF64_ST_TYPE(symbol.symbol.st_info), ELF64_ST_BIND(symbol.symbol.st_info));
  value.name = "no_such_symbol";
  printf("nothing %s\n", result(ioctl(file, KIOCGVALUE, &value)));
  printf("unknown %s\n", result(ioctl(file, 0x40046c09, &size)));
  printf("bad pointer %s\n", result(ioctl(file, KIOCGVALUE, (void *)8)));
  value.name = (const char *)0xffffffff81000000;
  printf("bad name %s\n", result(ioctl(file, KIOCGSYMBOL, &value)));
  printf("seek %d\n", lseek(file, 0, SEEK_END) == size && lseek(file, 0, SEEK_SET) == 0);
  printf("write %s\n", result(write(file, "x", 1)));
  char *map = mmap(0, size, PROT_READ, MAP_PRIVATE, file, 0);
  static char image[1 << 20];
  long length = read(file, image, sizeof image);
  printf("map %d\n", length == size && !memcmp(map, image, size) && !memcmp(map, ELFMAG, 4));
  printf("shared %s\n", mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED ? strerrorname_np(errno) : "0");
  r = syscall(SYS_delete_module, "named", 0);
  printf("unloaded %s\n", result(r));
  fstat(file, &status);
  static char again[1 << 20];
  printf("still %d\n", pread(file, again, sizeof again, 0) == size && !memcmp(image, again, size) && status.st_size == size && !memcmp(map, image, size));
  value.name = "global_one";
  printf("value %s\n", result(ioctl(file, KIOCGVALUE, &value)));
  int other = open("/dev/ksyms", O_RDONLY);
  printf("new %s\n", result(ioctl(other, KIOCGVALUE, &value)));
  printf("open for writing %s\n", result(open("/dev/ksyms", O_RDWR)));
  setuid(1000);
  printf("as a user %s\n", result(open("/dev/ksyms", O_RDONLY)));
  return 0;
}
