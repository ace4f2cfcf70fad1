// Tiles of sums that kernels store as int8 steps themselves, by a `Stored` for each vector of channels; where all shifts
// go to the right.
#pragma once
#include "level/requantize.h"

#if defined(__FMA__) || defined(__ARM_NEON)
#define BNN_STORES_SUMS 1

namespace {

#ifdef __ARM_NEON

struct Stored {
  int32x4_t multiplier, right;  // to the right by a negative number
  Stored(Ints factor, Ints shift, int32_t) : multiplier((int32x4_t)factor), right((int32x4_t)shift) {}
  Ints operator()(Ints sum) const {
    const int32x4_t high = vqrdmulhq_s32((int32x4_t)sum, multiplier);
    return (Ints)vrshlq_s32(vsraq_n_s32(high, high, 31), right);  // halves away from zero, as Requantizer's
  }
};

// The first `count` octets of pixels, fewer than 16.
[[maybe_unused]] __attribute__((noinline)) void store_some(const int8x16_t* octets, int pixels, int32_t count,
                                                           int8_t* out, int64_t stride) {
  for (int i = 0; i < pixels; ++i, out += stride) {
    const int8_t* from = (const int8_t*)(octets + i);
    if (count & 8) memcpy(out, from, 8);
    if (count & 4) memcpy(out + (count & 8), from + (count & 8), 4);
    for (int32_t c = count & ~3; c < count; ++c) out[c] = from[c];
  }
}

// N vectors of channels of M pixels, of which `valid` channels are real, to where they are stored. The order is kept, or
// LLVM would start all pixels first, and keep them on the stack.
template <int M, int N, class Total>
[[maybe_unused]] __attribute__((always_inline)) inline void store_sums(const bnn::IntegerStore& store, int32_t channel,
                                                                       int32_t valid, int64_t pixel, Total total) {
  const Stored* factor = (const Stored*)store.factors + channel / kLanes;
  Ints q[M][N];
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Stored one = factor[n];
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      q[i][n] = one(total(i, n));
      asm volatile("" : "+w"(q[i][n]));
    }
  }
  const StepLimits limits(store);
  int8x16_t octets[M];
  BNN_UNROLL for (int i = 0; i < M; ++i) {
    octets[i] = limits.octets(q[i]);
    asm volatile("" : "+w"(octets[i]));
  }
  if (!limits.are_all()) BNN_UNROLL for (int i = 0; i < M; ++i) octets[i] = limits.limited(octets[i]);
  int8_t* out = store.out + pixel * store.stride_bytes + channel;
  if (valid < N * kLanes) return store_some(octets, M, valid, out, store.stride_bytes);
  BNN_UNROLL for (int i = 0; i < M; ++i, out += store.stride_bytes) memcpy(out, octets + i, N * kLanes);
}

#else

// The exact result is the whole number nearest to
// v + c, v being sum * multiplier / 2^(31 + right) and c, of the sign of v, 1 / 2^(right + 1): what the first rounding adds
// to the second. Computed in f32 it is off by less than 3 * 2^-24 of v. What lies nearer than that to a half is computed
// again, exactly. Beyond 256 all is limited anyway.
struct Stored {
  static constexpr float kUnsure = 0.5f - 1.0f / 16384;
  RightRequantizer exactly;
  Floats scale, carry;
  Ints zero;

  Stored(Ints factor, Ints shift, int32_t zero_point) : exactly(factor, shift, zero_point), zero(Ints{} + zero_point) {
    const Floats power = (Floats)((127 + shift) << 23);  // 2^shift
    scale = __builtin_convertvector(factor, Floats) * (1.0f / 2147483648.0f) * power;
    carry = power * 0.5f;
  }
  // With the zero point added; `unsure` becomes the largest distance from a whole number.
  Ints operator()(Ints sum, Floats& unsure) const {
    const Floats value = __builtin_convertvector(sum, Floats);
    const Floats signed_carry = (Floats)((Words)carry | ((Words)value & 0x80000000u));
    const Floats near = __builtin_elementwise_fma(value, scale, signed_carry);
    const Floats whole = __builtin_elementwise_roundeven(near);
#ifdef __AVX512F__
    unsure = (Floats)_mm512_range_ps((__m512)unsure, (__m512)(near - whole), 0x0b);  // the larger one's size
#else
    const Floats distance = (Floats)((Words)(near - whole) & 0x7fffffffu);
    unsure = distance > unsure ? distance : unsure;
#endif
    return __builtin_convertvector(whole, Ints) + zero;
  }
};

// N vectors of channels of M pixels, of which `valid` are real, to where they are stored.
template <int M, int N, class Total>
[[maybe_unused]] __attribute__((always_inline)) inline void store_sums(const bnn::IntegerStore& store, int32_t channel,
                                                                       int32_t valid, int64_t pixel, Total total) {
  const StepLimits limits(store);
  const Stored* factor = (const Stored*)store.factors + channel / kLanes;
  int8_t* out = store.out + pixel * store.stride_bytes + channel;
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const int32_t real = valid - n * kLanes;
    if (real <= 0) return;
    Floats unsure = {};
    Ints q[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) q[i] = factor[n](total(i, n), unsure);
    if (lane_bits(unsure > Stored::kUnsure))
      BNN_UNROLL for (int i = 0; i < M; ++i) q[i] = factor[n].exactly(total(i, n));
    BNN_UNROLL for (int i = 0; i < M; ++i) limits.store_whole(q[i], real, out + i * store.stride_bytes + n * kLanes);
  }
}

#endif

}  // namespace

#endif
