#include "base/counters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace bnn {

namespace {

// One row per counter. The last two are the kernel's own, which machines without a PMU have too.
constexpr CounterEvent kEvents[] = {
    {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
    {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
    {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
    {"branch_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
    {"stalled_cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND},
    {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS},
    {"task_clock_ns", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK},
};

int open_event(const CounterEvent& event) {
  perf_event_attr attributes = counting(event);
  attributes.disabled = 1;
  attributes.inherit = 1;  // the threads that are started later count as well
  attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

}  // namespace

const CounterEvent* find_counter(const char* name, size_t length) {
  for (const CounterEvent& event : kEvents)
    if (strlen(event.name) == length && !memcmp(event.name, name, length)) return &event;
  return nullptr;
}

perf_event_attr counting(const CounterEvent& event) {
  perf_event_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.size = sizeof attributes;
  attributes.type = event.type;
  attributes.config = event.config;
  attributes.exclude_kernel = 1;  // what a user may count without being root
  attributes.exclude_hv = 1;
  return attributes;
}

void say_why_not(const char* name, int number, char* text, size_t room) {
  const char* advice = number == EACCES || number == EPERM
                           ? "; root permits it: sysctl kernel.perf_event_paranoid=2, and a container needs CAP_PERFMON"
                       : number == ENOENT || number == ENODEV || number == EOPNOTSUPP
                           ? "; the CPU or its virtual machine offers no such counter"
                           : "";
  snprintf(text, room, "%s cannot be counted here: %s%s", name, strerror(number), advice);
}

void list_counters(Json& reply) {
  reply.open('[', "counters");
  for (const CounterEvent& event : kEvents) {
    const int file = open_event(event);
    if (file < 0) continue;
    close(file);
    reply.text(nullptr, event.name);
  }
  reply.close(']');
}

Counters::~Counters() {
  for (int i = 0; i < count_; ++i) close(counters_[i].file);
}

bool Counters::open(const char* list, Error& error) {
  if (!list) return true;
  wanted_ = true;
  for (const char* name = list; *name;) {
    const size_t length = strcspn(name, ",");
    const CounterEvent* event = find_counter(name, length);
    if (!event) return error.set("there is no counter %.*s", length > 40 ? 40 : (int)length, name);
    if (count_ == kMost) return error.set("counters= takes at most %d", kMost);
    const int file = open_event(*event);
    if (file >= 0)
      counters_[count_++] = {event->name, file};
    else if (!*refused_)
      say_why_not(event->name, errno, refused_, sizeof refused_);
    name += length;
    if (*name == ',') ++name;
  }
  return true;
}

void Counters::start() {
  for (int i = 0; i < count_; ++i) ioctl(counters_[i].file, PERF_EVENT_IOC_ENABLE, 0);
}

void Counters::stop() {
  for (int i = 0; i < count_; ++i) ioctl(counters_[i].file, PERF_EVENT_IOC_DISABLE, 0);
}

void Counters::print(Json& reply, double iterations) {
  if (!wanted_) return;
  double values[kMost];
  double share = 1;
  for (int i = 0; i < count_; ++i) {
    uint64_t read_[3] = {0, 0, 0};  // value, time enabled, time running
    if (read(counters_[i].file, read_, sizeof read_) != sizeof read_ || !read_[2]) {
      if (!*refused_) snprintf(refused_, sizeof refused_, "%s was never on the CPU's counters", counters_[i].name);
      values[i] = -1;
      continue;
    }
    // Fewer counters than events take turns; what each missed is estimated from its share of the time.
    const double running = (double)read_[2] / (double)read_[1];
    if (running < share) share = running;
    values[i] = (double)read_[0] / running / iterations;
    // Some virtual machines accept cycles and never count any.
    if (!strcmp(counters_[i].name, "cycles") && !read_[0]) {
      snprintf(refused_, sizeof refused_, "cycles are accepted here and never counted");
      values[i] = -1;
    }
  }
  bool any = false;
  for (int i = 0; i < count_; ++i) any = any || values[i] >= 0;
  if (any) {
    reply.open('{', "counters");
    for (int i = 0; i < count_; ++i)
      if (values[i] >= 0) reply.number(counters_[i].name, values[i]);
    reply.number("running_share", share).close('}');
  }
  if (*refused_) reply.text("counters_error", refused_);
}

}  // namespace bnn
