#include "base/clock.h"

#include <time.h>

namespace bnn {

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

namespace {

// Steps of one cycle each on every core we know: x86 needs `imul` (3 cycles) because additions may be optimised away
// by renaming; ARM cores do one dependent addition per cycle.
#if defined(__x86_64__)
constexpr int kCyclesPerStep = 3;
#else
constexpr int kCyclesPerStep = 1;
#endif

int64_t chain(int64_t rounds) {
  uintptr_t x = 1;
  const int64_t start = now_ns();
  for (int64_t r = 0; r < rounds; ++r) {
#pragma clang loop unroll(full)
    for (int step = 0; step < 16; ++step) {
#if defined(__x86_64__)
      asm volatile("imul %0, %0" : "+r"(x));
#else
      asm volatile("add %0, %0, #1" : "+r"(x));
#endif
    }
  }
  const int64_t ns = now_ns() - start;
  asm volatile("" : : "r"(x));
  return ns > 0 ? ns : 1;
}

}  // namespace

double measure_clock_hz(int64_t duration_ns) {
  // About 1 GHz is assumed for the length only.
  const int64_t rounds = duration_ns / (16 * kCyclesPerStep) * 2 + 1;
  // An interrupt only ever lengthens a chain, so the shortest of four is the clock.
  int64_t best = INT64_MAX;
  for (int i = 0; i < 4; ++i) {
    const int64_t ns = chain(rounds / 4 + 1);
    if (ns < best) best = ns;
  }
  return (double)(rounds / 4 + 1) * 16 * kCyclesPerStep * 1e9 / (double)best;
}

}  // namespace bnn
