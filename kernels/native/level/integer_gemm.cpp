// Integer convolution of i8, compiled once per ISA level: exact sums of products, in i32.
//
// The image is encoded to 32-bit words of several channels, as the ISA multiplies them: `kPerWord` channels of 8 bits,
// or of 16. A tile is M pixels x N vectors of output channels, as in float_gemm.cpp.
#include "level/model_parts.h"

#ifdef __ARM_NEON
#include "level/counting.h"
#endif
#include "level/integer_products.h"
#include "level/integer_store.h"

namespace {

using bnn::ChannelBlock;
using bnn::ImplicitGemm;
using bnn::IntegerStore;

#if defined(__ARM_NEON) && !defined(__ARM_FEATURE_DOTPROD)
constexpr bool kGainsByPairs = true;
#else
constexpr bool kGainsByPairs = false;
#endif

template <int kLane>
struct Lane {
  static constexpr int value = kLane;
};

// The sums of one word after another; of several at once where the ISA gains by it. kPairs: no weight is -128.
template <bool kPairs, int M, int N>
__attribute__((always_inline)) inline void add_words(const uint32_t* (&at)[M], const uint32_t*& weights, int words,
                                                     Sum (&sum)[M][N]) {
  int j = 0;
#if defined(__ARM_FEATURE_DOTPROD)
  for (; j + 4 <= words; j += 4) {  // four words of a pixel by one load
    int8x16_t x[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      x[i] = load<int8x16_t>(at[i]);
      at[i] += 4;
    }
    const auto add = [&](auto lane) __attribute__((always_inline)) {
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        const int8x16_t w = load<int8x16_t>(weights + n * kLanes);
        BNN_UNROLL for (int i = 0; i < M; ++i) sum[i][n].all = vdotq_laneq_s32(sum[i][n].all, w, x[i], lane.value);
      }
      weights += N * kLanes;
    };
    add(Lane<0>());
    add(Lane<1>());
    add(Lane<2>());
    add(Lane<3>());
  }
  if (j + 2 <= words) {
    int8x8_t x[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      x[i] = load<int8x8_t>(at[i]);
      at[i] += 2;
    }
    const auto add = [&](auto lane) __attribute__((always_inline)) {
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        const int8x16_t w = load<int8x16_t>(weights + n * kLanes);
        BNN_UNROLL for (int i = 0; i < M; ++i) sum[i][n].all = vdotq_lane_s32(sum[i][n].all, w, x[i], lane.value);
      }
      weights += N * kLanes;
    };
    add(Lane<0>());
    add(Lane<1>());
    j += 2;
  }
#elif defined(__ARM_NEON)
  if constexpr (kPairs)
    for (; j + 2 <= words; j += 2) {  // the sum of two products of such weights is of 16 bits
      int8x16_t x[M], y[M];
      BNN_UNROLL for (int i = 0; i < M; ++i) {
        x[i] = (int8x16_t)broadcast(at[i]);
        y[i] = (int8x16_t)broadcast(at[i]);
      }
      int8x16_t v = load<int8x16_t>(weights), w = load<int8x16_t>(weights + N * kLanes);
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        const int next = n + 1 < N ? n + 1 : n;
        const int8x16_t next_v = load<int8x16_t>(weights + next * kLanes);
        const int8x16_t next_w = load<int8x16_t>(weights + (N + next) * kLanes);
        // Later loads stay behind: LLVM would start all products first, and keep them on the stack.
        asm volatile("" ::: "memory");
        BNN_UNROLL for (int i = 0; i < M; ++i) sum[i][n].add(v, x[i], w, y[i]);
        v = next_v;
        w = next_w;
      }
      weights += 2 * N * kLanes;
    }
#endif
  for (; j < words; ++j) {
    Ints w[N];
    BNN_UNROLL for (int n = 0; n < N; ++n) w[n] = load<Ints>(weights + n * kLanes);
    weights += N * kLanes;
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      const Ints x = Ints{} + (int32_t)*at[i]++;
      BNN_UNROLL for (int n = 0; n < N; ++n) sum[i][n].add(w[n], x);
    }
  }
}

