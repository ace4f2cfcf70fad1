// Threads that compute together: the caller and one more for each further core, each pinned to its own.
// They wait by spinning for a while, which answers at once, and then in the kernel, which costs nobody anything.
#pragma once
#include <stdint.h>

#include "base/text.h"

namespace bnn {

// One thread's place among those that run a task.
struct Team {
  int index, threads;
  // Returns when all threads of the team have come here; what they wrote before is then seen by all.
  void barrier() const;
  // This thread's part of `units`.
  int64_t first(int64_t units) const { return units * index / threads; }
  int64_t last(int64_t units) const { return units * (index + 1) / threads; }
};

// CPUs that the process may use. Asked before the first thread is pinned, the answer stays.
int usable_cpus();
int usable_cpu(int index);

// Threads for teams of up to `threads`, 1 to usable_cpus(). From the first team of two on, the caller is pinned too.
bool prepare_threads(int threads, Error& error);

// Runs `task` in a team of `threads` that are prepared; returns when all are done.
void run_team(int threads, void (*task)(void* self, const Team&), void* self);

}  // namespace bnn
