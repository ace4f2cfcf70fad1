// What streams are read from, changed by, and stored as; compiled once per ISA level.
//
// A pixel's channels go through all stages in registers, a chunk at a time, so a stream is read and written once however
// many stages there are. Each stage rounds by itself, as a step of its own would.
#include "model_isa.h"
#include "vectors_isa.h"

namespace {

using bnn::Stage;
using bnn::StageKind;
using bnn::Stages;

// exp(x) in f32: x = n ln 2 + r, a polynomial in r, n into the exponent. Relative error below 2e-7.
inline Floats exponential(Floats x) {
  constexpr float kLow = -87.3f, kHigh = 88.3f, kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers
  x = x < kLow ? (Floats{} + kLow) : x;
  x = x > kHigh ? (Floats{} + kHigh) : x;
  const Floats shifted = x * 1.44269504f + kRounder;
  const Floats n = shifted - kRounder;
  Floats r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Floats p = Floats{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Ints exponent = ((Ints)shifted - (Ints)(Floats{} + kRounder)) << 23;
  return (Floats)((Ints)p + exponent);
}

// To the nearest whole number, halves away from zero, limited to what i8 and any zero point can use.
inline Ints round_away(Floats x) {
  x = x < -1e6f ? (Floats{} - 1e6f) : x;
  x = x > 1e6f ? (Floats{} + 1e6f) : x;
  x = x == x ? x : Floats{};
  const Ints whole = __builtin_convertvector(x, Ints);
  const Floats rest = x - __builtin_convertvector(whole, Floats);
  return whole - (rest >= 0.5f) + (rest <= -0.5f);  // a true lane is -1
}

inline Ints quantized(Floats x, float scale, int32_t zero_point) {
  Ints q = round_away(x / scale) + zero_point;
  q = q < -128 ? (Ints{} - 128) : q;
  return q > 127 ? (Ints{} + 127) : q;
}

// fixed_point.h's requantize(), once more because nothing inline may be shared between ISA levels.
inline int64_t requantized(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0, right = shift < 0 ? -shift : 0;
  const int64_t high = ((int64_t)(int32_t)((uint32_t)value << left) * multiplier + (1ll << 30)) >> 31;
  return (high + ((1ll << right) >> 1)) >> right;
}

struct Place {
  int64_t pixel, image;
  int32_t channel, valid;  // first channel of the chunk; how many of its lanes are real
};

template <int N, class Change>
inline void change(Floats (&v)[N], Change with) {
  BNN_UNROLL for (int n = 0; n < N; ++n) v[n] = with(v[n], n);
}

template <int N>
void store_requantized(const Stage& stage, const Floats (&v)[N], const Place& at) {
  float sums[N * kLanes];
  memcpy(sums, v, sizeof sums);
  int8_t* out = (int8_t*)stage.tensor + at.pixel * stage.stride_bytes + at.channel;
  for (int32_t l = 0; l < at.valid; ++l) {
    const int32_t c = at.channel + l;
    const int32_t sum = (int32_t)((uint32_t)(int32_t)sums[l] + (uint32_t)stage.bias[c]);
    int64_t q = requantized(sum, stage.multiplier[c], stage.shift[c]) + stage.zero_point;
    q = q < stage.low_i ? stage.low_i : q > stage.high_i ? stage.high_i : q;
    out[l] = (int8_t)q;
  }
}

template <int N>
inline void store(const Stage& stage, const Floats (&v)[N], const Place& at) {
  constexpr int32_t kChannels = N * kLanes;
  uint8_t* pixel = stage.tensor + at.pixel * stage.stride_bytes;
  if (stage.kind == StageKind::kStore) {
    float* out = (float*)pixel + at.channel;
    if (at.valid == kChannels) {
      BNN_UNROLL for (int n = 0; n < N; ++n) memcpy(out + n * kLanes, &v[n], kBytes);
    } else {
      memcpy(out, v, (size_t)at.valid * 4);
    }
  } else if (stage.kind == StageKind::kStoreBits) {
    uint64_t bits = 0;
    BNN_UNROLL for (int n = 0; n < N; ++n) bits |= (uint64_t)lane_bits((Ints)(v[n] < 0.0f)) << (n * kLanes);
    if (at.valid < kChannels) bits &= (1ull << at.valid) - 1;
    memcpy(pixel + at.channel / 8, &bits, kChannels / 8);
  } else if (stage.kind == StageKind::kStoreI8) {
    int8_t out[kChannels];
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      const Ints q = quantized(v[n], stage.scale, stage.zero_point);
      BNN_UNROLL for (int l = 0; l < kLanes; ++l) out[n * kLanes + l] = (int8_t)q[l];
    }
    memcpy(pixel + at.channel, out, (size_t)at.valid);
  } else {
    store_requantized<N>(stage, v, at);
  }
}

template <int N>
inline void run_chunk(const Stages& stages, const Place& at, const float* strip) {
  Floats v[N];
  BNN_UNROLL for (int n = 0; n < N; ++n) v[n] = load<Floats>(strip + at.channel + n * kLanes);
  for (int32_t i = 0; i < stages.count; ++i) {
    const Stage& stage = stages.stage[i];
    const float* constant = stage.constant + at.channel;
    const float* same = (const float*)(stage.tensor + at.pixel * stage.stride_bytes) + at.channel;
    const float* image = (const float*)(stage.tensor + at.image * stage.stride_bytes) + at.channel;
    switch (stage.kind) {
      case StageKind::kScale:
        change<N>(v, [&](Floats x, int n) { return x * load<Floats>(constant + n * kLanes); });
        break;
      case StageKind::kShift:
        change<N>(v, [&](Floats x, int n) { return x + load<Floats>(constant + n * kLanes); });
        break;
      case StageKind::kClamp:
        change<N>(v, [&](Floats x, int) {
          x = x < stage.low ? (Floats{} + stage.low) : x;
          return x > stage.high ? (Floats{} + stage.high) : x;
        });
        break;
      case StageKind::kAdd:
        change<N>(v, [&](Floats x, int n) { return x + load<Floats>(same + n * kLanes); });
        break;
      case StageKind::kMul:
        change<N>(v, [&](Floats x, int n) { return x * load<Floats>(same + n * kLanes); });
        break;
      case StageKind::kAddImage:
        change<N>(v, [&](Floats x, int n) { return x + load<Floats>(image + n * kLanes); });
        break;
      case StageKind::kMulImage:
        change<N>(v, [&](Floats x, int n) { return x * load<Floats>(image + n * kLanes); });
        break;
      case StageKind::kPrelu:
        change<N>(v, [&](Floats x, int n) {
          const Floats scaled = x * load<Floats>(constant + n * kLanes);
          return x >= 0.0f ? x : scaled;
        });
        break;
      case StageKind::kAbs:
        change<N>(v, [](Floats x, int) { return (Floats)((Ints)x & 0x7fffffff); });
        break;
      case StageKind::kLogistic:
        change<N>(v, [](Floats x, int) { return 1.0f / (1.0f + exponential(-x)); });
        break;
      case StageKind::kRoundI8:
        change<N>(v, [&](Floats x, int) {
          const Ints steps = quantized(x, stage.scale, stage.zero_point) - stage.zero_point;
          return __builtin_convertvector(steps, Floats) * stage.scale;
        });
        break;
      default:
        store<N>(stage, v, at);
    }
  }
}

}  // namespace

