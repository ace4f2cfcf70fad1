// Counters between the steps of a model: one group of events on the calling thread, read all at once.
#pragma once

#include <stdint.h>

#include "base/text.h"

namespace bnn {

class StepCounters {
 public:
  static constexpr int kMost = 8;

  ~StepCounters();
  // `list` is names between commas, or null for none. False for a name that is none. A counter that cannot be had is no
  // error of the request: `why_not` says why.
  bool open(const char* list, Error& error);
  int count() const { return count_; }
  const char* name(int i) const { return name_[i]; }
  // Counts from now on.
  void start();
  // All `count()` counters since `start`. A group that others kept off the CPU's counters has no figures from then on.
  void read(uint64_t* values);
  // Leaves one out that never counted; for virtual machines that accept cycles and never count any.
  void never_counted(int i);
  // What a single reading costs, the least of many: ns, and what it adds to each counter.
  void print_cost(Json& reply);
  // Null where everything was counted.
  const char* why_not() const { return *refused_ ? refused_ : nullptr; }
  bool is_lost() const { return lost_; }

 private:
  const char* name_[kMost];
  int file_[kMost];
  int count_ = 0;
  bool lost_ = false;
  char refused_[240] = "";
};

}  // namespace bnn
