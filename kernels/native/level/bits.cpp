// Packing signs into bits and pooling them, compiled once per ISA level: both are to run at the memory's speed.
#include "level/binary_parts.h"
#include "level/vectors.h"

#if defined(__AVX2__) && !defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace {

using bnn::BitPool;
using bnn::Window;

typedef bool Signs __attribute__((ext_vector_type(32)));

#if defined(__AVX2__) && !defined(__AVX512F__)

// Four vectors are packed within their halves, so that one permutation puts all in order.
inline uint32_t signs(const float* x) {
  const auto negative = [&](int i) __attribute__((always_inline)) { return (__m256i)(load<Floats>(x + 8 * i) < 0.0f); };
  const __m256i low = _mm256_packs_epi32(negative(0), negative(1)), high = _mm256_packs_epi32(negative(2), negative(3));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return (uint32_t)_mm256_movemask_epi8(_mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
}

#else

inline uint32_t signs(const float* x) {
  typedef float V __attribute__((ext_vector_type(32)));
  return __builtin_bit_cast(uint32_t, __builtin_convertvector(load<V>(x) < 0.0f, Signs));
}

#endif

inline uint32_t signs(const int8_t* x, int8_t zero_point) {
  typedef int8_t V __attribute__((ext_vector_type(32)));
  return __builtin_bit_cast(uint32_t, __builtin_convertvector(load<V>(x) < (V)zero_point, Signs));
}

// `pack` makes a word of 32 values; a row's last ones are filled up with `zero`, whose bit is 0.
template <class T, class Pack>
inline void bitpack(const T* x, T zero, int64_t rows, int64_t channels, uint32_t* out, Pack pack) {
  const int64_t rest = channels % 32;
  // Whole words follow one another.
  if (rest == 0) {
    channels *= rows;
    rows = rows > 0;
  }
  for (int64_t r = 0; r < rows; ++r, x += rest) {
    // Two lines a word outrun what the hardware fetches ahead by itself. Of bytes the loop is so short that its place
    // in the instruction cache matters: 1.2 times on a Zen 3.
    _Pragma("clang loop unroll_count(4)")
    [[clang::code_align(64)]] for (int64_t words = channels / 32; words > 0; --words, x += 32) {
      if (sizeof(T) == 4) {
        __builtin_prefetch((const char*)x + 1024);
        __builtin_prefetch((const char*)x + 1088);
      }
      *out++ = pack(x);
    }
    if (rest == 0) continue;
    T last[32];
    for (T& value : last) value = zero;
    memcpy(last, x, (size_t)rest * sizeof(T));
    *out++ = pack(last);
  }
}

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Calls `step(at)` for vectors that cover [0, words), the last of them overlapping, which is `last`. There is one.
template <class Step, class Last>
inline void over_vectors(int64_t words, Step step, Last last) {
  for (int64_t at = 0; at < words - kLanes; at += kLanes) step(at);
  last(words - kLanes);
}

// Windows of the same shape in lines of the same length. Distances and lengths are in words.
struct Windows {
  const uint32_t* x;
  uint32_t* out;
  int64_t lines, line, out_line;  // from one line to the next
  int64_t count, step;            // windows of a line, and from one to the next
  int64_t rows, row;              // of a window, and from one to the next
  int64_t second, third;          // from the first of up to three rows to the others, which may repeat one
  int64_t columns, column;
  int64_t words;                  // that a window makes of each tap's
  bool clipped;                   // the last window of a line has no third column
};

// AND of a vector or word of every tap; of kRows x kColumns where these are known.
template <class V, int kRows, int kColumns>
inline V all_taps(const Windows& windows, const uint32_t* x) {
  V all = load<V>(x);
  if constexpr (kRows > 0) {
    static_assert(kRows <= 3);
    const int64_t row[] = {0, windows.second, windows.third};
    BNN_UNROLL for (int r = 0; r < kRows; ++r)
      BNN_UNROLL for (int c = 0; c < kColumns; ++c) all &= load<V>(x + row[r] + c * windows.column);
  } else {
    for (int64_t r = 0; r < windows.rows; ++r, x += windows.row)
      for (int64_t c = 0; c < windows.columns; ++c) all &= load<V>(x + c * windows.column);
  }
  return all;
}

// Whole vectors of each window; `kSize`: its rows and columns, where these are known and equal.
template <int kSize>
__attribute__((noinline)) void pool_vectors(const Windows& windows) {
  const Windows w = windows;
  for (int64_t l = 0; l < w.lines; ++l) {
    const uint32_t* x = w.x + l * w.line;
    uint32_t* out = w.out + l * w.out_line;
    for (int64_t i = 0; i < w.count; ++i, x += w.step, out += w.words) {
      const uint32_t* window = x;
      asm("" : "+r"(window));  // else the compiler keeps a pointer for each tap, more than there are registers
      const auto step = [&](int64_t at) __attribute__((always_inline)) {
        const Words all = all_taps<Words, kSize, kSize>(w, window + at);
        memcpy(out + at, &all, sizeof all);
      };
      over_vectors(w.words, step, step);
    }
  }
}

__attribute__((noinline)) void pool_words(const Windows& w) {
  for (int64_t l = 0; l < w.lines; ++l) {
    const uint32_t* x = w.x + l * w.line;
    uint32_t* out = w.out + l * w.out_line;
    for (int64_t i = 0; i < w.count; ++i, x += w.step)
      _Pragma("clang loop vectorize(disable)") for (int64_t at = 0; at < w.words; ++at)
        *out++ = all_taps<uint32_t, 0, 0>(w, x + at);
  }
}

template <class T, T... kIndex>
struct Indices {};

// Of a, then b: every second group of words, from group `kFirst` on; the groups after the first, and the first of b.
template <int kGroup, int kFirst, int... kLane>
inline Words every_second(Words a, Words b, Indices<int, kLane...>) {
  return __builtin_shufflevector(a, b, ((kLane / kGroup * 2 + kFirst) * kGroup + kLane % kGroup)...);
}
template <int kGroup, int... kLane>
inline Words shifted(Words a, Words b, Indices<int, kLane...>) {
  return __builtin_shufflevector(a, b, (kLane + kGroup)...);
}

// Windows of 2 x 2 or 3 x 3 pixels of `kWords` words, two pixels apart: a vector holds several. It is read up to a
// vector beyond the last one.
template <int kSize, int kWords>
__attribute__((noinline)) void pool_pairs(const Windows& windows) {
  constexpr __make_integer_seq<Indices, int, kLanes> kInOrder{};
  const Windows w = windows;
  const Words beyond = w.clipped ? ~Words{} : Words{};
  for (int64_t l = 0; l < w.lines; ++l) {
    const uint32_t* line = w.x + l * w.line;
    uint32_t* out = w.out + l * w.out_line;
    const auto pool = [&](int64_t at, Words ignored) __attribute__((always_inline)) {
      const auto column = [&](int i)
                              __attribute__((always_inline)) { return all_taps<Words, kSize, 1>(w, line + 2 * at + i); };
      const Words a = column(0), b = column(kLanes);
      const Words even = every_second<kWords, 0>(a, b, kInOrder);
      Words all = even & every_second<kWords, 1>(a, b, kInOrder);
      if constexpr (kSize == 3) all &= shifted<kWords>(even, column(2 * kLanes) | ignored, kInOrder);
      memcpy(out + at, &all, sizeof all);
    };
    over_vectors(
        w.count * kWords, [&](int64_t at) __attribute__((always_inline)) { pool(at, Words{}); },
        [&](int64_t at) __attribute__((always_inline)) { pool(at, beyond); });
  }
}

template <int kSize, int kWords = 1>
inline void (*pairs_of(int64_t words))(const Windows&) {
  if constexpr (kWords >= kLanes) return nullptr;
  else return words == kWords ? pool_pairs<kSize, kWords> : pairs_of<kSize, 2 * kWords>(words);
}

// How to pool pixels of so many words, two pixels apart, several at once; null where there is no way.
void (*pairs_for(const Window& k, int64_t words))(const Windows&) {
  if (k.sw != 2 || k.kh != k.kw) return nullptr;
  return k.kw == 2 ? pairs_of<2>(words) : k.kw == 3 ? pairs_of<3>(words) : nullptr;
}

// `size`: rows and columns of the kernel where they are equal and all columns are inside.
void pool_one_by_one(const Windows& windows, int32_t size) {
  if (windows.words < kLanes) return pool_words(windows);
  if (size == 2) return pool_vectors<2>(windows);
  if (size == 3) return pool_vectors<3>(windows);
  pool_vectors<0>(windows);
}

// Windows along one axis that have all their taps inside: [begin, end), among `out` of them.
struct Inside {
  int64_t begin, end;
  Inside(int64_t size, int64_t kernel, int64_t stride, int64_t before, int64_t out) {
    const int64_t room = size + before - kernel;
    begin = least((before + stride - 1) / stride, out);
    end = most(begin, room < 0 ? 0 : least(room / stride + 1, out));
  }
  // The last of those that can go together from `i` on, and one more.
  int64_t together(int64_t i) const { return i >= begin && i < end ? end : i + 1; }
};

// Lines [first, last) of one image.
void pool_lines(const BitPool& pool, const uint32_t* image, int64_t first, int64_t last, uint32_t* out) {
  const Window& k = pool.window;
  const int64_t words = pool.words, row = pool.w * words;
  const Inside lines(pool.h, k.kh, k.sh, k.pad_top, pool.out_h), columns(pool.w, k.kw, k.sw, k.pad_left, pool.out_w);
  const auto pairs = pairs_for(k, words);
  for (int64_t y = first, below; y < last; y = below) {
    below = least(lines.together(y), last);
    const int64_t up = y * k.sh - k.pad_top, top = most(up, 0), rows = least(up + k.kh, pool.h) - top;
    for (int64_t x = 0, next; x < pool.out_w; x = next) {
      next = columns.together(x);
      const int64_t from = x * k.sw - k.pad_left, left = most(from, 0);
      Windows w = {};
      w.x = image + top * row + left * words;
      w.out = out + ((y - first) * pool.out_w + x) * words;
      w.lines = below - y;
      w.line = k.sh * row;
      w.out_line = pool.out_w * words;
      w.step = k.sw * words;
      w.rows = rows;
      w.row = row;
      w.second = rows > 1 ? row : 0;
      w.third = rows > 2 ? 2 * row : w.second;
      w.columns = least(from + k.kw, pool.w) - left;
      w.column = w.words = words;
      if (pairs && w.columns == k.kw && (pool.out_w - x) * words >= kLanes) {
        // The last window may lack its last column, and go along.
        const int64_t end = (pool.out_w - 1) * (int64_t)k.sw - k.pad_left + k.kw;
        w.clipped = k.kw == 3 && next == pool.out_w - 1 && end == pool.w + 1;
        if (w.clipped) next = pool.out_w;
        if ((w.count = next - x) * words >= kLanes) {
          pairs(w);
          continue;
        }
      }
      w.count = next - x;
      // They follow one another, as their taps do.
      if (k.sw == 1) {
        w.words *= w.count;
        w.count = 1;
      }
      pool_one_by_one(w, k.kh == k.kw && w.columns == k.kw ? k.kh : 0);
    }
  }
}

}  // namespace

void BNN_PART(bitpack_f32)(const float* x, int64_t rows, int64_t channels, uint32_t* out) {
  bitpack(x, 0.0f, rows, channels, out, [](const float* values) { return signs(values); });
}

void BNN_PART(bitpack_i8)(const int8_t* x, int8_t zero_point, int64_t rows, int64_t channels, uint32_t* out) {
  bitpack(x, zero_point, rows, channels, out, [=](const int8_t* values) { return signs(values, zero_point); });
}

void BNN_PART(bit_max_pool)(const BitPool& pool, int64_t first, int64_t last, uint32_t* out) {
  const int64_t image = (int64_t)pool.h * pool.w * pool.words, line = (int64_t)pool.out_w * pool.words;
  for (int64_t next; first < last; first = next) {
    const int64_t n = first / pool.out_h, start = n * pool.out_h;
    next = least(last, start + pool.out_h);
    pool_lines(pool, pool.x + n * image, first - start, next - start, out + first * line);
  }
}
