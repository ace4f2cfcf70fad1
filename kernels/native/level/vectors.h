// Vector types and tiles of one ISA level, for the files that are compiled once per level. Everything is in an anonymous
// namespace: a function that the linker merged could carry one level's instructions into code for a lesser CPU.
#pragma once
#include <stdint.h>
#include <string.h>

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

// a * b + c, rounded once where the ISA can.
[[maybe_unused]] inline Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

// Bit l of the result: lane l of `mask` is set. A template, so that only the branch of this width is compiled.
template <class Mask>
[[maybe_unused]] inline uint32_t lane_bits(Mask mask) {
  if constexpr (kLanes >= 8) {
    typedef bool Bools __attribute__((ext_vector_type(sizeof(Mask) / 4)));
    unsigned _BitInt(kLanes) bits = __builtin_bit_cast(unsigned _BitInt(kLanes), __builtin_convertvector(mask, Bools));
    return bits;
  } else {
    const Mask weight = {1, 2, 4, 8};
    return (uint32_t)__builtin_reduce_or(mask & weight);
  }
}

}  // namespace
