// IntegerKernels of one ISA level against plain loops in 64 bits, over seeded odd shapes and over the edges of rounding.
#include "integer_kernels_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_test.h"

namespace {

using namespace bnn;

const IntegerKernels* kernels;

// Zeroed memory that kernels may read beyond; what they write beyond its end is found.
template <class T>
struct Array {
  T* at;
  int64_t count;
  explicit Array(int64_t n) : count(n) {
    at = (T*)aligned_alloc(64, (size_t)((n * (int64_t)sizeof(T) + kSlack + 63) / 64 * 64));
    if (!at) abort();
    memset(at, 0, (size_t)n * sizeof(T));
    memset(at + n, kMark, kSlack);
  }
  Array(const Array&) = delete;
  ~Array() {
    for (int64_t i = 0; i < kSlack; ++i)
      if (((uint8_t*)(at + count))[i] != kMark) {
        fail("something was written beyond the end of an array");
        break;
      }
    free(at);
  }
  T& operator[](int64_t i) const { return at[i]; }
};

void randomize(const Array<int8_t>& values) {
  const int kind = between(0, 5);  // also nothing but extremes
  for (int64_t i = 0; i < values.count; ++i)
    values[i] = (int8_t)(kind == 0 ? -128 : kind == 1 ? (between(0, 1) ? 127 : -128) : between(-128, 127));
}

double clamped_real(double value, double most) { return value < -most ? -most : value > most ? most : value; }
int64_t clamped(int64_t value, int64_t low, int64_t high) { return value < low ? low : value > high ? high : value; }

// TFLite's two roundings, in 64 bits.
int64_t scaled(int32_t sum, int32_t multiplier, int32_t shift) {
  const auto away = [](int64_t value, int bits) {  // to the nearest, halves away from zero
    const int64_t size = value < 0 ? -value : value, nearest = bits ? ((size >> (bits - 1)) + 1) >> 1 : size;
    return value < 0 ? -nearest : nearest;
  };
  const int32_t left = shift > 0 ? shift : 0, right = shift < 0 ? -shift : 0;
  const int64_t product = (int64_t)(int32_t)((uint32_t)sum << left) * multiplier + (1ll << 30);
  return (int64_t)away(product >> 31, right);
}

// The stage of a stream, with factors of all kinds.
struct TestStage {
  Stage stage = {};
  Array<int32_t> bias, multiplier, shift;
  Array<double> factor;
  Array<int8_t> out;

