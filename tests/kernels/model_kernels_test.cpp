// Every kernel of one ISA level's ModelKernels, and the stages that its binary products run, against plain loops, over
// seeded odd shapes:
//   model_kernels_test ISA SEED     prints what differs, a line each, and how much was compared
// Exits with 1 when anything differs, 77 when this CPU lacks the ISA.
//
// Every buffer that kernels write has marked bytes around each pixel, and every buffer they read ends in 64 bytes of
// NaNs: whatever is written beyond a pixel, or leaks in from beyond a tensor, is found.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/isa.h"
#include "integer_kernels_test.h"
#include "kernel_test.h"
#include "level/model_kernels.h"

extern bnn::Level BNN_LEVELS;

namespace {

using namespace bnn;

const ModelKernels* kernels;
const KernelSet* binary;

// Of either sign and no denormal, which 32-bit NEON would flush.
float real() { return ((float)(int32_t)random_word() / 2147483648.0f + 1e-6f) * 4.0f; }

// Freed at the end of its scope. Followed by as many readable bytes as the contract promises: NaNs as f32.
template <class T>
struct Buffer {
  T* at;
  int64_t count;
  explicit Buffer(int64_t n) : count(n) {
    at = (T*)malloc((size_t)(n * (int64_t)sizeof(T) + kSlack));
    if (!at) abort();
    memset(at, kMark, (size_t)n * sizeof(T));
    memset(at + n, 0xff, kSlack);
  }
  Buffer(const Buffer&) = delete;
  ~Buffer() {
    int changed = 0;
    for (int64_t i = 0; i < kSlack; ++i) changed += ((uint8_t*)(at + count))[i] != 0xff;
    if (changed) fail("something was written beyond the end of a buffer");
    free(at);
  }
  T& operator[](int64_t i) const { return at[i]; }
};

struct Reals : Buffer<float> {
  explicit Reals(int64_t n) : Buffer(n) {
    for (int64_t i = 0; i < n; ++i) at[i] = real();
  }
};

bool marked(const void* bytes, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (((const uint8_t*)bytes)[i] != kMark) return false;
  return true;
}

bool close(double value, double expected, double tolerance) {
  ++compared;
  return value == expected || fabs(value - expected) <= tolerance || (isnan(value) && isnan(expected));
}

bool same_bits(float a, float b) {
  ++compared;
  return !memcmp(&a, &b, 4) || (isnan(a) && isnan(b));
}

// Rows of a result with `row` floats each, of which `written` may be written: f(pixel, channel) is what they must hold.
template <class Expected>
void check_rows(const char* what, const Buffer<float>& out, int64_t first, int64_t last, int64_t row, int32_t channels,
                int32_t written, Expected expected) {
  if (!marked(out.at, first * row * 4)) fail("%s: wrote before its pixels", what);
  for (int64_t p = first; p < last; ++p) {
    for (int32_t c = 0; c < channels; ++c) {
      const auto want = expected(p, c);
      if (!close(out[p * row + c], want.value, want.tolerance))
        return fail("%s: pixel %lld channel %d of %d is %.9g, should be %.9g", what, (long long)p, c, channels,
                    out[p * row + c], want.value);
    }
    if (!marked(&out[p * row + written], (row - written) * 4)) return fail("%s: wrote beyond its channels", what);
  }
  if (!marked(&out[last * row], (out.count - last * row) * 4)) fail("%s: wrote beyond its pixels", what);
}

struct Want {
  double value, tolerance;
};

// A random epilogue, of sums of `pixels` pixels with `channels` channels each.
struct EpilogueTest {
  int32_t channels;
  int64_t row;
  Reals tensor;
  FloatEpilogue epilogue;

  EpilogueTest(int64_t pixels, int32_t of)
      : channels(of), row(of + between(0, 5)), tensor(pixels ? (pixels - 1) * row + of : 0) {
    if (between(0, 2)) epilogue.low = -fabsf(real());
    if (between(0, 2)) epilogue.high = fabsf(real());
    if (between(0, 1)) epilogue.add = tensor.at;
    epilogue.add_row = row;
  }

