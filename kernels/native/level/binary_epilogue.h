// What becomes of a tile's sums while they are in registers; part of binary_gemm.cpp.
#pragma once
#include "level/kernel_set.h"
#include "level/vectors.h"

namespace {

using bnn::ImplicitGemm;
using bnn::Output;
using bnn::Stage;
using bnn::StageKind;

inline Ints clamped(Ints x, int32_t low, int32_t high) {
  x = x < low ? (Ints{} + low) : x;
  return x > high ? (Ints{} + high) : x;
}

// base - 2 * mismatches. Whole numbers up to kMaxExactFloat: exact in float, fused or not.
inline Floats dot_product(const void* base, Words mismatches) {
  const Floats count = __builtin_convertvector((Ints)mismatches, Floats);
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_elementwise_fma(count, Floats{} - 2.0f, load<Floats>(base));
#else
  return load<Floats>(base) - (count + count);
#endif
}

// A tile's values through the stages, one of them after another: which one it is costs little for so many values.
template <int M, int N>
__attribute__((always_inline)) inline void run_stages(const bnn::Stages& stages, int64_t pixel, int64_t channel,
                                                      Floats (&v)[M][N]) {
  const auto change = [&](auto with) __attribute__((always_inline)) {
    BNN_UNROLL for (int n = 0; n < N; ++n) BNN_UNROLL for (int i = 0; i < M; ++i) v[i][n] = with(v[i][n], i, n);
  };
  for (const Stage *at = stages.stage, *end = at + stages.count; at < end; ++at) {
    const Stage& stage = *at;
    const auto constant = [&](int n) { return load<Floats>(stage.constant + channel + n * kLanes); };
    const int64_t stride = stage.stride_bytes;
    uint8_t* const row = stage.tensor + pixel * stride;
    const auto values = [&](int i, int n) { return row + channel * 4 + i * stride + n * kBytes; };
    switch (stage.kind) {
      case StageKind::kScale:
        change([&](Floats x, int, int n) { return x * constant(n); });
        break;
      case StageKind::kShift:
        change([&](Floats x, int, int n) { return x + constant(n); });
        break;
      case StageKind::kClamp:
        if (stage.low > -__builtin_inff())
          change([&](Floats x, int, int) { return x < stage.low ? splat(stage.low) : x; });
        if (stage.high < __builtin_inff())
          change([&](Floats x, int, int) { return x > stage.high ? splat(stage.high) : x; });
        break;
      case StageKind::kAdd:
        change([&](Floats x, int i, int n) { return x + load<Floats>(values(i, n)); });
        break;
      case StageKind::kPrelu:
        change([&](Floats x, int, int n) {
          const Floats scaled = x * constant(n);
          return x >= 0.0f ? x : scaled;
        });
        break;
      case StageKind::kStoreBits:
        BNN_UNROLL for (int i = 0; i < M; ++i) {
          const uint64_t bits =
              all_lane_bits<N>([&](int n) __attribute__((always_inline)) { return (Ints)(v[i][n] < 0.0f); });
          memcpy(row + i * stride + channel / 8, &bits, N * kLanes / 8);
        }
        break;
      default:
        BNN_UNROLL for (int i = 0; i < M; ++i)
          BNN_UNROLL for (int n = 0; n < N; ++n) memcpy(values(i, n), &v[i][n], kBytes);
    }
  }
}

// The epilogue of a tile: `base` has a row for each pixel, at the block's first channel; so have multiplier and bias.
// `pixel` is the first one's number in the gemm.
// Channels outside, pixels inside: what belongs to a channel is loaded once.
template <Output kOutput, int M, int N>
__attribute__((always_inline)) inline void finish(const ImplicitGemm& gemm, const uint32_t* const (&base)[M],
                                                  int64_t channel, int64_t pixel, const Words (&sum)[M][N],
                                                  uint8_t* out, int64_t out_stride_bytes) {
  if constexpr (kOutput == Output::kBits) {
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      const uint64_t bits = all_lane_bits<N>([&](int n) __attribute__((always_inline)) {
        return (Ints)sum[i][n] > load<Ints>(base[i] + n * kLanes);
      });
      memcpy(out + i * out_stride_bytes, &bits, N * kLanes / 8);
    }
  } else if constexpr (kOutput == Output::kInt32) {
    const int32_t low = gemm.clamp_low, high = gemm.clamp_high;
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      BNN_UNROLL for (int i = 0; i < M; ++i) {
        const Ints dot = load<Ints>(base[i] + n * kLanes) - (Ints)(sum[i][n] + sum[i][n]);
        const Ints value = clamped(dot, low, high);
        memcpy(out + i * out_stride_bytes + n * kBytes, &value, kBytes);
      }
    }
  } else {
    const float *multipliers = gemm.multiplier + channel, *biases = gemm.bias + channel;
    const Floats low = splat((float)gemm.clamp_low), high = splat((float)gemm.clamp_high);
    Floats v[M][N];
    const auto change = [&](auto with) __attribute__((always_inline)) {
      BNN_UNROLL for (int n = 0; n < N; ++n) BNN_UNROLL for (int i = 0; i < M; ++i) v[i][n] = with(i, n);
    };
    change([&](int i, int n) { return dot_product(base[i] + n * kLanes, sum[i][n]); });
    if (gemm.clamps_low) change([&](int i, int n) { return larger(v[i][n], low); });
    if (gemm.clamps_high) change([&](int i, int n) { return smaller(v[i][n], high); });
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      const Floats multiplier = load<Floats>(multipliers + n * kLanes), bias = load<Floats>(biases + n * kLanes);
      BNN_UNROLL for (int i = 0; i < M; ++i) {
        const Floats scaled = v[i][n] * multiplier;  // rounded before the bias, as the reference does
        v[i][n] = scaled + bias;
        if (kOutput == Output::kFloat) memcpy(out + i * out_stride_bytes + n * kBytes, &v[i][n], kBytes);
      }
    }
    if constexpr (kOutput == Output::kStages) run_stages<M, N>(*gemm.stages, gemm.first + pixel, channel, v);
  }
}

}  // namespace
