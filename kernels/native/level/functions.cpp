// Functions of single values, and softmax; compiled once per ISA level.
#include "level/model_parts.h"
#include "level/vectors.h"

namespace {

using bnn::StageKind;

constexpr float kLeastExponent = -87.3f;  // below it, exp(x) is a denormal number

// exp(x) in f32: x = n ln 2 + r, a polynomial in r, n into the exponent. Relative error below 2e-7
// within the limits, beyond which it stays as it is there.
inline Floats exponential(Floats x) {
  constexpr float kHigh = 88.3f, kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers
  x = x < kLeastExponent ? splat(kLeastExponent) : x;
  x = x > kHigh ? splat(kHigh) : x;
  const Floats shifted = x * 1.44269504f + kRounder;
  const Floats n = shifted - kRounder;
  Floats r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Floats p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Ints power = ((Ints)shifted - (Ints)splat(kRounder) + 127) << 23;
  return p * (Floats)power;  // a product, so that no number stays no number
}

inline Floats absolute(Floats x) { return (Floats)((Ints)x & 0x7fffffff); }

struct Logistic {
  static Floats of(Floats x) { return 1.0f / (1.0f + exponential(-x)); }
};

// The square of exp(x / 2), so that it ends in infinity and in 0. Relative error below 5e-7.
struct Exp {
  static Floats of(Floats x) {
    const Floats half = exponential(x * 0.5f);
    return half * half;
  }
};

// A polynomial where 1 - 2 / (exp(2 x) + 1) would lose digits. Relative error below 4e-7.
struct Tanh {
  static Floats of(Floats x) {
    const Floats size = absolute(x), z = x * x;
    Floats p = splat(-5.70498872745e-3f);
    p = p * z + 2.06390887954e-2f;
    p = p * z + -5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z + -3.33332819422e-1f;
    p = p * z * x + x;
    const Floats q = 1.0f - 2.0f / (exponential(size + size) + 1.0f);
    const Floats large = (Floats)((Ints)q | ((Ints)x & (Ints)splat(-0.0f)));
    return size < 0.625f ? p : x == x ? large : x;
  }
};

struct Sqrt {
  static Floats of(Floats x) { return __builtin_elementwise_sqrt(x); }
};

struct Rsqrt {
  static Floats of(Floats x) { return 1.0f / __builtin_elementwise_sqrt(x); }
};

template <class Function>
void each(float* values, int32_t count) {
  for (int32_t c = 0; c < count; c += kLanes) {
    const Floats v = Function::of(load<Floats>(values + c));
    memcpy(values + c, &v, kBytes);
  }
}

}  // namespace

void BNN_PART(apply)(StageKind kind, float* values, int32_t count) {
  switch (kind) {
    case StageKind::kLogistic: return each<Logistic>(values, count);
    case StageKind::kTanh: return each<Tanh>(values, count);
    case StageKind::kExp: return each<Exp>(values, count);
    case StageKind::kSqrt: return each<Sqrt>(values, count);
    default: return each<Rsqrt>(values, count);
  }
}

void BNN_PART(softmax)(const float* from, int64_t rows, int32_t channels, float beta, float* out, int64_t row_floats) {
  for (int64_t r = 0; r < rows; ++r, from += channels, out += row_floats) {
    float most = from[0];
    for (int32_t c = 1; c < channels; ++c) most = from[c] > most ? from[c] : most;
    for (int32_t c = 0; c < channels; c += kLanes) {
      const Floats x = (load<Floats>(from + c) - most) * beta;
      const Floats power = x < kLeastExponent ? Floats{} : exponential(x);
      memcpy(out + c, &power, kBytes);
    }
    double sum = 0;  // a sum of many small numbers
    for (int32_t c = 0; c < channels; ++c) sum += out[c];
    for (int32_t c = 0; c < channels; ++c) out[c] = (float)(out[c] / sum);
  }
}