  // Of sums that were stored as they are, every pixel of `out` by the epilogue.
  void check(const char* what, const Buffer<float>& sums, int64_t sums_row, const Buffer<float>& out, int64_t out_row,
             int64_t first, int64_t last) const {
    for (int64_t p = first; p < last; ++p)
      for (int32_t c = 0; c < channels; ++c) {
        const float sum = sums[p * sums_row + c], all = epilogue.add ? sum + tensor[p * row + c] : sum;
        const float want = all < epilogue.low ? epilogue.low : all > epilogue.high ? epilogue.high : all;
        ++compared;
        if (out[p * out_row + c] != want && !(isnan(want) && isnan(out[p * out_row + c])))
          return fail("%s: the epilogue of %.9g at pixel %lld channel %d of %d is %.9g, should be %.9g", what, sum,
                      (long long)p, c, channels, out[p * out_row + c], want);
      }
  }
};

void test_conv() {
  const int32_t groups = between(0, 3) ? 1 : between(2, 3), channels = odd_channels(), inner = odd_channels();
  const int32_t segments = between(1, 4), length = between(0, 1) ? inner : between(1, 9), pixels = between(1, 29);
  const int32_t products = segments * length;
  ChannelBlock block[64];
  int blocks = 0, padded = 0;
  for (; padded < channels; ++blocks) {
    const int32_t lanes = kernels->widths.lanes(channels - padded), left = channels - padded;
    block[blocks] = {0, padded, lanes, left < lanes ? left : lanes, nullptr};
    padded += lanes;
  }
  const Reals input(groups * length + 4000), weights((int64_t)groups * padded * products);
  const Reals bias((int64_t)groups * padded);
  Buffer<uint32_t> offset(pixels), segment(segments);
  for (int32_t p = 0; p < pixels; ++p) offset[p] = (uint32_t)between(0, 3000);
  for (int32_t s = 0; s < segments; ++s) segment[s] = (uint32_t)between(0, 700);
  const int32_t row = groups * channels + between(0, 5);
  const Buffer<float> out((int64_t)pixels * row), parts((int64_t)pixels * row), finished((int64_t)pixels * row);
  const EpilogueTest with(pixels, groups * channels);
  if (!between(0, 3)) bias[between(0, padded - 1)] = NAN;
  ImplicitGemm gemm = {};
  gemm.pixels = pixels;
  gemm.groups = groups;
  gemm.channels = channels;
  gemm.padded_channels = padded;
  gemm.segments = segments;
  gemm.segment_words = length;
  gemm.group_words = length;
  gemm.input = (const uint32_t*)input.at;
  gemm.pixel_offset = offset.at;
  gemm.segment_offset = segment.at;
  gemm.bias = bias.at;
  gemm.out_stride_bytes = row * 4;
  const int32_t cut = between(0, pixels);
  for (int32_t g = 0; g < groups; ++g)
    for (int b = 0; b < blocks; ++b) {
      ChannelBlock one = block[b];
      one.group = g;
      one.weights = (const uint32_t*)weights.at + ((int64_t)g * padded + one.first) * products;
      gemm.out = (uint8_t*)out.at;
      kernels->conv(gemm, one, 0, pixels, {});
      gemm.out = (uint8_t*)parts.at;
      kernels->conv(gemm, one, cut, pixels, {});
      kernels->conv(gemm, one, 0, cut, {});
      gemm.out = (uint8_t*)finished.at;
      kernels->conv(gemm, one, cut, pixels, with.epilogue);
      kernels->conv(gemm, one, 0, cut, with.epilogue);
    }
  if (memcmp(out.at, parts.at, (size_t)(pixels * row) * 4)) fail("conv: pixels in two parts differ from pixels in one");
  with.check("conv", out, row, finished, row, 0, pixels);
  check_rows("conv with its epilogue", finished, 0, pixels, row, 0, groups * channels,
             [](int64_t, int32_t) { return Want{0, 0}; });
  check_rows("conv", out, 0, pixels, row, groups * channels, groups * channels, [&](int64_t p, int32_t c) {
    const int32_t g = c / channels, in_group = c % channels;
    const ChannelBlock* b = block;
    while (in_group >= b->first + b->lanes) ++b;
    const float* w = &weights[((int64_t)g * padded + b->first) * products + in_group - b->first];
    double sum = bias[(int64_t)g * padded + in_group], size = fabs(sum);
    for (int32_t k = 0; k < products; ++k) {
      const float x = input[offset[p] + segment[k / length] + k % length + g * length];
      sum += (double)x * w[(int64_t)k * b->lanes];
      size += fabs((double)x * w[(int64_t)k * b->lanes]);
    }
    return Want{sum, size * (products + 1) * 6e-8};
  });
}

// Of one pixel, weights of f16 give the bits of the same ones in f32.
void test_conv_of_halves() {
  const int32_t length = between(1, 300), lanes = kernels->widths.lanes(odd_channels()), valid = between(1, lanes);
  const Buffer<uint16_t> halves((int64_t)length * lanes);
  const Reals input(length), widened((int64_t)length * lanes), bias(lanes);
  for (int64_t i = 0; i < (int64_t)length * lanes; ++i) {
    const uint32_t word = random_word();
    halves[i] = (uint16_t)(between(0, 3) ? word & 0xbfff : word & 0x83ff);  // below 2, or subnormal
    widened[i] = (float)__builtin_bit_cast(_Float16, halves[i]);
  }
  const uint32_t zero = 0;
  ImplicitGemm gemm = {};
  gemm.pixels = gemm.groups = gemm.segments = 1;
  gemm.channels = valid;
  gemm.padded_channels = lanes;
  gemm.segment_words = gemm.group_words = length;
  gemm.input = (const uint32_t*)input.at;
  gemm.pixel_offset = gemm.segment_offset = &zero;
  gemm.bias = bias.at;
  gemm.out_stride_bytes = valid * 4;
  const Buffer<float> whole(valid), narrow(valid);
  const EpilogueTest with(1, valid);
  gemm.out = (uint8_t*)whole.at;
  kernels->conv(gemm, {0, 0, lanes, valid, (const uint32_t*)widened.at}, 0, 1, with.epilogue);
  gemm.halves = true;
  gemm.out = (uint8_t*)narrow.at;
  kernels->conv(gemm, {0, 0, lanes, valid, (const uint32_t*)halves.at}, 0, 1, with.epilogue);
  compared += valid;
  if (memcmp(whole.at, narrow.at, (size_t)valid * 4))
    fail("conv: %d weights of f16 to %d of %d channels give other bits than in f32", length, valid, lanes);
}

// The window's taps inside the image: f(input pixel, tap).
template <class Tap>
int32_t for_taps(const WindowedStream& s, int64_t pixel, Tap tap) {
  const int64_t ox = pixel % s.out_w, oy = pixel / s.out_w % s.out_h, image = pixel / s.out_w / s.out_h;
  int32_t count = 0;
  for (int32_t ky = 0; ky < s.window.kh; ++ky)
    for (int32_t kx = 0; kx < s.window.kw; ++kx) {
      const int64_t y = oy * s.window.sh - s.window.pad_top + (int64_t)ky * s.window.dh;
      const int64_t x = ox * s.window.sw - s.window.pad_left + (int64_t)kx * s.window.dw;
      if (y < 0 || y >= s.h || x < 0 || x >= s.w) continue;
      tap((image * s.h + y) * s.w + x, ky * s.window.kw + kx), ++count;
    }
  return count;
}

// Also dilated windows of which no tap is inside the image: they hold the bias, -inf, or no number.
void random_window(WindowedStream& s, bool whole_image) {
  Window& w = s.window;
  s.n = between(1, 2);
  s.h = between(1, 13);
  s.w = between(1, 13);
  if (whole_image) {
    w = {s.h, s.w, 1, 1, 1, 1, 0, 0};
  } else {
    w = {between(1, 4), between(1, 4), between(1, 3), between(1, 3), between(1, 2), between(1, 2), 0, 0};
    if (between(0, 1)) {
      w.kh = w.kw = 3;
      w.dh = w.dw = 1;
    }
    w.pad_top = between(0, w.kh - 1) * w.dh;
    w.pad_left = between(0, w.kw - 1) * w.dw;
  }
  s.out_h = (s.h - 1 + w.pad_top) / w.sh + 1;
  s.out_w = (s.w - 1 + w.pad_left) / w.sw + 1;
  if (whole_image) s.out_h = s.out_w = 1;
}

void test_windows(int turn) {
  WindowedStream s = {};
  random_window(s, turn % 5 == 4);
  s.c = turn % 11 == 10 ? 16 * between(17, 40) : odd_channels();
  s.multiplier = turn % 4 == 3 ? between(2, 3) : 1;
  s.out_channels = s.c * s.multiplier;
  const int32_t taps = s.window.kh * s.window.kw, padded = strip_row(s.out_channels);
  const Reals x((int64_t)s.n * s.h * s.w * s.c), weights((int64_t)taps * padded), bias(padded);
  s.x = x.at;
  s.weights = weights.at;
  s.bias = bias.at;
  const int64_t pixels = (int64_t)s.n * s.out_h * s.out_w;
  const int64_t first = between(0, (int32_t)pixels - 1), last = between((int32_t)first, (int32_t)pixels);
  const int64_t row = padded + between(0, 1) * 16;
  // Results are those of any other split: pixel by pixel.
  const auto check_split = [&](const char* what, auto compute, const Buffer<float>& out, int32_t channels) {
    const Buffer<float> alone(row);
    for (int64_t p = first; p < last; ++p) {
      compute(s, p, p + 1, alone.at, row);
      compared += channels;
      if (memcmp(alone.at, &out[p * row], (size_t)channels * 4)) return fail("%s: a pixel alone is another", what);
    }
  };
  {
    const Buffer<float> out((pixels + 1) * row);
    const auto plain = [](const WindowedStream& stream, int64_t from, int64_t to, float* at, int64_t between_pixels) {
      kernels->depthwise(stream, from, to, {}, at, between_pixels);
    };
    plain(s, first, last, out.at + first * row, row);
    check_rows("depthwise", out, first, last, row, s.out_channels, padded, [&](int64_t p, int32_t c) {
      double sum = bias[c], size = fabs(sum);
      for_taps(s, p, [&](int64_t pixel, int32_t tap) {
        const double product = (double)x[pixel * s.c + c / s.multiplier] * weights[(int64_t)tap * padded + c];
        sum += product;
        size += fabs(product);
      });
      return Want{sum, size * (taps + 1) * 6e-8};
    });
    check_split("depthwise", plain, out, s.out_channels);
    const Buffer<float> finished((pixels + 1) * row);
    const EpilogueTest with(pixels, s.out_channels);
    kernels->depthwise(s, first, last, with.epilogue.at(first, 0), finished.at + first * row, row);
    with.check("depthwise", out, row, finished, row, first, last);
    check_rows("depthwise with its epilogue", finished, first, last, row, 0, padded,
               [](int64_t, int32_t) { return Want{0, 0}; });
  }
  s.multiplier = 1;
  s.out_channels = s.c;
  s.weights = s.bias = nullptr;
  {
    const Buffer<float> out((pixels + 1) * row);
    kernels->max_pool(s, first, last, out.at + first * row, row);
    check_rows("max_pool", out, first, last, row, s.c, strip_row(s.c), [&](int64_t p, int32_t c) {
      double most = -INFINITY;
      for_taps(s, p, [&](int64_t pixel, int32_t) { most = fmax(most, x[pixel * s.c + c]); });
      return Want{most, 0};
    });
  }
  {
    const Buffer<float> out((pixels + 1) * row);
    kernels->average_pool(s, first, last, out.at + first * row, row);
    check_rows("average_pool", out, first, last, row, s.c, strip_row(s.c), [&](int64_t p, int32_t c) {
      float sum = 0, line = 0;  // in order of the taps, each row of them by itself, as the contract has it
      int32_t row_of_taps = 0;
      const int32_t count = for_taps(s, p, [&](int64_t pixel, int32_t tap) {
        if (tap / s.window.kw != row_of_taps) {
          sum += line;
          line = 0;
        }
        row_of_taps = tap / s.window.kw;
        line += x[pixel * s.c + c];
      });
      return Want{count ? (sum + line) / (float)count : NAN, 0};
    });
    check_split("average_pool", kernels->average_pool, out, s.c);
  }
}

void test_readers() {
  const int32_t channels = odd_channels(), rows = between(1, 9);
  const int64_t stride = channels + between(0, 7), row = strip_row(channels) + between(0, 1) * 16;
  const int32_t zero_point = between(-128, 127);
  const float scale = fabsf(real());
  const Reals x(rows * stride);
  const Buffer<int8_t> q(rows * stride);
  for (int64_t i = 0; i < q.count; ++i) q[i] = (int8_t)between(-128, 127);
  const int32_t words = (channels + 31) / 32;
  const Buffer<uint32_t> bits((int64_t)rows * words);
  for (int64_t i = 0; i < bits.count; ++i) bits[i] = random_word();
  {
    const Buffer<float> out(rows * row);
    kernels->read_f32(x.at, stride, rows, channels, out.at, row);
    check_rows("read_f32", out, 0, rows, row, channels, strip_row(channels),
               [&](int64_t r, int32_t c) { return Want{x[r * stride + c], 0}; });
  }
  {
    const Buffer<float> out(rows * row);
    kernels->read_i8(q.at, stride, rows, channels, scale, zero_point, out.at, row);
    check_rows("read_i8", out, 0, rows, row, channels, strip_row(channels), [&](int64_t r, int32_t c) {
      return Want{(float)(q[r * stride + c] - zero_point) * scale, 0};
    });
  }
  {
    const Buffer<float> out(rows * row);
    kernels->unpack(bits.at, rows, channels, out.at, row);
    check_rows("unpack", out, 0, rows, row, channels, strip_row(channels), [&](int64_t r, int32_t c) {
      return Want{bits[r * words + c / 32] >> (c % 32) & 1 ? -1.0 : 1.0, 0};
    });
  }
}

void test_softmax(int turn) {
  const int32_t channels = turn % 3 ? odd_channels() : between(900, 1100), rows = between(1, 4);
  const int64_t row = strip_row(channels) + between(0, 1) * 16;
  const float beta = turn % 2 ? 1.0f : fabsf(real()) + 0.1f;
  const Reals x((int64_t)rows * channels);
  constexpr float kScales[] = {1, 1, 0.01f, 10, 1e4f, 1e30f};
  const float factor = kScales[between(0, 5)];
  for (int64_t i = 0; i < x.count; ++i) x[i] *= factor;
  if (channels > 1 && turn % 4 == 3) x[between(0, channels - 2)] = -INFINITY;
  const Buffer<float> out(rows * row);
  kernels->softmax(x.at, rows, channels, beta, out.at, row);
  Buffer<double> power(channels);
  int64_t of = -1;
  double sum = 0;
  check_rows("softmax", out, 0, rows, row, channels, strip_row(channels), [&](int64_t r, int32_t c) {
    if (r != of) {
      of = r;
      sum = 0;
      float most = -INFINITY;
      for (int32_t i = 0; i < channels; ++i) most = fmaxf(most, x[r * channels + i]);
      for (int32_t i = 0; i < channels; ++i) sum += power[i] = exp((double)((x[r * channels + i] - most) * beta));
    }
    const double value = power[c] / sum;  // below what f32 holds well, 32-bit NEON says 0
    return Want{value, value * 5e-7 + 2e-38};
  });
}

// The stages once more, a value at a time. `q` is what the last store of i8 gives.
float round_i8(float v, const Stage& s, int32_t* q) {
  const float scale = s.scale;
  const int32_t zero_point = s.zero_point;
  const bool even = s.kind == StageKind::kStoreI8Even || s.kind == StageKind::kRoundI8Even;
  const double steps = v / scale;
  double whole = (even ? nearbyint(steps) : round(steps)) + zero_point;
  if (isnan(whole)) whole = zero_point;
  whole = whole < -128 ? -128 : whole > 127 ? 127 : whole;
  *q = (int32_t)whole;
  return (float)(*q - zero_point) * scale;
}

struct StagesTest {
  Stage stage[12] = {};
  int32_t count = 0, channels, images;
  int64_t image_pixels, pixels, first, taken, row;
  uint8_t* memory[12] = {};
  int64_t bytes[12];
  bool exact = true;

