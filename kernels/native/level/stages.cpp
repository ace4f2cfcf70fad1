// What streams are read from, changed by, and stored as; compiled once per ISA level.
//
// A pixel's channels go through all stages in registers, a chunk at a time, so a stream is read and written once
// however many stages there are. Each stage rounds by itself, as a step of its own would.
#include "level/model_parts.h"
#include "level/requantize.h"
#include "level/vectors.h"

namespace {

using bnn::Stage;
using bnn::StageKind;
using bnn::Stages;

inline Floats limited(Floats x, float low, float high) {
  x = x < low ? splat(low) : x;
  x = x > high ? splat(high) : x;
  return x == x ? x : Floats{};
}

// To the nearest whole number, halves away from zero, limited to what i8 and any zero point can use.
inline Ints round_away(Floats x) {
  x = limited(x, -1e6f, 1e6f);
  const Ints whole = __builtin_convertvector(x, Ints);
  const Floats rest = x - __builtin_convertvector(whole, Floats);
  return whole - (rest >= 0.5f) + (rest <= -0.5f);  // a true lane is -1
}

// The same with halves to even: adding 1.5 * 2^23 rounds to whole numbers.
inline Ints round_even(Floats x) {
  constexpr float kRounder = 12582912.0f;
  return (Ints)(limited(x, -1e6f, 1e6f) + kRounder) - (Ints)splat(kRounder);
}

inline bool goes_to_even(StageKind kind) { return kind == StageKind::kStoreI8Even || kind == StageKind::kRoundI8Even; }

inline Ints quantized(Floats x, const Stage& stage) {
  x = x / stage.scale;
  Ints q = (goes_to_even(stage.kind) ? round_even(x) : round_away(x)) + stage.zero_point;
  q = q < -128 ? (Ints{} - 128) : q;
  return q > 127 ? (Ints{} + 127) : q;
}

struct Place {
  int64_t pixel, image;
  int32_t channel, valid;  // first channel of the chunk; how many of its lanes are real
};

// What costs much a value has one copy of its code, which works on values in memory.
__attribute__((noinline)) void round_i8(const Stage& stage, float* values, int32_t count) {
  for (int32_t c = 0; c < count; c += kLanes) {
    const Ints steps = quantized(load<Floats>(values + c), stage) - stage.zero_point;
    const Floats v = __builtin_convertvector(steps, Floats) * stage.scale;
    memcpy(values + c, &v, kBytes);
  }
}

template <int N, class Change>
inline void change_in_memory(Floats (&v)[N], Change with) {
  float values[N * kLanes];
  memcpy(values, v, sizeof values);
  with(values, N * kLanes);
  memcpy(v, values, sizeof values);
}

template <int N, class Change>
inline void change(Floats (&v)[N], Change with) {
  BNN_UNROLL for (int n = 0; n < N; ++n) v[n] = with(v[n], n);
}

// Stores of up to `valid` values that lie in memory, with as many as make whole vectors behind them: one copy of the
// code for chunks of every size.
__attribute__((noinline)) void store_part(const float* values, int32_t valid, float* out) {
  int32_t c = 0;
  for (; c + kLanes <= valid; c += kLanes) memcpy(out + c, values + c, kBytes);
  for (; c < valid; ++c) out[c] = values[c];
}

__attribute__((noinline)) void store_i8(const Stage& stage, const float* values, int32_t valid, int8_t* out) {
  for (int32_t c = 0; c < valid; c += kLanes)
    store_octets(quantized(load<Floats>(values + c), stage), valid - c, out + c);
}

__attribute__((noinline)) void store_requantized(const Stage& stage, const float* values, int32_t channel,
                                                 int32_t valid, int8_t* out) {
  const StepLimits limits(stage);
  for (int32_t c = 0; c < valid; c += kLanes) {
    const Ints whole = __builtin_convertvector(limited(load<Floats>(values + c), -2e9f, 2e9f), Ints);
    const Ints sum = (Ints)((Words)whole + load<Words>(stage.bias + channel + c));
    const Ints q = stage.factor ? requantizer<RequantizerOnce>(stage, channel + c)(sum)
                                : requantizer<Requantizer>(stage, channel + c)(sum);
    limits.store(q, valid - c, out + c);
  }
}

template <int N>
inline void store(const Stage& stage, const Floats (&v)[N], const Place& at) {
  constexpr int32_t kChannels = N * kLanes;
  uint8_t* pixel = stage.tensor + at.pixel * stage.stride_bytes;
  if (stage.kind == StageKind::kStoreBits) {
    uint64_t bits = all_lane_bits<N>([&](int n) __attribute__((always_inline)) { return (Ints)(v[n] < 0.0f); });
    if (at.valid < kChannels) bits &= (1ull << at.valid) - 1;
    memcpy(pixel + at.channel / 8, &bits, kChannels / 8);
    return;
  }
  float* out = (float*)pixel + at.channel;
  if (stage.kind == StageKind::kStore && at.valid == kChannels) {
    BNN_UNROLL for (int n = 0; n < N; ++n) memcpy(out + n * kLanes, &v[n], kBytes);
    return;
  }
  float values[kChannels];
  memcpy(values, v, sizeof values);
  int8_t* octets = (int8_t*)pixel + at.channel;
  if (stage.kind == StageKind::kStore) return store_part(values, at.valid, out);
  if (stage.kind == StageKind::kStoreI8 || stage.kind == StageKind::kStoreI8Even)
    return store_i8(stage, values, at.valid, octets);
  store_requantized(stage, values, at.channel, at.valid, octets);
}

template <int N>
inline void run_chunk(const Stages& stages, const Place& at, const float* strip) {
  Floats v[N];
  BNN_UNROLL for (int n = 0; n < N; ++n) v[n] = load<Floats>(strip + at.channel + n * kLanes);
  for (int32_t i = 0; i < stages.count; ++i) {
    const Stage& stage = stages.stage[i];
    // What the stage reads beside v: of the channels, of the same pixel, or of the image.
    const auto operand = [&](int n) { return load<Floats>(stage.constant + at.channel + n * kLanes); };
    const auto tensor = [&](int64_t row, int n) {
      return load<Floats>(stage.tensor + row * stage.stride_bytes + (at.channel + n * kLanes) * (int64_t)sizeof(float));
    };
    // Values of i8 at the same pixel.
    const auto steps = [&](int n) {
      const uint8_t* from = stage.tensor + at.pixel * stage.stride_bytes + at.channel + n * kLanes;
      return __builtin_convertvector(__builtin_convertvector(load<Octets>(from), Ints) - stage.zero_point, Floats) *
             stage.scale;
    };
    switch (stage.kind) {
      case StageKind::kScale:
        change<N>(v, [&](Floats x, int n) { return x * operand(n); });
        break;
      case StageKind::kShift:
        change<N>(v, [&](Floats x, int n) { return x + operand(n); });
        break;
      case StageKind::kClamp:
        if (stage.low > -__builtin_inff())
          change<N>(v, [&](Floats x, int) { return x < stage.low ? splat(stage.low) : x; });
        if (stage.high < __builtin_inff())
          change<N>(v, [&](Floats x, int) { return x > stage.high ? splat(stage.high) : x; });
        break;
      case StageKind::kAdd:
        change<N>(v, [&](Floats x, int n) { return x + tensor(at.pixel, n); });
        break;
      case StageKind::kMul:
        change<N>(v, [&](Floats x, int n) { return x * tensor(at.pixel, n); });
        break;
      case StageKind::kAddImage:
        change<N>(v, [&](Floats x, int n) { return x + tensor(at.image, n); });
        break;
      case StageKind::kMulImage:
        change<N>(v, [&](Floats x, int n) { return x * tensor(at.image, n); });
        break;
      case StageKind::kPrelu:
        change<N>(v, [&](Floats x, int n) {
          const Floats scaled = x * operand(n);
          return x >= 0.0f ? x : scaled;
        });
        break;
      case StageKind::kAbs:
        change<N>(v, [](Floats x, int) { return (Floats)((Ints)x & 0x7fffffff); });
        break;
      case StageKind::kHardSwish:
        change<N>(v, [](Floats x, int) {
          Floats gate = x + 3.0f;
          gate = gate < 0.0f ? Floats{} : gate;
          return x * (gate > 6.0f ? splat(6.0f) : gate) / 6.0f;
        });
        break;
      case StageKind::kLogistic:
      case StageKind::kTanh:
      case StageKind::kExp:
      case StageKind::kSqrt:
      case StageKind::kRsqrt:
        change_in_memory<N>(v, [&](float* values, int32_t count) { BNN_PART(apply)(stage.kind, values, count); });
        break;
      case StageKind::kAddI8:
        change<N>(v, [&](Floats x, int n) { return x + steps(n); });
        break;
      case StageKind::kMulI8:
        change<N>(v, [&](Floats x, int n) { return x * steps(n); });
        break;
      case StageKind::kRoundI8:
      case StageKind::kRoundI8Even:
        change_in_memory<N>(v, [&](float* values, int32_t count) { round_i8(stage, values, count); });
        break;
      default:
        store<N>(stage, v, at);
    }
  }
}

// Whether a stage does the same to every channel, and its tensor's pixels follow one another as the strip's do: then
// many pixels are one with as many times the channels.
inline bool is_flat(const Stage& stage, int32_t channels) {
  switch (stage.kind) {
    case StageKind::kClamp:
    case StageKind::kAbs: return true;
    case StageKind::kAdd:
    case StageKind::kMul:
    case StageKind::kStore: return stage.stride_bytes == (int64_t)channels * 4;
    case StageKind::kStoreBits: return channels % 32 == 0 && stage.stride_bytes == channels / 8;
    default: return false;
  }
}

inline bool all_flat(const Stages& stages) {
  for (int32_t i = 0; i < stages.count; ++i)
    if (!is_flat(stages.stage[i], stages.channels)) return false;
  return true;
}

void run_rows(const Stages& stages, int64_t first, int64_t pixels, const float* strip, int64_t row_floats) {
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
    if (--left == 0) {
      ++image;
      left = stages.image_pixels;
    }
  }
}

}  // namespace