#ifdef __ARM_FEATURE_MATMUL_INT8

// Two pixels by four channels: the instruction multiplies two rows of eight values by two, to four sums.
struct Square {
  int32x4_t low, high;  // of the first two channels: of pixel a, then of b; and of the other two
  void start(Ints value) {
    const int32x2_t first = vget_low_s32((int32x4_t)value), second = vget_high_s32((int32x4_t)value);
    low = vcombine_s32(first, first);
    high = vcombine_s32(second, second);
  }
  // Two words of four channels, and two of each pixel.
  void add(int32x4_t v, int32x4_t w, int8x16_t x) {
    low = vmmlaq_s32(low, x, (int8x16_t)vzip1q_s32(v, w));
    high = vmmlaq_s32(high, x, (int8x16_t)vzip2q_s32(v, w));
  }
  Ints of(int pixel) const {
    return pixel ? (Ints)vcombine_s32(vget_high_s32(low), vget_high_s32(high))
                 : (Ints)vcombine_s32(vget_low_s32(low), vget_low_s32(high));
  }
};

template <bool kPairs, int M, int N>
__attribute__((always_inline)) inline void tile(const ImplicitGemm& gemm, const ChannelBlock& block,
                                                const IntegerStore* store, int64_t first, int32_t* out, int64_t row) {
  constexpr int kTwos = (M + 1) / 2;  // the last pixel is computed twice where their number is odd
  const uint32_t* pixel[2 * kTwos];
  const uint32_t* input = gemm.input + (int64_t)block.group * gemm.group_words;
  BNN_UNROLL for (int i = 0; i < 2 * kTwos; ++i) pixel[i] = input + gemm.pixel_offset[first + (i < M ? i : M - 1)];
  const uint32_t* base = gemm.base + (int64_t)block.group * gemm.padded_channels + block.first;
  const uint32_t* weights = block.weights;
  Square sum[kTwos][N];
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Ints start = load<Ints>(base + n * kLanes);
    BNN_UNROLL for (int i = 0; i < kTwos; ++i) sum[i][n].start(start);
  }
  for (int s = 0; s < gemm.segments; ++s) {
    const uint32_t offset = gemm.segment_offset[s];
    for (int j = 0; j < gemm.segment_words; j += 2) {
      int8x16_t x[kTwos];
      BNN_UNROLL for (int i = 0; i < kTwos; ++i)
        x[i] = vcombine_s8(load<int8x8_t>(pixel[2 * i] + offset + j), load<int8x8_t>(pixel[2 * i + 1] + offset + j));
      const bool two = j + 1 < gemm.segment_words;  // what follows the last word has no weights
      const uint32_t* next = weights + N * kLanes;
      BNN_UNROLL for (int n = 0; n < N; ++n) {
        const int32x4_t v = load<int32x4_t>(weights + n * kLanes);
        const int32x4_t w = two ? load<int32x4_t>(next + n * kLanes) : vdupq_n_s32(0);
        BNN_UNROLL for (int i = 0; i < kTwos; ++i) sum[i][n].add(v, w, x[i]);
      }
      weights = two ? next + N * kLanes : next;
    }
  }
  if (store)
    return store_sums<M, N>(*store, block.first, block.valid, first, [&](int i, int n) { return sum[i / 2][n].of(i % 2); });
  BNN_UNROLL for (int i = 0; i < M; ++i)
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      const Ints total = sum[i / 2][n].of(i % 2);
      memcpy(out + i * row + n * kLanes, &total, kBytes);
    }
}

#else

