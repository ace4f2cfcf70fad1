#include "base/step_counters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"

namespace bnn {

StepCounters::~StepCounters() {
  for (int i = 0; i < count_; ++i) close(file_[i]);
}

bool StepCounters::open(const char* list, Error& error) {
  for (const char* name = list; name && *name;) {
    const size_t length = strcspn(name, ",");
    const CounterEvent* event = find_counter(name, length);
    if (!event) return error.set("there is no counter %.*s", length > 40 ? 40 : (int)length, name);
    if (count_ == kMost) return error.set("counters= takes at most %d", kMost);
    perf_event_attr attributes = counting(*event);
    attributes.read_format = PERF_FORMAT_GROUP;
    attributes.disabled = count_ == 0;  // the first one starts and stops all
    attributes.pinned = count_ == 0;    // always counted, or not at all: a step is too short to estimate the rest
    const int leader = count_ ? file_[0] : -1;
    const int file = (int)syscall(SYS_perf_event_open, &attributes, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
    if (file >= 0) {
      name_[count_] = event->name;
      file_[count_++] = file;
    } else if (!*refused_) {
      say_why_not(event->name, errno, refused_, sizeof refused_);
    }
    name += length;
    if (*name == ',') ++name;
  }
  return true;
}

void StepCounters::start() {
  if (count_) ioctl(file_[0], PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
}

void StepCounters::read(uint64_t* values) {
  uint64_t found[1 + kMost];  // how many, then each
  const ssize_t bytes = (ssize_t)sizeof(uint64_t) * (1 + count_);
  if (!count_) return;
  if (!lost_ && ::read(file_[0], found, sizeof found) == bytes) {
    memcpy(values, found + 1, sizeof(uint64_t) * (size_t)count_);
    return;
  }
  lost_ = true;
  memset(values, 0, sizeof(uint64_t) * (size_t)count_);
  if (!*refused_) snprintf(refused_, sizeof refused_, "the CPU has no room for these counters now: ask for fewer");
}

void StepCounters::never_counted(int i) {
  if (!*refused_) snprintf(refused_, sizeof refused_, "%s are accepted here and never counted", name_[i]);
}

void StepCounters::print_cost(Json& reply) {
  constexpr int kReadings = 100;
  uint64_t values[2][kMost], least[kMost];
  int64_t least_ns = INT64_MAX;
  memset(least, 0xff, sizeof least);
  for (int r = 0; r < kReadings && count_ && !lost_; ++r) {
    read(values[0]);
    const int64_t before = now_ns();
    read(values[1]);
    const int64_t ns = now_ns() - before;
    if (ns < least_ns) least_ns = ns;
    for (int i = 0; i < count_; ++i)
      if (const uint64_t added = values[1][i] - values[0][i]; added < least[i]) least[i] = added;
  }
  if (!count_ || lost_) return;
  reply.open('{', "counters_cost").integer("ns", least_ns);
  for (int i = 0; i < count_; ++i) reply.integer(name_[i], (int64_t)least[i]);
  reply.close('}');
}

}  // namespace bnn