  explicit StagesTest(int32_t of_channels) {
    channels = of_channels;
    images = between(1, 3);
    image_pixels = between(1, 7);
    pixels = images * image_pixels;
    first = between(0, (int32_t)pixels - 1);
    taken = between(1, (int32_t)(pixels - first));
    row = strip_row(channels) + between(0, 1) * 16;
  }
  StagesTest(const StagesTest&) = delete;
  ~StagesTest() {
    for (uint8_t* bytes_of_one : memory) free(bytes_of_one);
  }

  // Memory of a stage, `size` bytes and the slack after them.
  uint8_t* allocate(int64_t size) {
    bytes[count] = size;
    memory[count] = (uint8_t*)malloc((size_t)(size + kSlack));
    if (!memory[count]) abort();
    memset(memory[count], kMark, (size_t)size);
    memset(memory[count] + size, 0xff, kSlack);
    return memory[count];
  }
  float* reals(int64_t n) {
    float* to = (float*)allocate(n * 4);
    for (int64_t i = 0; i < n; ++i) to[i] = real();
    return to;
  }
  int32_t* integers(int32_t low, int32_t high) {
    int32_t* to = (int32_t*)malloc((size_t)strip_row(channels) * 4);
    if (!to) abort();
    for (int32_t i = 0; i < strip_row(channels); ++i) to[i] = between(low, high);
    return to;
  }

