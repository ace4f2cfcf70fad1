// f32 convolution for whole models, compiled once per ISA level, and the table of all that the level has for them.
//
// A tile is M pixels x N vectors of output channels in registers: weights are laid out [k][lane], an activation is
// broadcast. Each output is summed in order of k from its bias on, so no split of pixels changes a bit.
#include "level/model_parts.h"

#include "level/float_epilogue.h"
#include "level/vectors.h"

namespace {

using bnn::ChannelBlock;
using bnn::FloatEpilogue;
using bnn::ImplicitGemm;

#if defined(__AVX512F__)
constexpr int kPixels = 6, kVectors = 4, kNarrowPixels = 8;  // 32 registers
#elif defined(__aarch64__)
constexpr int kPixels = 5, kVectors = 4, kNarrowPixels = 8;  // the same, of which each pixel takes one for activations
#elif defined(__AVX2__)
constexpr int kPixels = 6, kVectors = 2, kNarrowPixels = 6;  // 16 registers
#else
constexpr int kPixels = 4, kVectors = 2, kNarrowPixels = 4;
#endif

// Narrow blocks have fewer sums a pixel, and take more pixels to hide the latency of each.
constexpr int most_pixels(int vectors) { return vectors == kVectors ? kPixels : kNarrowPixels; }

// Weights of f16 become f32 in registers, where the ISA has an instruction for that.
#if defined(__F16C__) || (defined(__ARM_FP) && (__ARM_FP & 2))
constexpr bool kReadsHalves = true;
#else
constexpr bool kReadsHalves = false;
#endif

inline Floats load_weights(const float* from) { return load<Floats>(from); }
[[maybe_unused]] inline Floats load_weights(const _Float16* from) {
#if defined(__ARM_NEON)  // of the conversion below, the compiler makes one for each lane on 32-bit Arm
  return (Floats)vcvt_f32_f16(load<float16x4_t>(from));
#else
  typedef _Float16 Halves __attribute__((vector_size(kBytes / 2)));
  return __builtin_convertvector(load<Halves>(from), Floats);
#endif
}

// One k of all sums of a tile: `activation(i)` is pixel i's, in every lane.
template <int M, int N, class Weight, class Activation>
inline void add_products(const Weight*& weights, Activation activation, Floats (&sum)[M][N]) {
  Floats w[N];
  BNN_UNROLL for (int n = 0; n < N; ++n) w[n] = load_weights(weights + n * kLanes);
  weights += N * kLanes;
  BNN_UNROLL for (int i = 0; i < M; ++i) {
    const Floats a = activation(i);
    BNN_UNROLL for (int n = 0; n < N; ++n) sum[i][n] = multiply_add(w[n], a, sum[i][n]);
  }
}

#if defined(__aarch64__)
template <int L>
inline Floats lane(Floats x) {
  return __builtin_shufflevector(x, x, L, L, L, L);
}

// NEON multiplies by one lane of a vector, so four activations of a pixel take one load.
template <int M, int N, class Weight>
inline int add_fours(const float* const (&row)[M], int words, const Weight*& weights, Floats (&sum)[M][N]) {
  int j = 0;
  for (; j + 4 <= words; j += 4) {
    Floats a[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) a[i] = load<Floats>(row[i] + j);
    add_products(weights, [&](int i) { return lane<0>(a[i]); }, sum);
    add_products(weights, [&](int i) { return lane<1>(a[i]); }, sum);
    add_products(weights, [&](int i) { return lane<2>(a[i]); }, sum);
    add_products(weights, [&](int i) { return lane<3>(a[i]); }, sum);
  }
  return j;
}
#else
template <int M, int N, class Weight>
inline int add_fours(const float* const (&)[M], int, const Weight*&, Floats (&)[M][N]) {
  return 0;
}
#endif

template <int M, int N, class Weight>
__attribute__((noinline)) void tile(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first,
                                    const FloatEpilogue& epilogue, float* out, int64_t row_floats) {
  const float* pixel[M];
  const float* input = (const float*)gemm.input + (int64_t)block.group * gemm.group_words;
  BNN_UNROLL for (int i = 0; i < M; ++i) pixel[i] = input + gemm.pixel_offset[first + i];
  const float* bias = gemm.bias + (int64_t)block.group * gemm.padded_channels + block.first;
  const Weight* weights = (const Weight*)block.weights;
  Floats sum[M][N];
  BNN_UNROLL for (int n = 0; n < N; ++n) {
    const Floats start = load<Floats>(bias + n * kLanes);
    BNN_UNROLL for (int i = 0; i < M; ++i) sum[i][n] = start;
  }
  for (int s = 0; s < gemm.segments; ++s) {
    const float* row[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) row[i] = pixel[i] + gemm.segment_offset[s];
    for (int j = add_fours(row, gemm.segment_words, weights, sum); j < gemm.segment_words; ++j)
      add_products(weights, [&](int i) { return splat(row[i][j]); }, sum);
  }
  finish(epilogue, sum, out, row_floats);
}

typedef void (*Tile)(const ImplicitGemm&, const ChannelBlock&, int64_t first, const FloatEpilogue&, float* out,
                     int64_t row_floats);

template <int N, int M, class Weight>
Tile tile_of(int64_t pixels) {
  if constexpr (M > 1) {
    if (pixels < M) return tile_of<N, M - 1, Weight>(pixels);
  }
  return tile<M, N, Weight>;
}

// Tiles of nearly equal height. Lanes beyond the group's last channel go to a scratch row: in the strip, the next
// group's channels stand there.
template <int N, int kMost, class Weight>
void panel(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last, FloatEpilogue epilogue) {
  const int64_t pixels = last - first, tiles = (pixels + kMost - 1) / kMost;
  if (tiles == 0) return;
  const int64_t low = pixels / tiles, higher = pixels % tiles, row_floats = gemm.out_stride_bytes / 4;
  const Tile tall = tile_of<N, kMost, Weight>(low + 1), small = tile_of<N, kMost, Weight>(low);
  const int64_t channel = (int64_t)block.group * gemm.channels + block.first;
  float* out = (float*)gemm.out + first * row_floats + channel;
  epilogue = epilogue.at(first, channel);
  for (int64_t t = 0, pixel = first; t < tiles; ++t) {
    const int64_t height = t < higher ? low + 1 : low;
    if (block.valid < block.lanes) {
      float scratch[kMost * N * kLanes];
      (t < higher ? tall : small)(gemm, block, pixel, {}, scratch, N * kLanes);
      finish_rows(epilogue, scratch, N * kLanes, height, block.valid, out, row_floats);
    } else {
      (t < higher ? tall : small)(gemm, block, pixel, epilogue, out, row_floats);
    }
    pixel += height;
    out += height * row_floats;
    epilogue = epilogue.at(height, 0);
  }
}

template <int N>
void panel_of(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last,
              const FloatEpilogue& epilogue) {
  if constexpr (kReadsHalves)
    if (gemm.halves) return panel<N, 1, _Float16>(gemm, block, first, last, epilogue);
  panel<N, most_pixels(N), float>(gemm, block, first, last, epilogue);
}

void conv(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last,
          const FloatEpilogue& epilogue) {
  const int vectors = block.lanes / kLanes;
  if (vectors == kVectors) return panel_of<kVectors>(gemm, block, first, last, epilogue);
  if constexpr (kVectors > 2)
    if (vectors == 2) return panel_of<2>(gemm, block, first, last, epilogue);
  panel_of<1>(gemm, block, first, last, epilogue);
}

int64_t fma_roof(int64_t rounds) {
  constexpr int kChains = 12;  // enough for the latency of one on every core we know
  Floats sum[kChains] = {}, a = splat(0.5f), b = splat(0.25f);
  for (int64_t r = 0; r < rounds; ++r) {
    BNN_UNROLL for (int i = 0; i < kChains; ++i) {
      asm volatile("" : "+" BNN_ANY_VECTOR_REGISTER(a));  // unknown to the compiler: nothing can be hoisted
      sum[i] = multiply_add(sum[i], a, b);
    }
  }
  BNN_UNROLL for (int i = 0; i < kChains; ++i) asm volatile("" : : BNN_ANY_VECTOR_REGISTER(sum[i]));
  return rounds * kChains * kLanes * 2;
}

uint64_t read_all(const uint8_t* data, int64_t bytes) {
  Words all[8] = {};
  int64_t at = 0;
  for (; at + 8 * kBytes <= bytes; at += 8 * kBytes)
    BNN_UNROLL for (int i = 0; i < 8; ++i) all[i] ^= load<Words>(data + at + i * kBytes);
  for (; at + kBytes <= bytes; at += kBytes) all[0] ^= load<Words>(data + at);
  BNN_UNROLL for (int i = 1; i < 8; ++i) all[0] ^= all[i];
  uint64_t result = 0;
  for (int l = 0; l < kLanes; ++l) result = result * 31 + all[0][l];
  for (; at < bytes; ++at) result = result * 31 + data[at];
  return result;
}

}  // namespace

const bnn::ModelKernels BNN_PART(model) = {
    {kLanes, kVectors * kLanes}, kReadsHalves, kPixels, conv,
    BNN_PART(depthwise), BNN_PART(max_pool), BNN_PART(average_pool),
    BNN_PART(read_f32), BNN_PART(read_i8), BNN_PART(unpack), BNN_PART(softmax),
    BNN_PART(run_stages), fma_roof, read_all,
};