template <bool kPairs, int M, int N>
__attribute__((always_inline)) inline void tile(const ImplicitGemm& gemm, const ChannelBlock& block,
                                                [[maybe_unused]] const IntegerStore* store, int64_t first, int32_t* out,
                                                int64_t row) {
  const uint32_t* pixel[M];
  const uint32_t* input = gemm.input + (int64_t)block.group * gemm.group_words;
  BNN_UNROLL for (int i = 0; i < M; ++i) pixel[i] = input + gemm.pixel_offset[first + i];
  const uint32_t* base = gemm.base + (int64_t)block.group * gemm.padded_channels + block.first;
  const uint32_t* weights = block.weights;
  Sum sum[M][N];
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Ints start = load<Ints>(base + n * kLanes);
    BNN_UNROLL for (int i = 0; i < M; ++i) sum[i][n].start(start);
  }
  for (int s = 0; s < gemm.segments; ++s) {
    const uint32_t* at[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) at[i] = pixel[i] + gemm.segment_offset[s];
    add_words<kPairs>(at, weights, gemm.segment_words, sum);
  }
#ifdef BNN_STORES_SUMS
  if (store)
    return store_sums<M, N>(*store, block.first, block.valid, first, [&](int i, int n) { return sum[i][n].total(); });
#endif
  BNN_UNROLL for (int i = 0; i < M; ++i)
    BNN_UNROLL for (int n = 0; n < N; ++n) {
      const Ints total = sum[i][n].total();
      memcpy(out + i * row + n * kLanes, &total, kBytes);
    }
}

#endif

template <bool kPairs, int M, int N>
__attribute__((noinline)) void tiles(const ImplicitGemm& gemm, const ChannelBlock& block, const IntegerStore* store,
                                     int64_t first, int64_t count, int32_t* out, int64_t row) {
  for (int64_t t = 0; t < count; ++t, first += M, out += M * row)
    tile<kPairs, M, N>(gemm, block, store, first, out, row);
}

typedef void (*Tiles)(const ImplicitGemm&, const ChannelBlock&, const IntegerStore*, int64_t first, int64_t count,
                      int32_t* out, int64_t row);

template <bool kPairs, int N, int M>
Tiles tiles_of(int64_t pixels) {
  if constexpr (M > 1) {
    if (pixels < M) return tiles_of<kPairs, N, M - 1>(pixels);
  }
  return tiles<kPairs, M, N>;
}

// Tiles of nearly equal height. Lanes beyond the group's last channel go to a scratch row, as in float_gemm.cpp.
template <bool kPairs, int N>
void panel(const ImplicitGemm& gemm, const ChannelBlock& block, const IntegerStore* store, int64_t first,
           int64_t last) {
  const int64_t pixels = last - first, tiles = (pixels + kPixels - 1) / kPixels;
  if (tiles == 0) return;
  const int64_t low = pixels / tiles, higher = pixels % tiles, row = gemm.out_stride_bytes / 4;
  const Tiles tall = tiles_of<kPairs, N, kPixels>(low + 1), small = tiles_of<kPairs, N, kPixels>(low);
  int32_t* out = (int32_t*)gemm.out + first * row + (int64_t)block.group * gemm.channels + block.first;
  if (store || block.valid == block.lanes) {
    const int64_t in_tall = higher * (low + 1);
    if (higher) tall(gemm, block, store, first, higher, out, row);
    return small(gemm, block, store, first + in_tall, tiles - higher, out + in_tall * row, row);
  }
  for (int64_t t = 0, pixel = first; t < tiles; ++t) {
    const int64_t height = t < higher ? low + 1 : low;
    int32_t scratch[kPixels * N * kLanes];
    (t < higher ? tall : small)(gemm, block, nullptr, pixel, 1, scratch, N * kLanes);
    for (int64_t i = 0; i < height; ++i) memcpy(out + i * row, scratch + i * N * kLanes, (size_t)block.valid * 4);
    pixel += height;
    out += height * row;
  }
}