  double* factors() {
    double* to = (double*)malloc((size_t)strip_row(channels) * 8);
    if (!to) abort();
    for (int32_t i = 0; i < strip_row(channels); ++i) to[i] = between(1, 40) / (double)between(1, 4000);
    return to;
  }

  void add(StageKind kind) {
    Stage& s = stage[count];
    s.kind = kind;
    switch (kind) {
      case StageKind::kScale:
      case StageKind::kShift:
      case StageKind::kPrelu: s.constant = reals(strip_row(channels)); break;
      case StageKind::kClamp:
        s.low = between(0, 3) ? real() - 2.0f : -INFINITY;
        s.high = between(0, 3) ? s.low + fabsf(real()) : INFINITY;
        break;
      case StageKind::kAdd:
      case StageKind::kMul:
        s.tensor = (uint8_t*)reals(pixels * channels);
        s.stride_bytes = channels * 4;
        break;
      case StageKind::kAddI8:
      case StageKind::kMulI8:
        s.tensor = allocate(pixels * channels);
        for (int64_t i = 0; i < pixels * channels; ++i) s.tensor[i] = (uint8_t)random_word();
        s.stride_bytes = channels;
        break;
      case StageKind::kAddImage:
      case StageKind::kMulImage:
        s.tensor = (uint8_t*)reals(images * channels);
        s.stride_bytes = channels * 4;
        break;
      case StageKind::kAbs:
      case StageKind::kHardSwish:
      case StageKind::kSqrt:
      case StageKind::kRsqrt: break;
      case StageKind::kLogistic:
      case StageKind::kTanh:
      case StageKind::kExp: exact = false; break;
      case StageKind::kStore:
      case StageKind::kStoreI8:
      case StageKind::kStoreI8Even: {
        const int32_t before = between(0, 5), after = between(0, 5), size = kind == StageKind::kStore ? 4 : 1;
        s.stride_bytes = (before + channels + after) * size;
        s.tensor = allocate(pixels * s.stride_bytes) + before * size;
        break;
      }
      case StageKind::kStoreBits:
        s.stride_bytes = (channels + 31) / 32 * 4;
        s.tensor = allocate(pixels * s.stride_bytes);
        break;
      case StageKind::kStoreRequantized:
      case StageKind::kStoreRequantizedOnce:
        s.stride_bytes = channels;
        s.tensor = allocate(pixels * s.stride_bytes);
        s.low_i = between(-128, 0);
        s.high_i = between(s.low_i, 127);
        s.bias = integers(-40, 40);
        if (kind == StageKind::kStoreRequantizedOnce) {
          s.factor = factors();
        } else {
          s.multiplier = integers(1 << 30, INT32_MAX);
          s.shift = integers(-13, 3);
        }
        break;
      case StageKind::kRoundI8:
      case StageKind::kRoundI8Even: break;
    }
    s.scale = fabsf(real()) / 40 + 0.01f;
    s.zero_point = between(-128, 127);
    ++count;
  }

