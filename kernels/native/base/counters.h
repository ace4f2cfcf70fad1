// Hardware counters of the timed blocks, by perf_event_open: optional everywhere.
#pragma once

#include <linux/perf_event.h>
#include <stdint.h>

#include "base/text.h"

namespace bnn {

struct CounterEvent {
  const char* name;
  uint32_t type;
  uint64_t config;
};

// Null for a name that is none; it need not end with a zero.
const CounterEvent* find_counter(const char* name, size_t length);
// What perf_event_open is asked for: the program's own part, without the kernel's.
perf_event_attr counting(const CounterEvent& event);
// One sentence on why perf_event_open refused it, and what permits it.
void say_why_not(const char* name, int number, char* text, size_t room);

class Counters {
 public:
  ~Counters();
  // `list` is names between commas, or null for none. False for a name that is none; a counter that cannot be had is
  // no error of the request, and `print` says why.
  bool open(const char* list, Error& error);
  void start();
  void stop();
  // `counters`: per iteration, and the share of the time in which each was really counted, or `counters_error`.
  void print(Json& reply, double iterations);

 private:
  static constexpr int kMost = 12;
  struct Counter {
    const char* name;
    int file;
  };
  Counter counters_[kMost];
  int count_ = 0;
  bool wanted_ = false;
  char refused_[240] = "";
};

// The names of those that can be had here.
void list_counters(Json& reply);

}  // namespace bnn