template <bool kPairs>
void conv(const ImplicitGemm& gemm, const ChannelBlock& block, const IntegerStore* store, int64_t first,
          int64_t last) {
  const int vectors = block.lanes / kLanes;
  if (vectors == kVectors) return panel<kPairs, kVectors>(gemm, block, store, first, last);
  if constexpr (kVectors > 2)
    if (vectors == 2) return panel<kPairs, 2>(gemm, block, store, first, last);
  panel<kPairs, 1>(gemm, block, store, first, last);
}

// `count` values in a row, to as many bytes or halves of words.
inline void encode_flat(const int8_t* from, int64_t count, uint8_t* to) {
  if constexpr (kPerWord == 4) {
    for (int64_t i = 0; i < count; ++i) to[i] = (uint8_t)(from[i] + kOffset);
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const int16_t wide = from[i];
      memcpy(to + 2 * i, &wide, 2);
    }
  }
}

void encode(const int8_t* from, int64_t runs, int32_t length, int32_t words, uint32_t* to) {
  if constexpr (kPerWord == 4) {
    if (length < 4 && length * runs >= 4) {  // also what follows it, for which there are no weights
      int64_t r = 0;
      for (; r * length + 4 <= runs * length; ++r)
        to[r] = load<uint32_t>(from + r * length) ^ (uint32_t)(kOffset * 0x01010101u);
      for (; r < runs; ++r) encode_flat(from + r * length, length, (uint8_t*)(to + r));
      return;
    }
  }
  if (length == words * kPerWord) return encode_flat(from, runs * length, (uint8_t*)to);
  for (int64_t r = 0; r < runs; ++r, from += length, to += words) encode_flat(from, length, (uint8_t*)to);
}

void to_floats(int32_t* sums, int64_t rows, int32_t channels, int64_t row) {
  for (int64_t r = 0; r < rows; ++r, sums += row) {
    for (int32_t c = 0; c < channels; ++c) {
      const float value = (float)sums[c];
      memcpy(sums + c, &value, 4);
    }
  }
}

int64_t product_roof(int64_t rounds) {
#ifdef __ARM_FEATURE_MATMUL_INT8
  struct {
    int32x4_t all;
    void start(Ints value) { all = (int32x4_t)value; }
    void add(Ints weights, Ints x) { all = vmmlaq_s32(all, (int8x16_t)x, (int8x16_t)weights); }
    Ints total() const { return (Ints)all; }
  } sum[12];
  constexpr int kChains = 12, kProducts = 32;
#else
  constexpr int kChains = 12 / (sizeof(Sum) / kBytes), kProducts = kLanes * kPerWord;
  Sum sum[kChains];
#endif
  Ints weights = Ints{} + 0x01020304, x = Ints{} + 0x04030201;
  BNN_UNROLL for (int i = 0; i < kChains; ++i) sum[i].start(Ints{});
  for (int64_t r = 0; r < rounds; ++r) {
    BNN_UNROLL for (int i = 0; i < kChains; ++i) {
      asm volatile("" : "+" BNN_ANY_VECTOR_REGISTER(x));  // unknown to the compiler: nothing can be hoisted
      sum[i].add(weights, x);
    }
  }
  BNN_UNROLL for (int i = 0; i < kChains; ++i) {
    const Ints total = sum[i].total();
    asm volatile("" : : BNN_ANY_VECTOR_REGISTER(total));
  }
  return rounds * kChains * kProducts * 2;
}

}  // namespace

const bnn::IntegerKernels BNN_PART(integers) = {
    kPerWord, kOffset, {kLanes, kVectors * kLanes}, kPixels,
    BNN_PART(store_bytes), BNN_PART(prepare_store), conv<false>, conv<kGainsByPairs>, encode, to_floats,
    BNN_PART(integer_depthwise_weights), BNN_PART(integer_depthwise_scratch), BNN_PART(integer_depthwise),
    BNN_PART(requantize), BNN_PART(combine_i8), BNN_PART(reduce_i8), product_roof,
};