  // What the stages made of `strip`, which is as it was before them.
  void check(const float* strip) {
    for (int32_t i = 0; i < count; ++i) {
      const Stage& s = stage[i];
      if (memory[i])
        for (int64_t b = 0; b < kSlack; ++b)
          if (memory[i][bytes[i] + b] != 0xff) return fail("stage %d: wrote beyond its tensor", (int)s.kind);
    }
    for (int64_t p = 0; p < taken; ++p)
      for (int32_t c = 0; c < channels; ++c)
        if (!check_value(strip[p * row + c], first + p, c)) return;
    for (int32_t i = 0; i < count; ++i)
      if ((uint32_t)stage[i].kind >= 16 && memory[i]) check_marks(stage[i], memory[i], bytes[i]);
  }

  // All that no value of the strip was stored in is as it was.
  void check_marks(const Stage& s, const uint8_t* begin, int64_t size) {
    if (s.kind == StageKind::kStoreBits) {
      if (!marked(begin, first * s.stride_bytes)) fail("store_bits: wrote before its pixels");
      if (!marked(begin + (first + taken) * s.stride_bytes, size - (first + taken) * s.stride_bytes))
        fail("store_bits: wrote beyond its pixels");
      for (int64_t p = first; channels % 32 && p < first + taken; ++p)
        if (((const uint32_t*)(s.tensor + p * s.stride_bytes))[channels / 32] >> channels % 32)
          return fail("store_bits: bits beyond the last of %d channels are not 0", channels);
      return;
    }
    const int64_t pixel = (int64_t)channels * (s.kind == StageKind::kStore ? 4 : 1);
    const uint8_t* at = begin;
    for (int64_t p = first; p < first + taken; ++p) {
      const uint8_t* from = s.tensor + p * s.stride_bytes;
      if (!marked(at, from - at)) return fail("stage %d: wrote outside of its %d channels", (int)s.kind, channels);
      at = from + pixel;
    }
    if (!marked(at, begin + size - at)) fail("stage %d: wrote beyond its %d channels", (int)s.kind, channels);
  }

