// Sums to int8 steps in registers, for the files of one ISA level: fixed_point.h's functions once more, because nothing
// inline may be shared between levels.
#pragma once
#include "level/vectors.h"

namespace {

typedef int8_t Octets __attribute__((vector_size(kLanes)));

// The upper 32 bits of 2 * a * b + 2^31, as 64 bits: the doubling high product, halves up. Where the ISA multiplies each
// second lane to 64 bits, lanes stay where they are.
[[maybe_unused]] inline Ints doubling_high(Ints a, Ints b) {
#if defined(__SSE4_1__)
  typedef int64_t Longs __attribute__((vector_size(kBytes)));
  const Longs even = (((Longs)a << 32) >> 32) * (((Longs)b << 32) >> 32), odd = ((Longs)a >> 32) * ((Longs)b >> 32);
  const Longs low = ((even + (1ll << 30)) >> 31) & 0xffffffffll, high = (odd + (1ll << 30)) << 1;
  return (Ints)(low | (high & ~0xffffffffll));
#else
  typedef int64_t Longs __attribute__((vector_size(2 * kBytes)));
  const Longs product = __builtin_convertvector(a, Longs) * __builtin_convertvector(b, Longs);
  return __builtin_convertvector((product + (1ll << 30)) >> 31, Ints);
#endif
}

// fixed_point.h's requantize(). The doubling high product of an i32 and a multiplier that is not negative is an i32
// again, so only the product needs 64 bits.
[[maybe_unused]] inline Ints requantized(Ints value, Ints multiplier, Ints shift) {
  const Ints left = shift > 0 ? shift : Ints{}, right = shift < 0 ? -shift : Ints{};
  const Ints high = doubling_high((Ints)((Words)value << (Words)left), multiplier);
  // Halves away from zero: those of a negative number go up from one below it.
  const Ints from = high + ((high < 0) & (right > 0)), below = right > 0 ? right - 1 : Ints{};
  return (from >> right) + ((from >> below) & 1 & (right > 0));
}

// Rounded once, limited to what i8 and any zero point can use.
[[maybe_unused]] inline Ints requantized_once(Ints value, Ints multiplier, Ints shift) {
  typedef int64_t Longs __attribute__((vector_size(2 * kBytes)));
  const Longs product = __builtin_convertvector(value, Longs) * __builtin_convertvector(multiplier, Longs);
  const Longs right = __builtin_convertvector(31 - shift, Longs), one = Longs{} + 1, most = Longs{} + (1 << 20);
  Longs q = (product + (one << (right - 1)) + (product < 0)) >> right;
  q = q > most ? most : q;
  return __builtin_convertvector(q < -most ? -most : q, Ints);
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

// Limited steps, to which the zero point is added; `valid` as above.
[[maybe_unused]] inline void store_steps(Ints q, int32_t low, int32_t high, int32_t zero_point, int32_t valid,
                                         int8_t* out) {
  q = q < low ? (Ints{} + low) : q;
  store_octets((q > high ? (Ints{} + high) : q) + zero_point, valid, out);
}

}  // namespace
