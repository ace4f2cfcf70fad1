// Sums to int8 steps in registers, for the files of one ISA level: fixed_point.h's functions once more, because nothing
// inline may be shared between levels.
#pragma once
#include "level/model_kernels.h"
#include "level/vectors.h"

#ifdef __ARM_NEON
#include <arm_neon.h>
#elif defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

typedef int8_t Octets __attribute__((vector_size(kLanes)));

// fixed_point.h's requantize() of a vector of channels, for any number of sums.
#if defined(__SSE4_1__)

// Both roundings are one addition and one shift: with z = sum * multiplier + 2^30 the result is
// floor((floor(z / 2^31) + half - (z < 0)) / 2^right) = floor((z + (half - (z < 0)) * 2^31) / 2^(31 + right)).
// Each second lane is multiplied to 64 bits; 2^63 is added, so that the shift may be one of zeros, and taken away again.
struct Requantizer {
  typedef int64_t Longs __attribute__((vector_size(kBytes)));
  typedef uint64_t Unsigned __attribute__((vector_size(kBytes)));
  struct Half {
    Unsigned base, right;
    Longs carry;
    Half(Longs shift, Longs rounds_twice) {
      right = (Unsigned)(31 + shift);
      base = ((Unsigned{} + 1) << (right - 1)) + ((Unsigned)rounds_twice & (1ull << 30)) + (1ull << 63);
      carry = rounds_twice & -(1ll << 31);
    }
    Unsigned operator()(Longs product) const {
      return ((Unsigned)product + base + (Unsigned)((product < -(1ll << 30)) & carry)) >> right;
    }
  };
  Ints multiplier, left, correction;
  Half even, odd;

  Requantizer(Ints factor, Ints shift) : Requantizer(factor, shift, shift < 0 ? -shift : Ints{}) {}
  Ints operator()(Ints sum) const {
    const Longs value = (Longs)((Words)sum << (Words)left), by = (Longs)multiplier;
    const Unsigned low = even(((value << 32) >> 32) * ((by << 32) >> 32)), high = odd((value >> 32) * (by >> 32));
    return (Ints)((low & 0xffffffffull) | (high << 32)) - correction;
  }

 private:
  Requantizer(Ints factor, Ints shift, Ints right)
      : multiplier(factor), left(shift > 0 ? shift : Ints{}), correction(right > 0 ? (Ints{} + 1) << (32 - right) : Ints{}),
        even(((Longs)right << 32) >> 32, ((Longs)(right > 0) << 32) >> 32),
        odd((Longs)right >> 32, (Longs)(right > 0) >> 32) {}
};

// The same with the zero point added, for shifts that all go to the right: odd lanes are shifted by 32 less, so that
// they are where they belong, and nothing is near the end of i32.
struct RightRequantizer {
  using Longs = Requantizer::Longs;
  using Unsigned = Requantizer::Unsigned;
  Ints multiplier, zero;
  Unsigned even_base, odd_base, even_right, odd_right;

  RightRequantizer(Ints factor, Ints shift, int32_t zero_point) : multiplier(factor) {
    const Unsigned by = (Unsigned)-shift, even = by & 0xffffffffull, odd = by >> 32, one = Unsigned{} + 1;
    zero = zero_point - ((Ints{} + 1) << (32 + shift));
    even_right = 31 + even;
    odd_right = odd - 1;
    even_base = (one << (30 + even)) + (1ull << 30) + (1ull << 63);
    odd_base = (one << (30 + odd)) + (1ull << 30) + (1ull << 63);
  }
  Ints operator()(Ints sum) const {
    const Longs value = (Longs)sum, by = (Longs)multiplier;
    const Longs even = ((value << 32) >> 32) * ((by << 32) >> 32), odd = (value >> 32) * (by >> 32);
    const Words low = (Words)(rounded(even, even_base) >> even_right), high = (Words)(rounded(odd, odd_base) >> odd_right);
    return (Ints)choose(low, high) + zero;
  }

 private:
  static Unsigned rounded(Longs product, Unsigned base) {
    return (Unsigned)product + base + (Unsigned)((product < -(1ll << 30)) & -(1ll << 31));
  }
  static Words choose(Words even, Words odd) {
    Words mask;
    BNN_UNROLL for (int l = 0; l < kLanes; ++l) mask[l] = l % 2 ? ~0u : 0;
    return (even & ~mask) | (odd & mask);
  }
};

#elif defined(__ARM_NEON)

// Where no shift goes to the left; to the right by a negative number.
struct UnshiftedRequantizer {
  int32x4_t multiplier, right;
  UnshiftedRequantizer(Ints factor, Ints shift) : multiplier((int32x4_t)factor), right((int32x4_t)shift) {}
  Ints operator()(Ints sum) const {
    const int32x4_t high = vqrdmulhq_s32((int32x4_t)sum, multiplier);
    // Halves away from zero: those of a negative number go up from one below it.
    return (Ints)vrshlq_s32(vsraq_n_s32(high, vandq_s32(high, right), 31), right);
  }
};

struct Requantizer {
  int32x4_t left;
  UnshiftedRequantizer rest;
  Requantizer(Ints factor, Ints shift)
      : left((int32x4_t)(shift > 0 ? shift : Ints{})), rest(factor, shift < 0 ? shift : Ints{}) {}
  Ints operator()(Ints sum) const { return rest((Ints)vshlq_s32((int32x4_t)sum, left)); }
};