void BNN_PART(run_stages)(const Stages& stages, int64_t first, int64_t pixels, float* strip, int64_t row_floats) {
  const int64_t all = pixels * stages.channels;
  if (stages.channels == row_floats && all <= INT32_MAX && all_flat(stages))
    run_rows({stages.stage, stages.count, (int32_t)all, 0}, first, 1, strip, all);
  else
    run_rows(stages, first, pixels, strip, row_floats);
}

void BNN_PART(read_f32)(const float* from, int64_t from_stride, int64_t rows, int32_t channels, float* out,
                        int64_t row_floats) {
  for (int64_t r = 0; r < rows; ++r, from += from_stride, out += row_floats) memcpy(out, from, (size_t)channels * 4);
}

void BNN_PART(read_i8)(const int8_t* from, int64_t from_stride, int64_t rows, int32_t channels, float scale,
                       int32_t zero_point, float* out, int64_t row_floats) {
  for (int64_t r = 0; r < rows; ++r, from += from_stride, out += row_floats)
    for (int32_t c = 0; c < channels; c += kLanes) {
      const Ints steps = __builtin_convertvector(load<Octets>(from + c), Ints) - zero_point;
      const Floats value = __builtin_convertvector(steps, Floats) * scale;
      memcpy(out + c, &value, kBytes);
    }
}

void BNN_PART(unpack)(const uint32_t* from, int64_t rows, int32_t channels, float* out, int64_t row_floats) {
  const int64_t words = (channels + 31) / 32;
  Words lane;
  for (int l = 0; l < kLanes; ++l) lane[l] = 1u << l;
  for (int64_t r = 0; r < rows; ++r, from += words, out += row_floats)
    for (int32_t c = 0; c < channels; c += kLanes) {
      const Words is_set = (Words)((lane & (from[c / 32] >> c % 32)) != 0u);
      const Words value = 0x3f800000u | (is_set & 0x80000000u);  // 1.0 with the bit as its sign
      memcpy(out + c, &value, kBytes);
    }
}
