// Hardware counters of the timed blocks, by perf_event_open: optional everywhere.
#pragma once

#include <stdint.h>

#include "base/text.h"

namespace bnn {

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
  char refused_[160] = "";
};

// The names of those that can be had here.
void list_counters(Json& reply);

}  // namespace bnn
