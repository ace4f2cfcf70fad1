// Vector types and tiles of one ISA level, for the files that are compiled once per level. Everything is in an anonymous
// namespace: a function that the linker merged could carry one level's instructions into code for a lesser CPU.
#pragma once
#include <stdint.h>
#include <string.h>

#ifdef __ARM_NEON
#include <arm_neon.h>
#endif

namespace {

constexpr int kBytes = BNN_VECTOR_BYTES;
constexpr int kLanes = kBytes / 4;

typedef uint32_t Words __attribute__((vector_size(kBytes)));
typedef int32_t Ints __attribute__((vector_size(kBytes)));
typedef float Floats __attribute__((vector_size(kBytes)));

template <class V>
[[maybe_unused]] inline V load(const void* from) {
  V value;
  memcpy(&value, from, sizeof value);
  return value;
}

// Loops over a tile are always unrolled whole: only then do its sums live in registers.
#define BNN_UNROLL _Pragma("clang loop unroll(full)")

// In constraints of asm: any register that holds a vector; memory where no such constraint is known.
#if defined(__x86_64__)
#define BNN_ANY_VECTOR_REGISTER "v"
#elif defined(__ARM_NEON)
#define BNN_ANY_VECTOR_REGISTER "w"
#else
#define BNN_ANY_VECTOR_REGISTER "m"
#endif

// `x` in every lane. Adding it to zeros would be an addition, for the sake of -0.0; taking zeros from it is nothing.
[[maybe_unused]] inline Floats splat(float x) { return x - Floats{}; }

// The larger and the smaller of numbers, of which none is -0.0 or no number: there the ISAs differ.
[[maybe_unused]] inline Floats larger(Floats a, Floats b) {
#ifdef __ARM_NEON
  return (Floats)vmaxq_f32((float32x4_t)a, (float32x4_t)b);
#else
  return a > b ? a : b;
#endif
}
[[maybe_unused]] inline Floats smaller(Floats a, Floats b) {
#ifdef __ARM_NEON
  return (Floats)vminq_f32((float32x4_t)a, (float32x4_t)b);
#else
  return a < b ? a : b;
#endif
}

// a * b + c, rounded once where the ISA can.
[[maybe_unused]] inline Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// Bit n * kLanes + l of the result: lane l of mask(n) is set, of N masks with at most 64 lanes. A template, so that only
// the branch of this width is compiled.
template <int N, class Mask>
[[maybe_unused]] __attribute__((always_inline)) inline uint64_t all_lane_bits(Mask mask) {
  if constexpr (kLanes >= 8) {
    typedef decltype(mask(0)) Lanes;
    typedef bool Bools __attribute__((ext_vector_type(sizeof(Lanes) / 4)));
    uint64_t all = 0;
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      typedef unsigned _BitInt(kLanes) Number;
      const Number bits = __builtin_bit_cast(Number, __builtin_convertvector(mask(n), Bools));
      all |= (uint64_t)bits << (n * kLanes);
    }
    return all;
  } else {
    // Eight masks at a time: each fills its bits of every lane, and what is not its lane's is taken out at the end.
    uint64_t all = 0;
    BNN_UNROLL for (int first = 0; first < N; first += 8) {
      Ints lanes = mask(first);
      BNN_UNROLL for (int n = first + 1; n < N && n < first + 8; ++n) {
        const int32_t from = -(1 << 4 * (n - first));
        lanes = (lanes & ~from) | (mask(n) & from);
      }
      const Ints own = {0x11111111, 0x22222222, 0x44444444, (int32_t)0x88888888};
      all |= (uint64_t)(uint32_t)__builtin_reduce_add(lanes & own) << (4 * first);
    }
    return all & (N < 16 ? (1ull << N * kLanes) - 1 : ~0ull);
  }
}

// The same of one mask.
template <class Mask>
[[maybe_unused]] inline uint32_t lane_bits(Mask mask) {
  return (uint32_t)all_lane_bits<1>([=](int) __attribute__((always_inline)) { return mask; });
}

}  // namespace
