// TFLite's fixed-point arithmetic: a real factor as a Q31 multiplier and a shift (docs/plans.md).
#pragma once
#include <stdint.h>

#include "plan_file.h"

namespace bnn {

// x * multiplier / 2^31 * 2^shift, rounded twice: a doubling high multiply, then a shift to the right.
inline int64_t requantize(int32_t x, Fixed factor) {
  const int32_t left = factor.shift > 0 ? factor.shift : 0, right = factor.shift < 0 ? -factor.shift : 0;
  const int64_t product = (int64_t)(int32_t)((uint32_t)x << left) * factor.multiplier;
  const int64_t high = (product + (product >= 0 ? 1ll << 30 : 1 - (1ll << 30))) / (1ll << 31);
  const int64_t mask = (1ll << right) - 1, remainder = high & mask, threshold = (mask >> 1) + (high < 0);
  return (high >> right) + (remainder > threshold);
}

inline int64_t limited(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace bnn
