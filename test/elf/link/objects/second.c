/* The other half of sample.c, for objects that are linked from several. */
extern void host_line(const char *text, long number);
long second_values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
long common_long;
char common_bytes[200];
long weak_replaced(void) { return 30; }
static long difference(long a, long b) { return a - b; }
long second_sum(long a, long b) {
  host_line("sum", a);
  return a + b;
}
long (*const second_table[2])(long, long) = {second_sum, difference};
