/*
 * Everything a linker has to do with, as compilers make it: calls and data of other objects, section symbols with addends,
 * jump tables, zeros, common and weak symbols, constructors, functions in groups. `sample_main` tells what it sees in lines.
 */
extern void host_line(const char *text, long number);
extern long host_number;
extern long absent __attribute__((weak));
extern void absent_function(void) __attribute__((weak));
long second_sum(long a, long b);
extern long second_values[8];
extern long (*const second_table[2])(long, long);

static long counter = 40;
static const char *const words[] = {"none", "one", "two", "three"};
static long zeros[100];
static char text[] = "local text";
long common_long;
char common_bytes[100];
long aligned_long __attribute__((aligned(64))) = 64;
static long *pointer_inside = &zeros[7];

__attribute__((weak)) long weak_default(void) { return 11; }
__attribute__((weak)) long weak_replaced(void) { return 12; }
__attribute__((noinline)) static long half(long number) { return number / 2; }
__attribute__((noinline)) long choose(long which) {
  switch (which) {
    case 0: return half(10);
    case 1: return counter;
    case 2: return zeros[2];
    case 3: return second_sum(1, 2);
    case 4: return aligned_long;
    case 5: return -5;
    case 6: return words[2][1];
    default: return 0;
  }
}
static long (*const functions[])(long) = {half, choose};
__attribute__((constructor)) static void construct(void) { counter += 2; }
__attribute__((destructor)) static void destruct(void) { counter = 0; }

long sample_main(void) {
  for (long i = 0; i < 8; i++) host_line("choose", choose(i));
  for (long i = 0; i < 4; i++) host_line(words[i], i);
  for (long i = 0; i < 2; i++) host_line("table", second_table[i](6, 7) + functions[i](2));
  host_line(text, (long)sizeof text);
  host_line("zeros", zeros[99] + common_long + common_bytes[99] + *pointer_inside);
  *pointer_inside = 9;
  common_long = 3;
  host_line("written", zeros[7] + common_long);
  host_line("aligned", (long)&aligned_long % 64);
  host_line("weak", weak_default() + weak_replaced());
  host_line("absent", &absent == 0 && absent_function == 0);
  host_line("other's", host_number + second_values[3]);
  void (*line)(const char *, long) = host_line;
  line("by pointer", counter);
  return counter;
}