  bool check_value(float v, int64_t p, int32_t c) {
    const float start = v;
    const int64_t image = p / image_pixels;
    double loose = v;  // with functions that are only near
    for (int32_t i = 0; i < count; ++i) {
      const Stage& s = stage[i];
      const float* same = (const float*)(s.tensor + (s.tensor ? p * s.stride_bytes : 0)) + c;
      const float* of_image = (const float*)(s.tensor + (s.tensor ? image * s.stride_bytes : 0)) + c;
      const int32_t steps = s.tensor ? *((const int8_t*)s.tensor + p * s.stride_bytes + c) : 0;
      int32_t q = 0;
      switch (s.kind) {
        case StageKind::kScale: v = v * s.constant[c]; break;
        case StageKind::kShift: v = v + s.constant[c]; break;
        case StageKind::kClamp:
          v = v < s.low ? s.low : v;
          v = v > s.high ? s.high : v;
          break;
        case StageKind::kAdd: v = v + *same; break;
        case StageKind::kMul: v = v * *same; break;
        case StageKind::kAddImage: v = v + *of_image; break;
        case StageKind::kMulImage: v = v * *of_image; break;
        case StageKind::kPrelu: v = v >= 0 ? v : v * s.constant[c]; break;
        case StageKind::kAbs: v = fabsf(v); break;
        case StageKind::kHardSwish: v = v * (v + 3 < 0 ? 0 : v + 3 > 6 ? 6 : v + 3) / 6; break;
        case StageKind::kSqrt: v = sqrtf(v); break;
        case StageKind::kRsqrt: v = 1 / sqrtf(v); break;
        case StageKind::kLogistic: loose = 1 / (1 + exp(-(double)v)); break;
        case StageKind::kTanh: loose = tanh((double)v); break;
        case StageKind::kExp: loose = (float)exp((double)v); break;
        case StageKind::kAddI8: v = v + (float)(steps - s.zero_point) * s.scale; break;
        case StageKind::kMulI8: v = v * ((float)(steps - s.zero_point) * s.scale); break;
        case StageKind::kRoundI8:
        case StageKind::kRoundI8Even: v = round_i8(v, s, &q); break;
        case StageKind::kStore: {
          const double want = exact ? v : loose;
          if (exact ? !same_bits(*same, v) : !close(*same, want, fabs(want) * 5e-7 + 2e-38))
            return fail("store of stage %d: pixel %lld channel %d of %d is %.9g, should be %.9g (from %.9g)", i,
                        (long long)p, c, channels, *same, want, start), false;
          break;
        }
        case StageKind::kStoreBits: {
          const uint32_t word = ((const uint32_t*)(s.tensor + p * s.stride_bytes))[c / 32];
          ++compared;
          if ((word >> c % 32 & 1) != (v < 0))
            return fail("store_bits: channel %d of %d, %.9g", c, channels, v), false;
          break;
        }
        case StageKind::kStoreI8:
        case StageKind::kStoreI8Even: {
          const int8_t stored = *((const int8_t*)s.tensor + p * s.stride_bytes + c);
          round_i8(v, s, &q);
          ++compared;
          if (!isnan(v) && stored != q)
            return fail("store_i8: %.9g by %.9g is %d, should be %d", v, s.scale, stored, q), false;
          break;
        }
        case StageKind::kStoreRequantizedOnce: {
          const int8_t stored = *((const int8_t*)s.tensor + p * s.stride_bytes + c);
          const int32_t sum = (int32_t)v + s.bias[c];
          const double steps = round(sum * s.factor[c]) + s.zero_point;
          const double want = steps < s.low_i ? s.low_i : steps > s.high_i ? s.high_i : steps;
          ++compared;
          if (stored != want)
            return fail("store_requantized_once: %d by %a is %d, should be %g", sum, s.factor[c], stored, want), false;
          break;
        }
        case StageKind::kStoreRequantized: {
          const int8_t stored = *((const int8_t*)s.tensor + p * s.stride_bytes + c);
          const int32_t sum = (int32_t)v + s.bias[c], left = s.shift[c] > 0 ? s.shift[c] : 0;
          const int32_t right = left - s.shift[c];
          // floor(a / 2^31 + 1/2), then to the nearest of b / 2^right, halves away
          const int64_t high = (((int64_t)sum << left) * s.multiplier[c] + (1ll << 30)) >> 31;
          const int64_t size = high < 0 ? -high : high, nearest = right ? ((size >> (right - 1)) + 1) >> 1 : size;
          int64_t want = high < 0 ? -nearest : nearest;
          want += s.zero_point;
          want = want < s.low_i ? s.low_i : want > s.high_i ? s.high_i : want;
          ++compared;
          if (stored != want)
            return fail("store_requantized: %d by %d and %d is %d, should be %d", sum, s.multiplier[c], s.shift[c],
                        stored, (int)want), false;
          break;
        }
      }
    }
    return true;
  }

