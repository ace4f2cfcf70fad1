// What is done to f32 sums in registers before they are stored; compiled once per ISA level.
#pragma once
#include "level/model_kernels.h"
#include "level/vectors.h"

namespace {

// The limits in registers: what is stored could lie where the epilogue does, as far as a compiler knows.
struct Limits {
  Floats low, high;
};

[[maybe_unused]] inline Limits limits_of(const bnn::FloatEpilogue& epilogue) {
  return {splat(epilogue.low), splat(epilogue.high)};
}

// No number stays none. Of zeros of either sign one is as good as the other.
[[maybe_unused]] inline Floats limit(const Limits& limits, Floats x) {
#if defined(__aarch64__)
  return __builtin_elementwise_minimum(__builtin_elementwise_maximum(x, limits.low), limits.high);
#else
  x = x < limits.low ? limits.low : x;
  return x > limits.high ? limits.high : x;
#endif
}

// A tile of M pixels x N vectors, all of whose lanes are real channels.
template <int M, int N>
inline void finish(const bnn::FloatEpilogue& epilogue, Floats (&sum)[M][N], float* out, int64_t row_floats) {
  if (epilogue.add)
    BNN_UNROLL for (int i = 0; i < M; ++i)
      BNN_UNROLL for (int n = 0; n < N; ++n) sum[i][n] += load<Floats>(epilogue.add + i * epilogue.add_row + n * kLanes);
  const Limits limits = limits_of(epilogue);
  BNN_UNROLL for (int i = 0; i < M; ++i)
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      const Floats value = limit(limits, sum[i][n]);
      memcpy(out + i * row_floats + n * kLanes, &value, kBytes);
    }
}

// The first `count` lanes, fewer than all.
[[maybe_unused]] inline void store_lanes(Floats value, int32_t count, float* out) {
  float lane[kLanes];
  memcpy(lane, &value, kBytes);
  const float* from = lane;
  BNN_UNROLL for (int part = kLanes / 2; part > 0; part /= 2) {
    if (!(count & part)) continue;
    memcpy(out, from, (size_t)part * 4);
    out += part;
    from += part;
  }
}

// Sums in memory, of which the first `channels` of a row are real.
[[maybe_unused]] __attribute__((noinline)) void finish_rows(const bnn::FloatEpilogue& epilogue, const float* sums,
                                                            int64_t sums_row, int64_t rows, int32_t channels,
                                                            float* out, int64_t row_floats) {
  const Limits limits = limits_of(epilogue);
  for (int64_t r = 0; r < rows; ++r, sums += sums_row, out += row_floats)
    for (int32_t c = 0; c < channels; c += kLanes) {
      Floats value = load<Floats>(sums + c);
      if (epilogue.add) value += load<Floats>(epilogue.add + r * epilogue.add_row + c);
      value = limit(limits, value);
      if (c + kLanes <= channels) memcpy(out + c, &value, kBytes);
      else store_lanes(value, channels - c, out + c);
    }
}

}  // namespace
