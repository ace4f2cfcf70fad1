// TFLite's fixed-point arithmetic: a real factor as a Q31 multiplier and a shift (docs/plans.md).
#pragma once
#include <stdint.h>

#include "plan_file.h"

namespace bnn {

// x * multiplier / 2^31 * 2^shift, rounded twice: a doubling high multiply, then a shift to the right. Halves go up, as
// in TFLite's vectorised kernels; in its scalar ones (MUL, MEAN) those of the shift go away from zero.
inline int64_t requantize(int32_t x, Fixed factor, bool halves_away = false) {
  const int32_t left = factor.shift > 0 ? factor.shift : 0, right = factor.shift < 0 ? -factor.shift : 0;
  const int64_t high = ((int64_t)(int32_t)((uint32_t)x << left) * factor.multiplier + (1ll << 30)) >> 31;
  const int64_t half = (1ll << right) >> 1;
  return (high + half - (halves_away && right && high < 0)) >> right;
}

inline int64_t limited(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

}  // namespace bnn
