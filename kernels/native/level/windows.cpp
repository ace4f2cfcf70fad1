// Depthwise convolution and pooling for whole models, compiled once per ISA level: vectors of channels, tap after tap.
#include "level/model_parts.h"
#include "level/vectors.h"

namespace {

using bnn::Window;
using bnn::WindowedStream;

constexpr int kChunk = 4;  // vectors of channels at a time, at most

struct Taps {
  int32_t top, bottom, left, right;  // those inside the image
};

// Taps [first, last) of a window along one axis that fall into [0, size).
inline void inside(int64_t origin, int32_t dilation, int32_t kernel, int32_t size, int32_t& first, int32_t& last) {
  first = 0;
  last = kernel;
  if (origin < 0) first = (int32_t)((-origin + dilation - 1) / dilation);
  if (first > kernel) first = kernel;
  if (origin + (int64_t)(kernel - 1) * dilation >= size) {
    const int64_t room = size - 1 - origin;
    last = room < 0 ? 0 : (int32_t)(room / dilation) + 1;
  }
  if (last < first) last = first;
}

// Calls `pixels(taps, origin, out, two)` for output pixels [first, last): `origin` is the input offset of tap (0, 0),
// and `two` says that the next pixel of the row is meant as well, at which the same taps are inside.
template <class Pixels>
inline void for_pixels(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats,
                       Pixels pixels) {
  const Window& w = s.window;
  for (int64_t p = first; p < last;) {
    const int64_t line = p / s.out_w, image = line / s.out_h, next = (line + 1) * s.out_w;
    const int64_t end = last < next ? last : next;
    const int64_t y = line % s.out_h * w.sh - w.pad_top, reach = (int64_t)(w.kw - 1) * w.dw;
    Taps taps;
    inside(y, w.dh, w.kh, s.h, taps.top, taps.bottom);
    for (int64_t x = p % s.out_w * w.sw - w.pad_left; p < end;) {
      const bool two = p + 1 < end && x >= 0 && x + w.sw + reach < s.w;
      inside(x, w.dw, w.kw, s.w, taps.left, taps.right);
      pixels(taps, ((image * s.h + y) * s.w + x) * s.c, out, two);
      const int count = two ? 2 : 1;
      p += count;
      x += count * w.sw;
      out += count * row_floats;
    }
  }
}

// N vectors of channels of P pixels: `Kernel::step(accumulator, value, weights)` for every tap inside. `weights` go along
// with the taps, `row` floats from one to the next.
template <class Kernel, int P, int N>
inline void over_taps(const WindowedStream& s, const Taps& taps, const float* from, const float* weights, int64_t row,
                      Floats (&sum)[P][N]) {
  const int64_t down = (int64_t)s.window.dh * s.w * s.c, across = (int64_t)s.window.dw * s.c;
  const int64_t next = (int64_t)s.window.sw * s.c;
  for (int32_t ky = taps.top; ky < taps.bottom; ++ky) {
    const float* at = from + ky * down + taps.left * across;
    const float* w = weights + ((int64_t)ky * s.window.kw + taps.left) * row;
    Floats before[P][N];
    if constexpr (Kernel::kByRows) {
      memcpy(before, sum, sizeof sum);
      memset(sum, 0, sizeof sum);
    }
    for (int32_t kx = taps.left; kx < taps.right; ++kx, at += across, w += row) {
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        BNN_UNROLL for (int i = 0; i < P; ++i)
          sum[i][n] = Kernel::step(sum[i][n], load<Floats>(at + i * next + n * kLanes), w + n * kLanes);
      }
    }
    if constexpr (Kernel::kByRows) {
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        BNN_UNROLL for (int i = 0; i < P; ++i) sum[i][n] += before[i][n];
      }
    }
  }
}