  TestStage(int32_t channels, int64_t pixels, bool all_right)
      : bias(strip_row(channels)), multiplier(strip_row(channels)), shift(strip_row(channels)),
        factor(strip_row(channels)), out(pixels * channels) {
    constexpr int32_t kMultipliers[] = {1 << 30, (1 << 30) + 1, INT32_MAX, INT32_MAX - 1, 3 << 29, 1518500250};
    const int32_t around = between(1, 30);
    for (int32_t c = 0; c < channels; ++c) {
      multiplier[c] = between(0, 1) ? kMultipliers[between(0, 5)] : between(1 << 30, INT32_MAX);
      shift[c] = between(0, 3) ? -(int32_t)clamped(around + between(-2, 2), 1, 31) : all_right ? -1 : between(-31, 4);
    }
    const bool once = !all_right && between(0, 3) == 0;
    // The same numbers as multiplier and shift; those that make halves of whole sums; such that need more than 31 bits.
    for (int32_t c = 0; once && c < channels; ++c) {
      const int32_t kind = between(0, 2);
      factor[c] = kind == 0 ? ldexp(multiplier[c], shift[c] - 31) : 1.0 / between(1, 4000);
      if (kind == 2) factor[c] *= 1.0 + between(-2, 2) * 0x1p-52;
      if (between(0, 99) == 0) factor[c] = between(0, 1) ? 1e300 : 1e-300;
    }
    stage.kind = once ? StageKind::kStoreRequantizedOnce : StageKind::kStoreRequantized;
    stage.tensor = (uint8_t*)out.at;
    stage.stride_bytes = channels;
    stage.low_i = between(0, 1) ? -128 : between(-128, 0);
    stage.high_i = between(0, 1) ? 127 : between(stage.low_i, 127);
    stage.zero_point = between(-128, 127);
    stage.bias = bias.at;
    if (once) {
      stage.factor = factor.at;
    } else {
      stage.multiplier = multiplier.at;
      stage.shift = shift.at;
    }
    for (int64_t i = 0; i < out.count; ++i) out[i] = 77;
  }
  bool check(const char* what, int64_t pixel, int32_t c, int32_t sum) {
    ++compared;
    const double product = clamped_real(round(sum * factor[c]), 1e9);
    const int64_t q = stage.factor ? (int64_t)product : scaled(sum, multiplier[c], shift[c]);
    const int64_t want = clamped(q + stage.zero_point, stage.low_i, stage.high_i);
    const int8_t got = out[pixel * stage.stride_bytes + c];
    if (got == want) return true;
    fail("%s: %d by %d and %d, or %a, is %d, should be %d (channel %d of %lld)", what, sum, multiplier[c], shift[c],
         factor[c], got, (int)want, c, (long long)stage.stride_bytes);
    return false;
  }
};

// What a kernel needs to store by itself; none where it can't.
struct TestStore {
  Array<uint8_t> factors;
  IntegerStore store;
  TestStore(const Stage& stage, int32_t channels) : factors(kernels->store_bytes(stage, channels)) {
    if (factors.count) kernels->prepare_store(stage, channels, factors.at);
    store = {factors.at, (int8_t*)stage.tensor, stage.stride_bytes, stage.low_i, stage.high_i, stage.zero_point};
  }
  const IntegerStore* get() const { return factors.count ? &store : nullptr; }
};

// A sum whose result lies at, or next to, a half: what roundings differ at.
int32_t near_half(const TestStage& test, int32_t c) {
  const double step = test.stage.factor ? 1.0 / test.factor[c] : ldexp(1.0 / test.multiplier[c], 31 - test.shift[c]);
  const double sum = (between(-300, 300) + 0.5) * step + between(-2, 2);
  return sum > 2147483647.0 ? INT32_MAX : sum < -2147483648.0 ? INT32_MIN : (int32_t)sum;
}

void test_requantize(int turn) {
  const int32_t channels = odd_channels();
  const int64_t pixels = between(1, 9), row = strip_row(channels) + between(0, 1) * 16, first = between(0, 3);
  TestStage test(channels, first + pixels, turn % 2);
  const Array<int32_t> sums(pixels * row);
  constexpr int32_t kEdges[] = {0, 1, -1, INT32_MIN, INT32_MAX, INT32_MIN + 1, 1 << 24, -(1 << 24), (1 << 24) + 1};
  for (int64_t p = 0; p < pixels; ++p)
    for (int32_t c = 0; c < channels; ++c) {
      const int kind = between(0, 7);
      sums[p * row + c] = kind == 0   ? kEdges[between(0, 8)]
                          : kind == 1 ? (int32_t)random_word()
                          : kind < 4  ? (int32_t)random_word() >> between(1, 30)
                                      : near_half(test, c);
    }
  kernels->requantize(test.stage, channels, first, pixels, sums.at, row);
  for (int64_t p = 0; p < pixels; ++p)
    for (int32_t c = 0; c < channels; ++c)
      if (!test.check("requantize", first + p, c, sums[p * row + c])) return;
}

// Products of one value and one weight, and sums that start anywhere: what is stored, for any sum.
void test_conv(int turn) {
  const int32_t channels = odd_channels(), words = between(1, 9), taps = between(1, 3), pixels = between(1, 29);
  const int32_t per_word = kernels->per_word, inner = words * per_word, depth = taps * inner;
  TestStage test(channels, pixels, turn % 4 != 0);
  const TestStore store(test.stage, channels);
  int32_t padded = 0;
  ChannelBlock block[64];
  int blocks = 0;
  for (; padded < channels; ++blocks) {
    const int32_t left = channels - padded, lanes = kernels->widths.lanes(left);
    block[blocks] = {0, padded, lanes, left < lanes ? left : lanes, nullptr};
    padded += lanes;
  }
  const Array<int8_t> x(64 * inner), weights((int64_t)channels * depth);
  randomize(x);
  randomize(weights);
  const bool symmetric = turn % 3;
  for (int64_t i = 0; symmetric && i < weights.count; ++i) weights[i] = weights[i] == -128 ? -127 : weights[i];
  const Array<uint32_t> encoded(64 * words), packed((int64_t)padded * taps * words), offset(pixels), segment(taps);
  const Array<int32_t> start(padded);
  kernels->encode(x.at, 64, inner, words, encoded.at);
  for (int32_t p = 0; p < pixels; ++p) offset[p] = (uint32_t)(between(0, 60) * words);
  for (int32_t t = 0; t < taps; ++t) segment[t] = (uint32_t)(between(0, 3) * words);
  for (int32_t c = 0; c < channels; ++c) {
    int64_t sum = 0;
    for (int32_t k = 0; k < depth; ++k) sum += weights[(int64_t)c * depth + k];
    const int32_t from = between(0, 1) ? near_half(test, c) : between(-100000, 100000);
    start[c] = (int32_t)((uint32_t)from - (uint32_t)(sum * kernels->offset));
  }
  for (int b = 0; b < blocks; ++b) {
    uint32_t* to = packed.at + (int64_t)block[b].first * taps * words;
    block[b].weights = to;
    for (int32_t w = 0; w < taps * words; ++w)
      for (int32_t lane = 0; lane < block[b].valid; ++lane)
        for (int32_t i = 0; i < per_word; ++i) {
          const int16_t wide = weights[(int64_t)(block[b].first + lane) * depth + w * per_word + i];
          memcpy((uint8_t*)(to + (int64_t)w * block[b].lanes + lane) + i * (4 / per_word), &wide, 4 / (size_t)per_word);
        }
  }
  const int64_t row = channels + between(0, 5);
  const Array<int32_t> out(pixels * row);
  ImplicitGemm gemm = {};
  gemm.pixels = pixels;
  gemm.groups = 1;
  gemm.channels = channels;
  gemm.padded_channels = padded;
  gemm.segments = taps;
  gemm.segment_words = words;
  gemm.input = encoded.at;
  gemm.pixel_offset = offset.at;
  gemm.segment_offset = segment.at;
  gemm.base = (const uint32_t*)start.at;
  gemm.out = (uint8_t*)out.at;
  gemm.out_stride_bytes = row * 4;
  for (int b = 0; b < blocks; ++b) {
    (symmetric ? kernels->conv_of_symmetric : kernels->conv)(gemm, block[b], nullptr, 0, pixels);
    if (store.get())
      (symmetric ? kernels->conv_of_symmetric : kernels->conv)(gemm, block[b], store.get(), 0, pixels);
  }
  for (int32_t p = 0; p < pixels; ++p)
    for (int32_t c = 0; c < channels; ++c) {
      int64_t sum = 0, all = 0;
      for (int32_t t = 0; t < taps; ++t)
        for (int32_t k = 0; k < inner; ++k) {
          const int8_t weight = weights[(int64_t)c * depth + t * inner + k];
          sum += (int64_t)x[(int64_t)(offset[p] + segment[t]) * per_word + k] * weight;
          all += weight;
        }
      const int32_t want = (int32_t)((uint32_t)sum + (uint32_t)start[c] + (uint32_t)(all * kernels->offset));
      ++compared;
      if (out[p * row + c] != want) return fail("conv: channel %d of %d is %d, should be %d", c, channels, out[p * row + c], want);
      if (store.get() && !test.check("conv that stores", p, c, want)) return;
    }
}

void test_depthwise(int turn) {
  IntegerWindow s = {};
  Window& w = s.window;
  s.n = between(1, 2);
  s.h = between(1, 13);
  s.w = turn % 7 == 6 ? between(30, 90) : between(1, 13);
  s.c = odd_channels();
  w = {between(1, 5), between(1, 5), between(1, 3), between(1, 3), between(1, 2), between(1, 2), 0, 0};
  if (between(0, 1)) {
    w.kh = w.kw = 3;
    w.dh = w.dw = 1;
  }
  w.pad_top = between(0, w.kh - 1) * w.dh;
  w.pad_left = between(0, w.kw - 1) * w.dw;
  s.out_h = (s.h - 1 + w.pad_top) / w.sh + 1;
  s.out_w = (s.w - 1 + w.pad_left) / w.sw + 1;
  s.zero_point = between(-128, 127);
  const int64_t pixels = (int64_t)s.n * s.out_h * s.out_w, row = strip_row(s.c) + between(0, 1) * 16;
  const int64_t first = between(0, (int32_t)pixels - 1), last = between((int32_t)first, (int32_t)pixels);
  TestStage test(s.c, pixels, turn % 4 != 0);
  const TestStore store(test.stage, s.c);
  const Array<int8_t> x((int64_t)s.n * s.h * s.w * s.c), weights((int64_t)w.kh * w.kw * s.c);
  randomize(x);
  randomize(weights);
  const Array<uint8_t> packed(kernels->depthwise_weights(weights.at, w.kh, w.kw, s.c, nullptr));
  kernels->depthwise_weights(weights.at, w.kh, w.kw, s.c, packed.at);
  const Array<int32_t> start(strip_row(s.c));
  for (int32_t c = 0; c < s.c; ++c) start[c] = near_half(test, c);
  s.x = x.at;
  s.weights = packed.at;
  s.start = start.at;
  const Array<uint8_t> scratch(kernels->depthwise_scratch(w));
  const Array<int32_t> out(pixels * row);
  kernels->depthwise(s, nullptr, first, last, out.at + first * row, row, scratch.at);
  IntegerStore from = store.store;
  from.out += first * from.stride_bytes;
  if (store.get()) kernels->depthwise(s, &from, first, last, nullptr, 0, scratch.at);
  for (int64_t p = first; p < last; ++p) {
    const int64_t ox = p % s.out_w, oy = p / s.out_w % s.out_h, image = p / s.out_w / s.out_h;
    for (int32_t c = 0; c < s.c; ++c) {
      int64_t sum = start[c];
      for (int32_t ky = 0; ky < w.kh; ++ky)
        for (int32_t kx = 0; kx < w.kw; ++kx) {
          const int64_t y = oy * w.sh - w.pad_top + (int64_t)ky * w.dh, at = ox * w.sw - w.pad_left + (int64_t)kx * w.dw;
          const bool inside = y >= 0 && y < s.h && at >= 0 && at < s.w;
          const int64_t value = inside ? x[((image * s.h + y) * s.w + at) * s.c + c] : s.zero_point;
          sum += (value + kernels->offset) * weights[((int64_t)ky * w.kw + kx) * s.c + c];
        }
      ++compared;
      const int32_t want = (int32_t)(uint32_t)sum;
      if (out[p * row + c] != want)
        return fail("depthwise: pixel %lld channel %d of %d is %d, should be %d", (long long)p, c, s.c, out[p * row + c], want);
      if (store.get() && !test.check("depthwise that stores", p, c, want)) return;
    }
  }
}

void test_combine(int turn) {
  const int64_t count = between(1, 300);
  const Array<int8_t> a(count), b(count), out(count);
  for (int64_t i = 0; i < count; ++i) {
    a[i] = (int8_t)between(-128, 127);
    b[i] = (int8_t)between(-128, 127);
  }
  const auto operand = [] {
    return IntegerOperand{between(-128, 127), between(0, 2) ? between(1 << 30, INT32_MAX) : 1 << 30, between(-6, 1)};
  };
  IntegerPair pair = {(Combine)(turn % 3), operand(), operand(), operand(), turn % 3 == 2 ? 0 : 20, -128, 127};
  pair.out.shift = turn % 3 == 2 ? between(-12, -2) : between(-24, -14);
  kernels->combine(pair, a.at, b.at, count, out.at);
  for (int64_t i = 0; i < count; ++i) {
    const auto term = [&](int8_t value, const IntegerOperand& of) {
      const int32_t steps = (int32_t)((uint32_t)(value - of.zero_point) << pair.left_shift);
      return (uint32_t)scaled(steps, of.multiplier, of.shift);
    };
    const uint32_t x = term(a[i], pair.a), y = term(b[i], pair.b);
    const uint32_t value = turn % 3 == 0 ? x + y : turn % 3 == 1 ? x - y : x * y;
    const int64_t q = scaled((int32_t)value, pair.out.multiplier, pair.out.shift);
    const int64_t want = clamped(q + pair.out.zero_point, pair.low, pair.high);
    ++compared;
    if (out[i] != want) return fail("combine %d: %d and %d are %d, should be %d", turn % 3, a[i], b[i], out[i], (int)want);
  }
}

void test_reduce(int turn) {
  const int32_t rows = between(1, 5), columns = between(1, 9), c = odd_channels(), down = (columns + 2) * c;
  const Array<int8_t> x((int64_t)rows * down + 64);
  randomize(x);
  int32_t out[64];
  kernels->reduce(turn % 2, x.at, rows, down, columns, c, out);
  for (int32_t i = 0; i < 64 && i < c; ++i) {
    int32_t sum = 0, most = -128;
    for (int32_t y = 0; y < rows; ++y)
      for (int32_t at = 0; at < columns; ++at) {
        const int32_t value = x[(int64_t)y * down + at * c + i];
        sum += value;
        most = value > most ? value : most;
      }
    ++compared;
    if (out[i] != (turn % 2 ? most : sum)) return fail("reduce: %d, should be %d", out[i], turn % 2 ? most : sum);
  }
}

}  // namespace

int integer_failures(const IntegerKernels& of, uint64_t seed, int64_t* all) {
  kernels = &of;
  state = seed;
  for (int turn = 0; turn < 300; ++turn) {
    test_requantize(turn);
    test_conv(turn);
    test_depthwise(turn);
    test_combine(turn);
    test_reduce(turn);
  }
  *all += compared;
  return failures;
}
