#include "base/clock.h"

#include <time.h>

#include "base/arch.h"

namespace bnn {

int64_t now_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

namespace {

constexpr int kSteps = 16;  // of a round

int64_t chain(int64_t rounds) {
  uintptr_t x = 1;
  const int64_t start = now_ns();
  for (int64_t r = 0; r < rounds; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < kSteps; ++i) arch::step(x);
  }
  const int64_t ns = now_ns() - start;
  asm volatile("" : : "r"(x));
  return ns > 0 ? ns : 1;
}

}  // namespace

double measure_clock_hz(int64_t duration_ns) {
  // About 1 GHz is assumed for the length only.
  constexpr int kCycles = kSteps * arch::kCyclesPerStep;
  const int64_t rounds = duration_ns / kCycles * 2 + 1;
  // An interrupt only ever lengthens a chain, so the shortest of four is the clock.
  int64_t best = INT64_MAX;
  for (int i = 0; i < 4; ++i) {
    const int64_t ns = chain(rounds / 4 + 1);
    if (ns < best) best = ns;
  }
  return (double)(rounds / 4 + 1) * kCycles * 1e9 / (double)best;
}

}  // namespace bnn
