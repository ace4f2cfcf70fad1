// Depthwise convolution and pooling for whole models, compiled once per ISA level: vectors of channels, tap after tap.
#include "level/float_epilogue.h"
#include "level/model_parts.h"
#include "level/vectors.h"

namespace {

using bnn::FloatEpilogue;
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

// Calls `pixels(taps, origin, out, whole)` until output pixels [first, last) are done: `origin` is the input offset of
// tap (0, 0), and `whole` says of how many pixels from here on in the row the same taps are inside; at least one. It
// returns how many it computed.
template <class Pixels>
inline void for_pixels(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats,
                       Pixels pixels) {
  const Window& w = s.window;
  const int64_t reach = (int64_t)(w.kw - 1) * w.dw, room = s.w - 1 - reach + w.pad_left;
  const int64_t whole_columns = room < 0 ? 0 : room / w.sw + 1;  // those that end inside, of a row
  for (int64_t p = first; p < last;) {
    const int64_t line = p / s.out_w, image = line / s.out_h, start = line * s.out_w;
    const int64_t end = last < start + s.out_w ? last : start + s.out_w;
    const int64_t whole_end = end < start + whole_columns ? end : start + whole_columns;
    const int64_t y = line % s.out_h * w.sh - w.pad_top;
    Taps taps;
    inside(y, w.dh, w.kh, s.h, taps.top, taps.bottom);
    for (int64_t x = (p - start) * w.sw - w.pad_left; p < end;) {
      inside(x, w.dw, w.kw, s.w, taps.left, taps.right);
      const int64_t whole = x >= 0 && p < whole_end ? whole_end - p : 1;
      const int count = pixels(taps, ((image * s.h + y) * s.w + x) * s.c, out, whole);
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
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to, int64_t whole) {
    if (whole < 2) return chunks<Kernel, 1>(s, taps, origin, to, row_floats), 1;
    return chunks<Kernel, 2>(s, taps, origin, to, row_floats), 2;
  });
}

struct Depthwise {
  static constexpr bool kByRows = false;
  static Floats start(const WindowedStream& s, int32_t c) { return load<Floats>(s.bias + c); }
  static Floats step(Floats sum, Floats x, const float* weights) { return multiply_add(x, load<Floats>(weights), sum); }
  static Floats finish(Floats sum, float) { return sum; }
};

// What rows of taps are far apart, in floats; out of the loops, since what they store could change a WindowedStream.
struct Distances {
  int64_t pixel, line, tap;  // of the image, and of weights
};

// P pixels of a row whose windows, K wide and S apart, are inside the image in full width: column after column, so each
// sum gets its taps in their order, and what windows have in common is loaded once.
template <int K, int S, int P, int N>
inline void row_chunk(const Distances& next, const float* from, const float* weights, const float* bias, int32_t lines,
                      const FloatEpilogue& epilogue, float* out, int64_t row_floats) {
  constexpr int kColumns = (P - 1) * S + K;
  Floats sum[P][N];
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Floats start = load<Floats>(bias + n * kLanes);
    BNN_UNROLL for (int i = 0; i < P; ++i) sum[i][n] = start;
  }
  for (; lines > 0; --lines, from += next.line) {
    Floats w[K][N];
    BNN_UNROLL for (int k = 0; k < K; ++k, weights += next.tap)
      BNN_UNROLL for (int n = 0; n < N; ++n) w[k][n] = load<Floats>(weights + n * kLanes);
    const float* column = from;
    BNN_UNROLL for (int x = 0; x < kColumns; ++x, column += next.pixel) {
      asm("" : "+r"(column));  // else a compiler keeps an address for each vector of it
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        const Floats value = load<Floats>(column + n * kLanes);
        BNN_UNROLL for (int i = 0; i < P; ++i)
          if (x >= i * S && x - i * S < K) sum[i][n] = multiply_add(value, w[x - i * S][n], sum[i][n]);
      }
    }
  }
  finish(epilogue, sum, out, row_floats);
}

template <int K, int S, int P>
__attribute__((noinline)) void row_tile(const WindowedStream& s, const Taps& taps, int64_t origin,
                                        FloatEpilogue epilogue, float* out, int64_t row_floats) {
  constexpr int kChannels = 2 * kLanes;
  const int64_t row = bnn::strip_row(s.out_channels);
  const Distances next = {s.c, (int64_t)s.window.dh * s.w * s.c, row};
  const float *from = s.x + origin + taps.top * next.line, *bias = s.bias;
  const float* weights = s.weights + taps.top * K * row;
  int32_t left = s.c;
  for (const int32_t lines = taps.bottom - taps.top; left > 0; left -= kChannels) {
    if (left <= kLanes) return row_chunk<K, S, P, 1>(next, from, weights, bias, lines, epilogue, out, row_floats);
    row_chunk<K, S, P, 2>(next, from, weights, bias, lines, epilogue, out, row_floats);
    from += kChannels;
    weights += kChannels;
    bias += kChannels;
    out += kChannels;
    epilogue = epilogue.at(0, kChannels);
  }
}

template <int K, int S>
void depthwise_rows(const WindowedStream& s, int64_t first, int64_t last, const FloatEpilogue& epilogue, float* out,
                    int64_t row_floats) {
  FloatEpilogue here = epilogue;
  for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to, int64_t whole) {
    int count = 1;
    if (whole >= 4) {
      row_tile<K, S, 4>(s, taps, origin, here, to, row_floats);
      count = 4;
    } else if (whole >= 2) {
      row_tile<K, S, 2>(s, taps, origin, here, to, row_floats);
      count = 2;
    } else {
      chunks<Depthwise, 1>(s, taps, origin, to, row_floats);
      finish_rows(here, to, row_floats, 1, s.c, to, row_floats);
    }
    here = here.at(count, 0);
    return count;
  });
}

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

void BNN_PART(depthwise)(const WindowedStream& s, int64_t first, int64_t last, const FloatEpilogue& epilogue,
                         float* out, int64_t row_floats) {
  const Window& w = s.window;
  if (s.multiplier == 1 && w.dw == 1 && w.kw == 3 && w.sw == 1)
    return depthwise_rows<3, 1>(s, first, last, epilogue, out, row_floats);
  if (s.multiplier == 1 && w.dw == 1 && w.kw == 3 && w.sw == 2)
    return depthwise_rows<3, 2>(s, first, last, epilogue, out, row_floats);
  if (s.multiplier == 1) run<Depthwise>(s, first, last, out, row_floats);
  else
    for_pixels(s, first, last, out, row_floats, [&](const Taps& taps, int64_t origin, float* to, int64_t) {
      return depthwise_multiplied(s, taps, origin, to), 1;
    });
  finish_rows(epilogue, out, row_floats, last - first, s.out_channels, out, row_floats);
}

void BNN_PART(max_pool)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  run<MaxPool>(s, first, last, out, row_floats);
}

void BNN_PART(average_pool)(const WindowedStream& s, int64_t first, int64_t last, float* out, int64_t row_floats) {
  run<AveragePool>(s, first, last, out, row_floats);
}
