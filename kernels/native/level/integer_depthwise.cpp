// Depthwise convolution of i8, compiled once per ISA level: exact sums of products, in i32.
//
// The rows that a line of output sees are encoded to cells first: a cell has the values of a channel in kRows rows of
// one column, and one instruction multiplies and adds them. Columns beyond the image become cells too, so the loop over
// taps has no tests. Channels go in chunks, pixels of a line in segments, so that cells stay in the first cache.
#include "level/integer_products.h"
#include "level/integer_store.h"
#include "level/model_parts.h"

namespace {

using bnn::IntegerWindow;
using bnn::Window;

#if defined(__ARM_NEON) && !defined(__ARM_FEATURE_DOTPROD)
constexpr int kRows = 1, kCell = 2;  // i16, which NEON multiplies by i16 to sums of 32 bits
struct Deep {
  int32x4_t low, high;
  void start(const int32_t* from) {
    low = vld1q_s32(from);
    high = vld1q_s32(from + 4);
  }
  void add(Ints weights, Ints x) {
    const int16x8_t w = (int16x8_t)weights, v = (int16x8_t)x;
    low = vmlal_s16(low, vget_low_s16(w), vget_low_s16(v));
    high = vmlal_s16(high, vget_high_s16(w), vget_high_s16(v));
  }
  void store(int32_t* to) const {
    vst1q_s32(to, low);
    vst1q_s32(to + 4, high);
  }
  Ints part(int n) const { return (Ints)(n ? high : low); }
};
#else
constexpr int kRows = kPerWord, kCell = 4;
struct Deep {
  Sum sum;
  void start(const int32_t* from) { sum.start(load<Ints>(from)); }
  void add(Ints weights, Ints x) { sum.add(weights, x); }
  void store(int32_t* to) const {
    const Ints total = sum.total();
    memcpy(to, &total, kBytes);
  }
  Ints part(int) const { return sum.total(); }
};
#endif

constexpr int kUnit = 16;                                  // channels that are encoded at once
constexpr int kDeep = kBytes / kCell;                      // channels of a Deep
constexpr int kMost = kBytes == 64 ? 4 : kUnit / kDeep;    // Deeps of a chunk
constexpr int64_t kColumns = 96, kSegment = 32;            // of a segment, about; its pixels, at most
#if defined(__aarch64__) || defined(__AVX2__)
constexpr int kTall = 4;                                   // pixels of a tile
#else
constexpr int kTall = 2;
#endif

int64_t groups_of(const Window& w) { return (w.kh + kRows - 1) / kRows; }
int64_t reach_of(const Window& w) { return (int64_t)(w.kw - 1) * w.dw; }

int64_t segment_of(const Window& w) {
  const int64_t pixels = (kColumns - reach_of(w)) / w.sw;
  return pixels < 1 ? 1 : pixels > kSegment ? kSegment : pixels;
}

int64_t columns_of(const Window& w, int64_t pixels) { return (pixels - 1) * w.sw + reach_of(w) + 1; }

typedef int8_t Bytes16 __attribute__((vector_size(16)));
typedef int16_t Halves16 __attribute__((vector_size(32)));

// A unit of channels in kRows rows to cells. Rows from kReal on have no weights.
template <int kReal>
inline void encode(const int8_t* const (&row)[kRows], uint8_t* to) {
  if constexpr (kBytes == 64) {
    typedef uint8_t Few __attribute__((vector_size(kLanes)));
    Words cells = Words{} + kOffset * 0x01010101u;
    BNN_UNROLL for (int k = 0; k < kReal; ++k)
      cells ^= __builtin_convertvector(load<Few>(row[k]), Words) << (8 * k);
    memcpy(to, &cells, kBytes);
  } else if constexpr (kRows == 1) {
    const Halves16 wide = __builtin_convertvector(load<Bytes16>(row[0]), Halves16);
    memcpy(to, &wide, sizeof wide);
  } else {
    const auto low = [](Bytes16 a, Bytes16 b) {
      return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    };
    const auto high = [](Bytes16 a, Bytes16 b) {
      return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    };
    const Bytes16 a = load<Bytes16>(row[0]), b = load<Bytes16>(row[1]);
    if constexpr (kRows == 2) {
      const Halves16 wide[] = {__builtin_convertvector(low(a, b), Halves16), __builtin_convertvector(high(a, b), Halves16)};
      memcpy(to, wide, sizeof wide);
    } else {
      const Bytes16 c = load<Bytes16>(row[2]), d = load<Bytes16>(row[3]);
      const auto low_pairs = [](Bytes16 x, Bytes16 y) {
        return __builtin_shufflevector(x, y, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
      };
      const auto high_pairs = [](Bytes16 x, Bytes16 y) {
        return __builtin_shufflevector(x, y, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
      };
      const Bytes16 first = low(a, b), second = high(a, b), third = low(c, d), fourth = high(c, d);
      const Bytes16 offset = Bytes16{} + (int8_t)kOffset;
      const Bytes16 cells[] = {low_pairs(first, third) ^ offset, high_pairs(first, third) ^ offset,
                               low_pairs(second, fourth) ^ offset, high_pairs(second, fourth) ^ offset};
      memcpy(to, cells, sizeof cells);
    }
  }
}

// A line of output whose window starts at row `y` of an image; `from` is the image's first value of the chunk's channels.
struct Line {
  const IntegerWindow& s;
  const int8_t* from;
  int64_t y;
};

// Cells [group][column][channels] of columns [first, first + count).
template <int kChannels, int kReal>
void encode_columns(const Line& line, int64_t first, int64_t count, uint8_t* cells) {
  const IntegerWindow& s = line.s;
  const Window& w = s.window;
  int8_t outside[kChannels];
  memset(outside, s.zero_point, sizeof outside);
  const int64_t groups = groups_of(w);
  const int64_t left = first >= 0 ? 0 : -first < count ? -first : count;  // columns [left, right) are in the image
  const int64_t right = s.w - first < left ? left : s.w - first < count ? s.w - first : count;
  for (int64_t g = 0; g < groups; ++g) {
    const int8_t* row[kRows];
    int64_t stride[kRows];
    BNN_UNROLL for (int k = 0; k < kRows; ++k) {
      const int64_t tap = g * kRows + k, y = line.y + tap * w.dh;
      const bool inside = tap < w.kh && y >= 0 && y < s.h;
      row[k] = inside ? line.from + (y * s.w + first + left) * s.c : outside;
      stride[k] = inside ? s.c : 0;
    }
    const auto encode_some = [&](const int8_t* (&at)[kRows], const int64_t (&across)[kRows], int64_t columns) {
      for (int64_t x = 0; x < columns; ++x, cells += kChannels * kCell) {
        for (int c = 0; c < kChannels; c += kUnit) {
          const int8_t* unit[kRows];
          BNN_UNROLL for (int k = 0; k < kRows; ++k) unit[k] = at[k] + c;
          encode<kReal>(unit, cells + c * kCell);
        }
        BNN_UNROLL for (int k = 0; k < kRows; ++k) at[k] += across[k];
      }
    };
    const int8_t* nothing[kRows];
    BNN_UNROLL for (int k = 0; k < kRows; ++k) nothing[k] = outside;
    const int64_t none[kRows] = {};
    encode_some(nothing, none, left);
    encode_some(row, stride, right - left);
    encode_some(nothing, none, count - right);
  }
}

// Where a tile's operands are, in bytes.
struct Places {
  int64_t groups, taps;              // of a window
  int64_t group, tap, pixel;         // cells between two of them
  int64_t unit;                      // weights between two units of channels
};

// Where a segment's sums go: pixel 0 is its first.
struct Target {
  const bnn::IntegerStore* store;
  int32_t channel, valid;  // the chunk's first channel, and how many there are from it on
  int32_t* out;
  int64_t row;
};

template <int P, int N>
__attribute__((always_inline)) inline void tile(const Places& places, const uint8_t* cells, const uint8_t* weights,
                                                const int32_t* start, const Target& to, int64_t pixel) {
  Deep sum[P][N];
  BNN_UNROLL for (int i = 0; i < P; ++i)
    BNN_UNROLL for (int n = 0; n < N; ++n) sum[i][n].start(start + n * kDeep);
  for (int64_t g = 0; g < places.groups; ++g, cells += places.group) {
    const uint8_t* at = cells;
    for (int64_t t = 0; t < places.taps; ++t, at += places.tap, weights += kUnit * kCell) {
      Ints w[N];
      BNN_UNROLL for (int n = 0; n < N; ++n)
        w[n] = load<Ints>(weights + n * kDeep / kUnit * places.unit + n * kDeep % kUnit * kCell);
      BNN_UNROLL for (int i = 0; i < P; ++i)
        BNN_UNROLL for (int n = 0; n < N; ++n) sum[i][n].add(w[n], load<Ints>(at + i * places.pixel + n * kBytes));
    }
  }
#ifdef BNN_STORES_SUMS
  constexpr int kParts = kDeep / kLanes;
  if (to.store)
    return store_sums<P, N * kParts>(*to.store, to.channel, to.valid, pixel,
                                     [&](int i, int n) { return sum[i][n / kParts].part(n % kParts); });
#endif
  int32_t* out = to.out + pixel * to.row;
  BNN_UNROLL for (int i = 0; i < P; ++i)
    BNN_UNROLL for (int n = 0; n < N; ++n) sum[i][n].store(out + i * to.row + n * kDeep);
}

// Pixels [0, pixels), at least P; the last tile computes some again where they are no whole tiles.
template <int P, int N>
__attribute__((noinline)) void tiles(const Places& places, const uint8_t* cells, const uint8_t* weights,
                                     const int32_t* start, const Target& to, int64_t pixels) {
  for (int64_t p = 0; p < pixels; p += P) {
    const int64_t pixel = p + P <= pixels ? p : pixels - P;
    tile<P, N>(places, cells + pixel * places.pixel, weights, start, to, pixel);
  }
}

// `pixels` pixels of a line from column `x` of the window on.
template <int N>
void segment(const Line& line, const uint8_t* weights, const int32_t* start, int64_t x, int64_t pixels, const Target& to,
             uint8_t* cells) {
  constexpr int kChannels = N * kDeep;
  const Window& w = line.s.window;
  const int64_t columns = columns_of(w, pixels), cell = kChannels * kCell, groups = groups_of(w);
  if (kRows == 4 && w.kh == 3) {
    encode_columns<kChannels, 3>(line, x, columns, cells);
  } else {
    encode_columns<kChannels, kRows>(line, x, columns, cells);
  }
  const Places places = {groups, w.kw, columns * cell, w.dw * cell, w.sw * cell, groups * w.kw * kUnit * kCell};
  (pixels < kTall ? tiles<1, N> : tiles<kTall, N>)(places, cells, weights, start, to, pixels);
}

}  // namespace

int64_t BNN_PART(integer_depthwise_weights)(const int8_t* from, int32_t kh, int32_t kw, int32_t c, uint8_t* to) {
  const int64_t groups = (kh + kRows - 1) / kRows, units = (c + kUnit - 1) / kUnit;
  const int64_t bytes = units * groups * kw * kUnit * kCell;
  if (!to) return bytes;
  memset(to, 0, (size_t)bytes);
  for (int64_t y = 0; y < kh; ++y)
    for (int64_t x = 0; x < kw; ++x)
      for (int64_t channel = 0; channel < c; ++channel) {
        const int16_t value = from[(y * kw + x) * c + channel];
        uint8_t* cell = to + (((channel / kUnit * groups + y / kRows) * kw + x) * kUnit + channel % kUnit) * kCell;
        memcpy(cell + y % kRows * (kCell / kRows), &value, kCell / kRows);
      }
  return bytes;
}

int64_t BNN_PART(integer_depthwise_scratch)(const Window& w) {
  return groups_of(w) * columns_of(w, segment_of(w)) * kMost * kDeep * kCell;
}

void BNN_PART(integer_depthwise)(const IntegerWindow& s, const bnn::IntegerStore* store, int64_t first, int64_t last,
                                 int32_t* out, int64_t row, uint8_t* scratch) {
  const Window& w = s.window;
  const int64_t unit = groups_of(w) * w.kw * kUnit * kCell, most = segment_of(w);
  for (int64_t p = first; p < last;) {
    const int64_t line = p / s.out_w, next = (line + 1) * s.out_w;
    int64_t end = last < next ? last : next;
    if (end - p > most) end = p + most;
    const int64_t x = p % s.out_w * w.sw - w.pad_left, y = line % s.out_h * w.sh - w.pad_top;
    const int8_t* image = s.x + line / s.out_h * s.h * s.w * s.c;
    bnn::IntegerStore of_segment = {};
    if (store) of_segment = *store;
    of_segment.out += (p - first) * of_segment.stride_bytes;
    for (int32_t c = 0; c < s.c;) {
      const Target to = {store ? &of_segment : nullptr, c, s.c - c, out + c, row};
      const Line of_chunk = {s, image + c, y};
      const uint8_t* weights = s.weights + c / kUnit * unit;
      const int64_t left = (s.c - c + kUnit - 1) / kUnit * kUnit;
      if (kMost * kDeep > kUnit && left < 2 * kUnit) {
        segment<kUnit / kDeep>(of_chunk, weights, s.start + c, x, end - p, to, scratch);
        c += kUnit;
      } else if (kMost * kDeep > kUnit && left < kMost * kDeep) {
        segment<2 * kUnit / kDeep>(of_chunk, weights, s.start + c, x, end - p, to, scratch);
        c += 2 * kUnit;
      } else {
        segment<kMost>(of_chunk, weights, s.start + c, x, end - p, to, scratch);
        c += kMost * kDeep;
      }
    }
    out += (end - p) * row;
    p = end;
  }
}