// What the three kernels have in common: channels in chunks of vectors. Rows of strips have room for whole vectors.
// `Kernel` has `start`, `step` and `finish`; kByRows: each row of taps by itself, and then their sum.
template <class Kernel, int P, int N>
void chunk(const WindowedStream& s, const Taps& taps, int64_t origin, int32_t c, float* out, int64_t row_floats) {
  Floats sum[P][N];
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Floats start = Kernel::start(s, c + n * kLanes);
    BNN_UNROLL for (int i = 0; i < P; ++i) sum[i][n] = start;
  }
  // Pools have no weights: any place will do for what they do not read.
  const float* weights = s.weights ? s.weights + c : s.x;
  const int64_t row = s.weights ? bnn::strip_row(s.out_channels) : 0;
  over_taps<Kernel>(s, taps, s.x + origin + c, weights, row, sum);
  const float count = (float)((taps.bottom - taps.top) * (taps.right - taps.left));
  BNN_UNROLL for (int i = 0; i < P; ++i) {
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      const Floats value = Kernel::finish(sum[i][n], count);
      memcpy(out + i * row_floats + c + n * kLanes, &value, kBytes);
    }
  }
}

// Two pixels at once are for speed, so single ones can do with fewer sizes of chunks.
template <class Kernel, int P>
inline void chunks(const WindowedStream& s, const Taps& taps, int64_t origin, float* out, int64_t row_floats) {
  int32_t c = 0;
  for (; c + (kChunk - 1) * kLanes < s.c; c += kChunk * kLanes)
    chunk<Kernel, P, kChunk>(s, taps, origin, c, out, row_floats);
  if constexpr (P > 1) {
    if (c + kLanes < s.c) {
      chunk<Kernel, P, 2>(s, taps, origin, c, out, row_floats);
      c += 2 * kLanes;
    }
  }
  for (; c < s.c; c += kLanes) chunk<Kernel, P, 1>(s, taps, origin, c, out, row_floats);
}

template <class Kernel>
void run(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to, bool two) {
    if (two) return chunks<Kernel, 2>(s, taps, origin, to, row_floats);
    chunks<Kernel, 1>(s, taps, origin, to, row_floats);
  });
}

struct Depthwise {
  static constexpr bool kByRows = false;
  static Floats start(const WindowedStream& s, int32_t c) { return load<Floats>(s.bias + c); }
  static Floats step(Floats sum, Floats x, const float* weights) { return multiply_add(x, load<Floats>(weights), sum); }
  static Floats finish(Floats sum, float) { return sum; }
};

struct MaxPool {
  static constexpr bool kByRows = false;
  static Floats start(const WindowedStream&, int32_t) { return splat(-__builtin_inff()); }
  static Floats step(Floats most, Floats x, const float*) { return x > most ? x : most; }
  static Floats finish(Floats most, float) { return most; }
};

// A sum of a whole image one by one would be off by some thousands of roundings.
struct AveragePool {
  static constexpr bool kByRows = true;
  static Floats start(const WindowedStream&, int32_t) { return Floats{}; }
  static Floats step(Floats sum, Floats x, const float*) { return sum + x; }
  static Floats finish(Floats sum, float count) { return sum / count; }
};

// Several output channels of each input channel: rare, and then few.
__attribute__((noinline)) void depthwise_multiplied(const WindowedStream& s, const Taps& taps, int64_t origin,
                                                    float* out) {
  const int64_t row = bnn::strip_row(s.out_channels);
  const int64_t down = (int64_t)s.window.dh * s.w * s.c, across = (int64_t)s.window.dw * s.c;
  for (int32_t c = 0; c < s.out_channels; ++c) {
    float sum = s.bias[c];
    for (int32_t ky = taps.top; ky < taps.bottom; ++ky)
      for (int32_t kx = taps.left; kx < taps.right; ++kx)
        sum += s.x[origin + ky * down + kx * across + c / s.multiplier] * s.weights[(ky * s.window.kw + kx) * row + c];
    out[c] = sum;
  }
}

}  // namespace

void BNN_PART(depthwise)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  if (s.multiplier == 1) return run<Depthwise>(s, first, last, out, row_floats);
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to, bool two) {
    depthwise_multiplied(s, taps, origin, to);
    if (two) depthwise_multiplied(s, taps, origin + (int64_t)s.window.sw * s.c, to + row_floats);
  });
}

void BNN_PART(max_pool)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  run<MaxPool>(s, first, last, out, row_floats);
}

void BNN_PART(average_pool)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  run<AveragePool>(s, first, last, out, row_floats);
}
