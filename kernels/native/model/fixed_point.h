// TFLite's fixed-point arithmetic: a real factor as a Q31 multiplier and a shift (docs/plans.md).
#pragma once
#include <stdint.h>

#include "plan/plan_file.h"

namespace bnn {

// value / 2^bits to the nearest, halves away from zero.
inline int64_t shifted_right(int64_t value, int32_t bits) {
  const int64_t half = (1ll << bits) >> 1;
  return (value + half - (bits && value < 0)) >> bits;
}

// The high half of twice the product, halves up; both are of 32 bits.
inline int64_t high_multiply(int64_t a, int64_t b) {
  const int64_t high = (a * b + (1ll << 30)) >> 31;
  return high > INT32_MAX ? INT32_MAX : high;
}

// x * multiplier / 2^31 * 2^shift as TFLite's reference kernels round it, twice: a doubling high multiply, then a shift
// to the right.
inline int64_t requantize(int32_t x, Fixed factor) {
  const int32_t left = factor.shift > 0 ? factor.shift : 0, right = factor.shift < 0 ? -factor.shift : 0;
  return shifted_right(high_multiply((int32_t)((uint32_t)x << left), factor.multiplier), right);
}

// x * factor in f64, to the nearest, halves away from zero: dense layers. Limited to 32 bits.
inline int64_t requantize_once(int32_t x, double factor) {
  const double product = x * factor;
  if (product >= INT32_MAX) return INT32_MAX;
  if (product <= INT32_MIN) return INT32_MIN;
  const int64_t whole = (int64_t)product;
  const double rest = product - (double)whole;  // exact, where adding a half would round
  return whole + (rest >= 0.5) - (rest <= -0.5);
}

inline int64_t limited(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace bnn