void BNN_PART(run_stages)(const Stages& stages, int64_t first, int64_t pixels, float* strip, int64_t row_floats) {
  constexpr int kMost = 64 / kLanes < 8 ? 64 / kLanes : 8, kHalf = 32 / kLanes, kLeast = 16 / kLanes;
  const int32_t row = bnn::strip_row(stages.channels);
  int64_t image = stages.image_pixels ? first / stages.image_pixels : 0;
  int64_t left = stages.image_pixels ? (image + 1) * stages.image_pixels - first : INT64_MAX;
  for (int64_t p = 0; p < pixels; ++p, strip += row_floats) {
    // The last word's unused bits: chunks write whole bytes and may not reach them.
    for (int32_t i = 0; stages.channels % 32 && i < stages.count; ++i)
      if (stages.stage[i].kind == StageKind::kStoreBits)
        memset(stages.stage[i].tensor + (first + p) * stages.stage[i].stride_bytes + stages.channels / 32 * 4, 0, 4);
    for (int32_t c = 0; c < row;) {
      const int32_t valid = stages.channels - c;
      if (c + kMost * kLanes <= row) {
        constexpr int32_t kChannels = kMost * kLanes;
        run_chunk<kMost>(stages, {first + p, image, c, valid < kChannels ? valid : kChannels}, strip);
        c += kChannels;
      } else if (kHalf < kMost && c + kHalf * kLanes <= row) {
        constexpr int32_t kChannels = kHalf * kLanes;
        run_chunk<kHalf>(stages, {first + p, image, c, valid < kChannels ? valid : kChannels}, strip);
        c += kChannels;
      } else {
        constexpr int32_t kChannels = kLeast * kLanes;
        run_chunk<kLeast>(stages, {first + p, image, c, valid < kChannels ? valid : kChannels}, strip);
        c += kChannels;
      }
    }
    if (--left == 0) ++image, left = stages.image_pixels;
  }
}

void BNN_PART(read_f32)(const float* from, int64_t from_stride, int64_t rows, int32_t channels, float* out,
                        int64_t row_floats) {
  for (int64_t r = 0; r < rows; ++r, from += from_stride, out += row_floats) memcpy(out, from, (size_t)channels * 4);
}

void BNN_PART(read_i8)(const int8_t* from, int64_t from_stride, int64_t rows, int32_t channels, float scale,
                       int32_t zero_point, float* out, int64_t row_floats) {
  for (int64_t r = 0; r < rows; ++r, from += from_stride, out += row_floats)
    for (int32_t c = 0; c < channels; ++c) out[c] = (float)(from[c] - zero_point) * scale;
}

void BNN_PART(unpack)(const uint32_t* from, int64_t rows, int32_t channels, float* out, int64_t row_floats) {
  const int64_t words = (channels + 31) / 32;
  for (int64_t r = 0; r < rows; ++r, from += words, out += row_floats)
    for (int32_t c = 0; c < channels; ++c) out[c] = from[c / 32] >> (c % 32) & 1 ? -1.0f : 1.0f;
}

void BNN_PART(softmax)(const float* from, int64_t rows, int32_t channels, float beta, float* out, int64_t row_floats) {
  for (int64_t r = 0; r < rows; ++r, from += channels, out += row_floats) {
    float most = from[0];
    for (int32_t c = 1; c < channels; ++c) most = from[c] > most ? from[c] : most;
    for (int32_t c = 0; c < channels; c += kLanes) {
      const Floats power = exponential((load<Floats>(from + c) - most) * beta);
      memcpy(out + c, &power, kBytes);
    }
    double sum = 0;  // a sum of many small numbers
    for (int32_t c = 0; c < channels; ++c) sum += out[c];
    for (int32_t c = 0; c < channels; ++c) out[c] = (float)(out[c] / sum);
  }
}
