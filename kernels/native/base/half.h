// f16 in memory as f32: by arithmetic on its bits, as not every CPU has an instruction for it.
#pragma once
#include <stdint.h>

namespace bnn {

// The bits of the f32 of the same value; infinities and NaN stay what they are.
inline uint32_t widened(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 0) return sign | __builtin_bit_cast(uint32_t, (float)fraction * 0x1p-24f);  // zero, or subnormal
  return sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13;
}

}  // namespace bnn