#else

struct Requantizer {
  Ints multiplier, left, right;
  Requantizer(Ints factor, Ints shift)
      : multiplier(factor), left(shift > 0 ? shift : Ints{}), right(shift < 0 ? -shift : Ints{}) {}
  Ints operator()(Ints sum) const {
    typedef int64_t Longs __attribute__((vector_size(2 * kBytes)));
    const Ints value = (Ints)((Words)sum << (Words)left);
    const Longs product = __builtin_convertvector(value, Longs) * __builtin_convertvector(multiplier, Longs);
    const Ints high = __builtin_convertvector((product + (1ll << 30)) >> 31, Ints);
    // Halves away from zero: those of a negative number go up from one below it.
    const Ints from = high + ((high < 0) & (right > 0)), below = right > 0 ? right - 1 : Ints{};
    return (from >> right) + ((from >> below) & 1 & (right > 0));
  }
};

#endif

// fixed_point.h's requantize_once(), limited to what i8 and any zero point can use.
struct RequantizerOnce {
  typedef double Doubles __attribute__((vector_size(2 * kBytes)));
  typedef int64_t Longs __attribute__((vector_size(2 * kBytes)));
  Doubles factor;
  Ints operator()(Ints sum) const {
    const Doubles most = Doubles{} + 1e6;
    Doubles product = __builtin_convertvector(sum, Doubles) * factor;
    product = product < -most ? -most : product;
    product = product > most ? most : product;
    const Ints whole = __builtin_convertvector(product, Ints);
    const Doubles rest = product - __builtin_convertvector(whole, Doubles);
    const Longs away = (rest <= -0.5) - (rest >= 0.5);  // a true lane is -1
    return whole + __builtin_convertvector(away, Ints);
  }
};

// Of a vector of channels from `channel` on.
template <class Requantize>
inline Requantize requantizer(const bnn::Stage& stage, int32_t channel) {
  return Requantize(load<Ints>(stage.multiplier + channel), load<Ints>(stage.shift + channel));
}
template <>
[[maybe_unused]] inline RequantizerOnce requantizer<RequantizerOnce>(const bnn::Stage& stage, int32_t channel) {
  return {load<RequantizerOnce::Doubles>(stage.factor + channel)};
}

// The last vector's octets one by one where it is not whole.
[[maybe_unused]] inline void store_octets(Ints q, int32_t valid, int8_t* out) {
  const Octets narrow = __builtin_convertvector(q, Octets);
  if (valid >= kLanes) {
    memcpy(out, &narrow, kLanes);
  } else {
    for (int32_t l = 0; l < valid; ++l) out[l] = narrow[l];
  }
}

// What steps are limited to before the zero point is added.
struct StepLimits {
  int32_t low, high, zero_point;
  explicit StepLimits(const bnn::Stage& stage)
      : low(stage.low_i - stage.zero_point), high(stage.high_i - stage.zero_point), zero_point(stage.zero_point) {}
  explicit StepLimits(const bnn::IntegerStore& store)
      : low(store.low - store.zero_point), high(store.high - store.zero_point), zero_point(store.zero_point) {}
  // With the zero point added already.
  void store_whole(Ints q, int32_t valid, int8_t* out) const {
#ifdef __AVX512F__
    if (valid >= kLanes) {
      const __m128i octets = _mm512_cvtsepi32_epi8((__m512i)q), least = _mm_set1_epi8((char)(low + zero_point));
      _mm_storeu_si128((__m128i*)out, _mm_min_epi8(_mm_max_epi8(octets, least), _mm_set1_epi8((char)(high + zero_point))));
      return;
    }
#endif
    q = q < low + zero_point ? (Ints{} + (low + zero_point)) : q;
    store_octets(q > high + zero_point ? (Ints{} + (high + zero_point)) : q, valid, out);
  }
  void store(Ints q, int32_t valid, int8_t* out) const {
    q = q < low ? (Ints{} + low) : q;
    store_octets((q > high ? (Ints{} + high) : q) + zero_point, valid, out);
  }
#ifdef __ARM_NEON
  bool are_all() const { return low + zero_point <= -128 && high + zero_point >= 127; }
  int8x16_t limited(int8x16_t octets) const {
    const int8x16_t least = vdupq_n_s8((int8_t)(low + zero_point)), most = vdupq_n_s8((int8_t)(high + zero_point));
    return vminq_s8(vmaxq_s8(octets, least), most);
  }
  // Four, eight or sixteen channels, of one, two or four vectors; not limited yet.
  template <int N>
  int8x16_t octets(const Ints (&q)[N]) const {
    const auto eight = [&](int n) __attribute__((always_inline)) {
      const int16x4_t first = vqmovn_s32((int32x4_t)q[n]), second = n + 1 < N ? vqmovn_s32((int32x4_t)q[n + 1]) : first;
      return vqmovn_s16(vqaddq_s16(vcombine_s16(first, second), vdupq_n_s16((int16_t)zero_point)));
    };
    const int8x8_t low_half = eight(0), high_half = N > 2 ? eight(N - 2) : low_half;
    return vcombine_s8(low_half, high_half);
  }
#endif
};

}  // namespace
