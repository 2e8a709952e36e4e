/* C++: functions and tables in groups, which two objects (one with -DSECOND) both have; constructors of static objects. */
extern "C" void host_line(const char *text, long number);
extern "C" long second_main();

template <class T> struct Box {
  T value;
  virtual T get() { return value; }
};
inline long counted() {
  static long count = 4;
  return count++;
}
struct Announced {
  long number;
  explicit Announced(long n) : number(n) { host_line("constructed", n + counted()); }
};

#ifdef SECOND
static Announced announced(200);
static Box<long> box;
extern "C" long second_main() {
  Box<long> *pointer = &box;
  pointer->value = 7;
  return pointer->get() + counted();
}
#else
static Announced announced(100);
static Box<long> box;
extern "C" long sample_main() {
  Box<long> *pointer = &box;
  pointer->value = 5;
  host_line("virtual", pointer->get() + counted());
  host_line("second", second_main());
  return announced.number + counted();
}
#endif
