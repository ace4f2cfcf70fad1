// Depthwise convolution and pooling for whole models, compiled once per ISA level: vectors of channels, tap after tap.
#include "model_isa.h"
#include "vectors_isa.h"

namespace {

using bnn::Window;
using bnn::WindowedStream;

constexpr int kChunk = 4;  // vectors of channels at a time

struct Taps {
  int32_t top, bottom, left, right;  // those inside the image
};

// Taps [first, last) of a window along one axis that fall into [0, size).
inline void inside(int64_t origin, int32_t dilation, int32_t kernel, int32_t size, int32_t& first, int32_t& last) {
  first = 0, last = kernel;
  if (origin < 0) first = (int32_t)((-origin + dilation - 1) / dilation);
  if (first > kernel) first = kernel;
  if (origin + (int64_t)(kernel - 1) * dilation >= size) {
    const int64_t room = size - 1 - origin;
    last = room < 0 ? 0 : (int32_t)(room / dilation) + 1;
  }
  if (last < first) last = first;
}

// Calls `pixel(x, taps, origin, out)` for output pixels [first, last): `origin` is the input offset of tap (0, 0).
template <class Pixel>
inline void for_pixels(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats,
                       Pixel pixel) {
  const Window& w = s.window;
  int32_t column = (int32_t)(first % s.out_w), row = (int32_t)(first / s.out_w % s.out_h);
  int64_t image = first / s.out_w / s.out_h;
  for (int64_t p = first; p < last; ++p, out += row_floats) {
    const int64_t y = (int64_t)row * w.sh - w.pad_top, x = (int64_t)column * w.sw - w.pad_left;
    Taps taps;
    inside(y, w.dh, w.kh, s.h, taps.top, taps.bottom);
    inside(x, w.dw, w.kw, s.w, taps.left, taps.right);
    pixel(taps, ((image * s.h + y) * s.w + x) * s.c, out);
    if (++column == s.out_w) {
      column = 0;
      if (++row == s.out_h) row = 0, ++image;
    }
  }
}

// One chunk of N vectors of channels: `step(accumulator, value, tap)` for every tap inside.
template <int N, class Step>
inline void over_taps(const WindowedStream& s, const Taps& taps, const float* from, Floats (&sum)[N], Step step) {
  const int64_t down = (int64_t)s.window.dh * s.w * s.c, across = (int64_t)s.window.dw * s.c;
  for (int32_t ky = taps.top; ky < taps.bottom; ++ky) {
    for (int32_t kx = taps.left; kx < taps.right; ++kx) {
      const float* at = from + ky * down + kx * across;
      BNN_UNROLL for (int n = 0; n < N; ++n) sum[n] = step(sum[n], load<Floats>(at + n * kLanes), ky * s.window.kw + kx, n);
    }
  }
}

// Channels in chunks of four vectors, the rest in single ones. Rows of strips have room for whole vectors.
template <class Chunk4, class Chunk1>
inline void for_chunks(int32_t channels, Chunk4 four, Chunk1 one) {
  int32_t c = 0;
  for (; c + kChunk * kLanes <= channels; c += kChunk * kLanes) four(c);
  for (; c < channels; c += kLanes) one(c);
}

template <int N>
inline void depthwise_chunk(const WindowedStream& s, const Taps& taps, int64_t origin, int32_t c, float* out) {
  const int64_t row = bnn::strip_row(s.out_channels);
  Floats sum[N];
  BNN_UNROLL for (int n = 0; n < N; ++n) sum[n] = load<Floats>(s.bias + c + n * kLanes);
  over_taps<N>(s, taps, s.x + origin + c, sum, [&](Floats a, Floats x, int32_t tap, int n) {
    return multiply_add(x, load<Floats>(s.weights + tap * row + c + n * kLanes), a);
  });
  BNN_UNROLL for (int n = 0; n < N; ++n) memcpy(out + c + n * kLanes, &sum[n], kBytes);
}

void depthwise_multiplied(const WindowedStream& s, const Taps& taps, int64_t origin, float* out) {
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

template <int N>
inline void max_chunk(const WindowedStream& s, const Taps& taps, int64_t origin, int32_t c, float* out) {
  Floats best[N];
  BNN_UNROLL for (int n = 0; n < N; ++n) best[n] = Floats{} - __builtin_inff();
  over_taps<N>(s, taps, s.x + origin + c, best, [](Floats a, Floats x, int32_t, int) { return x > a ? x : a; });
  BNN_UNROLL for (int n = 0; n < N; ++n) memcpy(out + c + n * kLanes, &best[n], kBytes);
}

template <int N>
inline void average_chunk(const WindowedStream& s, const Taps& taps, int64_t origin, int32_t c, float* out) {
  Floats sum[N] = {};
  over_taps<N>(s, taps, s.x + origin + c, sum, [](Floats a, Floats x, int32_t, int) { return a + x; });
  const float count = (float)((taps.bottom - taps.top) * (taps.right - taps.left));
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Floats average = sum[n] / count;
    memcpy(out + c + n * kLanes, &average, kBytes);
  }
}

}  // namespace

void BNN_PART(depthwise)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to) {
    if (s.multiplier > 1) return depthwise_multiplied(s, taps, origin, to);
    for_chunks(
        s.out_channels, [&](int32_t c) { depthwise_chunk<kChunk>(s, taps, origin, c, to); },
        [&](int32_t c) { depthwise_chunk<1>(s, taps, origin, c, to); });
  });
}

void BNN_PART(max_pool)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to) {
    for_chunks(
        s.c, [&](int32_t c) { max_chunk<kChunk>(s, taps, origin, c, to); },
        [&](int32_t c) { max_chunk<1>(s, taps, origin, c, to); });
  });
}

void BNN_PART(average_pool)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to) {
    for_chunks(
        s.c, [&](int32_t c) { average_chunk<kChunk>(s, taps, origin, c, to); },
        [&](int32_t c) { average_chunk<1>(s, taps, origin, c, to); });
  });
}