  void run(const Buffer<float>& strip) {
    const Buffer<float> work(strip.count);
    memcpy(work.at, strip.at, (size_t)strip.count * 4);
    kernels->run_stages({stage, count, channels, image_pixels}, first, taken, work.at, row);
    check(strip.at);
  }
};

// Values at which something happens.
float special() {
  constexpr float kValues[] = {0.0f, -0.0f, NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 88.0f, -88.0f, 100.0f, -100.0f,
                               -86.9f, 86.9f, 17.5f, -17.5f, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 0.49999997f};
  return kValues[between(0, sizeof kValues / sizeof *kValues - 1)];
}

void test_stages(int turn) {
  constexpr StageKind kChanges[] = {StageKind::kScale, StageKind::kShift, StageKind::kClamp, StageKind::kAdd,
                                    StageKind::kMul, StageKind::kAddImage, StageKind::kMulImage, StageKind::kPrelu,
                                    StageKind::kAbs, StageKind::kRoundI8, StageKind::kAddI8, StageKind::kMulI8,
                                    StageKind::kRoundI8Even, StageKind::kHardSwish, StageKind::kSqrt, StageKind::kRsqrt};
  constexpr int32_t kMost = sizeof kChanges / sizeof *kChanges - 1;
  StagesTest t(odd_channels());
  const Reals strip(t.taken * t.row);
  if (turn % 8 == 7) {
    for (int64_t i = 0; i < strip.count; ++i) strip[i] = between(0, 3) ? real() * 20 : special();
    constexpr StageKind kNear[] = {StageKind::kLogistic, StageKind::kTanh, StageKind::kExp};
    t.add(kNear[between(0, 2)]), t.add(StageKind::kStore);
  } else if (turn % 8 == 6) {
    for (int64_t i = 0; i < strip.count; ++i) strip[i] = (float)(between(-400000, 400000) >> between(0, 14));
    t.add(between(0, 1) ? StageKind::kStoreRequantized : StageKind::kStoreRequantizedOnce);
  } else if (turn % 8 == 5) {  // stores of special values; a scale at which halves occur
    for (int64_t i = 0; i < strip.count; ++i) strip[i] = between(0, 1) ? special() : (float)between(-300, 300) / 2;
    t.add(StageKind::kStoreBits), t.add(StageKind::kStoreI8), t.add(StageKind::kStoreI8Even), t.add(StageKind::kStore);
    t.stage[1].scale = between(0, 1) ? 1.0f : 0.25f;
    t.stage[2].scale = between(0, 1) ? 1.0f : 0.25f;
  } else {
    for (int32_t i = between(0, 8); i > 0; --i) t.add(kChanges[between(0, kMost)]);
    if (between(0, 1)) t.add(StageKind::kStoreBits);
    if (between(0, 1)) t.add(between(0, 1) ? StageKind::kStoreI8 : StageKind::kStoreI8Even);
    if (turn % 4 == 0) t.add(kChanges[between(0, kMost)]);  // after stores the value goes on
    t.add(StageKind::kStore);
  }
  t.run(strip);
  for (Stage& s : t.stage) free((void*)s.bias), free((void*)s.multiplier), free((void*)s.shift), free((void*)s.factor);
}

// Binary products that run their stages, against those that store their values.
void test_fused_stages() {
  constexpr StageKind kChanges[] = {StageKind::kScale, StageKind::kShift, StageKind::kClamp, StageKind::kAdd,
                                    StageKind::kPrelu};
  const int32_t groups = between(0, 3) ? 1 : 2, channels = 32 * between(1, 5), all = groups * channels;
  StagesTest t(all);
  for (int32_t i = between(0, 5); i > 0; --i) t.add(kChanges[between(0, 4)]);
  if (between(0, 1)) t.add(StageKind::kStoreBits);
  if (between(0, 1)) t.add(StageKind::kStore), t.add(kChanges[between(0, 4)]);
  t.add(between(0, 1) ? StageKind::kStore : StageKind::kStoreBits);
  for (int32_t i = 0; i < t.count; ++i)  // what must not become 0.0
    if (t.stage[i].kind == StageKind::kClamp && between(0, 1)) {
      t.stage[i].low = -0.0f;
      t.stage[i].high = (float)between(0, 6);
    }
  const int32_t segments = between(1, 3), length = between(1, 9), words = segments * length;
  const Buffer<uint32_t> input(groups * length + 4000), weights((int64_t)all * words);
  for (int64_t i = 0; i < input.count; ++i) input[i] = random_word();
  for (int64_t i = 0; i < weights.count; ++i) weights[i] = random_word();
  const Buffer<uint32_t> offset(t.taken), segment(segments), place(words), border(t.taken);
  for (int64_t p = 0; p < t.taken; ++p) {
    offset[p] = (uint32_t)between(0, 3000);
    border[p] = (uint32_t)between(0, 1);
  }
  for (int32_t s = 0; s < segments; ++s) segment[s] = (uint32_t)between(0, 700);
  for (int32_t w = 0; w < words; ++w) place[w] = segment[w / length] + (uint32_t)(w % length);
  const Reals multiplier(all), bias(all), base(2 * all), strip(t.taken * t.row);
  for (int64_t i = 0; i < base.count; ++i) base[i] = (float)between(-64, 64);
  for (int64_t i = 0; i < bias.count; ++i) bias[i] = between(0, 3) ? bias[i] : -0.0f;
  ImplicitGemm gemm = {};
  gemm.pixels = t.taken;
  gemm.groups = groups;
  gemm.channels = gemm.padded_channels = channels;
  gemm.segments = segments;
  gemm.segment_words = gemm.group_words = length;
  gemm.input = input.at;
  gemm.pixel_offset = offset.at;
  gemm.segment_offset = segment.at;
  gemm.words = words;
  gemm.word_offset = place.at;
  gemm.base = (const uint32_t*)base.at;
  gemm.pixel_border = between(0, 1) ? border.at : nullptr;
  gemm.clamps_low = between(0, 1);
  gemm.clamps_high = between(0, 1);
  gemm.clamp_low = -words * between(0, 16);
  gemm.clamp_high = between(0, 16);
  gemm.multiplier = multiplier.at;
  gemm.bias = bias.at;
  const Stages stages = {t.stage, t.count, all, t.image_pixels};
  const int64_t cut = between(0, (int32_t)t.taken);
  const auto run = [&](int64_t from, int64_t to) {
    int64_t done = 0;
    for (int32_t g = 0; g < groups; ++g)
      for (int32_t c = 0, lanes; c < channels; c += lanes, done += (int64_t)lanes * words) {
        lanes = binary->widths.lanes(channels - c);
        binary->implicit_gemm(gemm, {g, c, lanes, lanes, weights.at + done}, from, to);
      }
  };
  gemm.output = Output::kFloat;
  gemm.out = (uint8_t*)strip.at;
  gemm.out_stride_bytes = t.row * 4;
  run(0, t.taken);
  gemm.output = Output::kStages;
  gemm.stages = &stages;
  gemm.first = t.first;
  gemm.out = nullptr;
  gemm.out_stride_bytes = 0;
  run(cut, t.taken);
  run(0, cut);
  t.check(strip.at);
}

void test_roofs() {
  const int64_t once = kernels->fma_roof(1);
  if (once <= 0 || kernels->fma_roof(7) != 7 * once) fail("fma_roof: operations do not follow its rounds");
  for (int32_t size = 1; size < 1200; size += 1 + size / 5) {
    const Buffer<uint8_t> data(size);
    for (int32_t i = 0; i < size; ++i) data[i] = (uint8_t)random_word();
    const uint64_t all = kernels->read_all(data.at, size);
    for (int32_t i = 0; i < size; ++i) {
      data[i] ^= (uint8_t)(1 << i % 8);
      ++compared;
      if (kernels->read_all(data.at, size) == all) fail("read_all: byte %d of %d was not read", i, size);
      data[i] ^= (uint8_t)(1 << i % 8);
    }
  }
}

// Levels that this machine can use; some have no name before they are prepared.
const Kernels* find_level(const char* isa, bool& lacks_some) {
  constexpr const Kernels* kLevels[] = {BNN_LEVELS};
  for (const Kernels* level : kLevels) {
    if (!machine_has(level->features) || (level->prepare && !level->prepare())) lacks_some = true;
    else if (!strcmp(level->binary->isa, isa)) return level;
  }
  return nullptr;
}

}  // namespace

int main(int count, char** arguments) {
  constexpr int kTurns = 300;
  bool lacks_some = false;
  const Kernels* level = count == 3 ? find_level(arguments[1], lacks_some) : nullptr;
  if (!level) return lacks_some ? 77 : 2;
  kernels = level->model;
  binary = level->binary;
  state = strtoull(arguments[2], nullptr, 10);
  for (int turn = 0; turn < kTurns; ++turn) {
    test_windows(turn);
    test_readers();
    test_stages(turn);
    if (turn % 3 == 0) test_conv();
    if (kernels->reads_halves) test_conv_of_halves();
    if (binary->runs_stages) test_fused_stages();
    if (turn % 6 == 0) test_softmax(turn / 6);
  }
  test_roofs();
  failures += integer_failures(*level->integers, state, &compared);
  printf("%lld values\n", (long long)compared);
  return failures ? 1 : 0;
}
