// Micro-kernels in portable vector types, compiled once per ISA level (BNN_LEVEL_SYMBOL and others, see sources.py).
//
// Weights are laid out [word][lane]: one vector of 32-bit words holds the same word of `L` output channels. An
// activation word is broadcast, so that sums stay in their lanes and no horizontal reduction is needed. A tile is
// M pixels x N vectors of channels, all of its sums in registers.
// On 64-bit Arm four words at a time are turned instead, see paired_counting.h.
//
// Everything here is in an anonymous namespace and nothing inline is shared with other files: a function merged by
// the linker could carry this level's instructions into code that must run on a lesser CPU.
#include <stdint.h>
#include <string.h>

#include "level/binary_parts.h"
#include "level/counting.h"
#include "level/binary_epilogue.h"
#include "level/table_counting.h"
#include "level/vectors.h"

#ifdef __aarch64__
#include "level/paired_counting.h"
#endif

namespace {

using bnn::ChannelBlock;

constexpr int kPixels = BNN_TILE_PIXELS;
constexpr int kVectors = BNN_TILE_VECTORS;
constexpr bool kWidens = kFull < 1 << 30;

// Running totals of a tile. Where they may get full they are emptied into sums of 32 bits in time.
template <int M, int N>
struct Totals {
  Words total[M][N / kShared];
  Words widened[M][N];  // only once the others have been full
  bool has_widened = false;

  __attribute__((always_inline)) Totals() {
    clear();
  }
  __attribute__((always_inline)) void clear() {
    BNN_UNROLL for (int i = 0; i < M; ++i) BNN_UNROLL for (int t = 0; t < N / kShared; ++t) total[i][t] = Words{};
  }
  __attribute__((always_inline)) void empty() {
    if (!has_widened) memset(widened, 0, sizeof widened);
    BNN_UNROLL for (int i = 0; i < M; ++i) BNN_UNROLL for (int n = 0; n < N; ++n) widened[i][n] += counted(i, n);
    clear();
    has_widened = true;
  }
  // The sums of some of the vectors of channels.
  template <int kSome>
  __attribute__((always_inline)) void sum_up(int first, Words (&sum)[M][kSome]) const {
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      BNN_UNROLL for (int n = 0; n < kSome; ++n) sum[i][n] = counted(i, first + n);
    }
    if (kWidens && has_widened) {
      BNN_UNROLL for (int i = 0; i < M; ++i) {
        BNN_UNROLL for (int n = 0; n < kSome; ++n) sum[i][n] += widened[i][first + n];
      }
    }
  }
  __attribute__((always_inline)) Words counted(int i, int n) const { return words(total[i][n / kShared], n % kShared); }
};

// One word of N vectors of channels.
template <int N>
struct Weights {
  Words w[N];
  __attribute__((always_inline)) explicit Weights(const uint32_t*& from) {
    BNN_UNROLL for (int n = 0; n < N; ++n) w[n] = load<Words>(from + n * kLanes);
    from += N * kLanes;
  }
};

template <int N>
__attribute__((always_inline)) inline void count_word(const Weights<N>& weights, Words a, Words (&total)[N]) {
#ifdef __arm__
  // Two at a time: this level is scheduled as written, and its cores run in order.
  static_assert(N % 2 == 0);
  BNN_UNROLL for (int n = 0; n < N; n += 2) {
    const Words x = weights.w[n] ^ a, y = weights.w[n + 1] ^ a;
    total[n] = count(total[n], x);
    total[n + 1] = count(total[n + 1], y);
  }
#else
  BNN_UNROLL for (int n = 0; n < N; ++n) total[n] = count(total[n], weights.w[n] ^ a);
#endif
}

#if BNN_STEPS

#ifndef __aarch64__
template <int M, int N>
struct Counter {
  __attribute__((always_inline)) void one_word(const uint32_t*& weights, const uint32_t* (&row)[M],
                                               Words (&total)[M][N]) {
    const Weights<N> w(weights);
    Words a[M];  // well before they are needed: small cores run in order
    BNN_UNROLL for (int i = 0; i < M; ++i) a[i] = broadcast(row[i]);
    BNN_UNROLL for (int i = 0; i < M; ++i) count_word(w, a[i], total[i]);
  }
  __attribute__((always_inline)) void finish(Words (&)[M][N]) {}
};
#endif

// Segment after segment: each row of the tile has a pointer that moves on by itself.
template <int M, int N>
__attribute__((always_inline)) inline void count_mismatches(const ImplicitGemm& gemm, const uint32_t* weights,
                                                            const uint32_t* const (&pixel)[M], Totals<M, N>& totals) {
  int room = kFull;
  Counter<M, N> counter;
  for (int s = 0; s < gemm.segments; ++s) {
    const uint32_t* row[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) row[i] = pixel[i] + gemm.segment_offset[s];
    for (int left = gemm.segment_words; left > 0;) {
      const int run = kWidens && left > room ? room / 4 * 4 : left;
      left -= run;
      const auto one_word = [&]() __attribute__((always_inline)) {
        counter.one_word(weights, row, totals.total);
      };
#ifdef __aarch64__
      for (int quads = run / 4; quads > 0; --quads) counter.four_words(weights, row, totals.total);
      if (run & 2) {
        one_word();
        one_word();
      }
#else
      for (int pairs = run / 2; pairs > 0; --pairs) {
        one_word();
        one_word();
      }
#endif
      if (run & 1) one_word();
      if constexpr (kWidens) {
        room -= run;
        if (room < 4) {
          counter.finish(totals.total);
          totals.empty();
          room = kFull;
        }
      }
    }
  }
  counter.finish(totals.total);
}

#else

// Word after word, wherever they lie: short windows have no segments worth a loop of their own.
template <int M, int N>
__attribute__((always_inline)) inline void count_mismatches(const ImplicitGemm& gemm, const uint32_t* weights,
                                                            const uint32_t* const (&pixel)[M], Totals<M, N>& totals) {
  for (int k = 0; k < gemm.words;) {
    const int end = kWidens && gemm.words - k > kFull ? k + kFull : gemm.words;
    for (; k < end; ++k) {
      const uint32_t offset = gemm.word_offset[k];
      const Weights<N> w(weights);
      BNN_UNROLL for (int i = 0; i < M; ++i) count_word(w, Words{} + pixel[i][offset], totals.total[i]);
    }
    if (kWidens && k < gemm.words) totals.empty();
  }
}

#endif

// Of a value in `out`.
template <Output kOutput>
constexpr int out_bits() {
  return kOutput == Output::kBits ? 1 : kOutput == Output::kStages ? 0 : 32;
}

template <Output kOutput, int M, int N>
__attribute__((noinline)) void tile(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, uint8_t* out,
                                    int64_t out_stride_bytes) {
  const uint32_t* pixel[M];
  const uint32_t* input = gemm.input + (int64_t)block.group * gemm.group_words;
  BNN_UNROLL for (int i = 0; i < M; ++i) pixel[i] = input + gemm.pixel_offset[first + i];
  const int64_t channel = (int64_t)block.group * gemm.padded_channels + block.first;
  const int64_t row = (int64_t)gemm.groups * gemm.padded_channels;
  const uint32_t* base[M];
  BNN_UNROLL for (int i = 0; i < M; ++i) base[i] = gemm.base + channel;
  if (gemm.pixel_border)
    BNN_UNROLL for (int i = 0; i < M; ++i) base[i] += (int64_t)gemm.pixel_border[first + i] * row;
#if BNN_COUNTS_BY_TABLES
  if constexpr (N * kLanes >= kTableLanes) {
    TableSums<M, N * kLanes / kTableLanes> sums;
    count_by_tables(gemm, block.weights, pixel, sums);
    // Finished in parts, each of whose values fit into registers.
    for (int c = 0; c < N * kLanes; c += 2 * kLanes) {
      Words sum[M][2];
      BNN_UNROLL for (int i = 0; i < M; ++i) {
        BNN_UNROLL for (int n = 0; n < 2; ++n) sum[i][n] = sums.words(i, c + n * kLanes);
      }
      finish<kOutput, M, 2>(gemm, base, channel + c, first, sum, out, out_stride_bytes);
      BNN_UNROLL for (int i = 0; i < M; ++i) base[i] += 2 * kLanes;
      out += 2 * kLanes * out_bits<kOutput>() / 8;
    }
    return;
  }
#endif
  Totals<M, N> totals;
  count_mismatches(gemm, block.weights, pixel, totals);
  // Finished in parts where totals are of more values than fit into registers; bits need those of one pixel at once only.
  constexpr int kPart = kOutput != Output::kBits && kShared > 1 && N > 4 ? N / 2 : N;
  BNN_UNROLL for (int n = 0; n < N; n += kPart) {
    Words sum[M][kPart];
    totals.template sum_up<kPart>(n, sum);
    finish<kOutput, M, kPart>(gemm, base, channel + n * kLanes, first, sum, out, out_stride_bytes);
    BNN_UNROLL for (int i = 0; i < M; ++i) base[i] += kPart * kLanes;
    out += kPart * kLanes * out_bits<kOutput>() / 8;
  }
}

typedef void (*Tile)(const ImplicitGemm&, const ChannelBlock&, int64_t first, uint8_t* out, int64_t out_stride_bytes);

template <Output kOutput, int N, int M>
Tile tile_of(int64_t pixels) {
  if constexpr (M > 1) {
    if (pixels < M) return tile_of<kOutput, N, M - 1>(pixels);
  }
  return tile<kOutput, M, N>;
}

// The last block of a group may have lanes beyond the last channel: these go to a scratch row, never to memory.
template <Output kOutput, int N>
__attribute__((noinline)) void write_partly(Tile compute, const ImplicitGemm& gemm, const ChannelBlock& block,
                                            int64_t first, int64_t pixels, uint8_t* out) {
  constexpr int64_t kRow = kOutput == Output::kBits ? N * kLanes / 8 : N * kBytes;
  uint8_t scratch[kPixels * kRow];
  compute(gemm, block, first, scratch, kRow);
  const int64_t valid = kOutput == Output::kBits ? (block.valid + 7) / 8 : block.valid * 4;
  for (int64_t i = 0; i < pixels; ++i) memcpy(out + i * gemm.out_stride_bytes, scratch + i * kRow, (size_t)valid);
}

// Tiles of nearly equal height: 49 pixels are nine tiles of five or six, not eight of six and one of one.
template <Output kOutput, int N>
void panel(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last) {
  const int64_t pixels = last - first, tiles = (pixels + kPixels - 1) / kPixels;
  if (tiles == 0) return;
  const int64_t low = pixels / tiles, higher = pixels % tiles;  // `higher` tiles have one pixel more
  const Tile tall = tile_of<kOutput, N, kPixels>(low + 1), small = tile_of<kOutput, N, kPixels>(low);
  const int64_t channel = (int64_t)block.group * gemm.channels + block.first;
  const bool partly = block.valid < block.lanes;
  uint8_t* out = gemm.out + first * gemm.out_stride_bytes + channel * out_bits<kOutput>() / 8;
  for (int64_t t = 0, pixel = first; t < tiles; ++t) {
    const Tile compute = t < higher ? tall : small;
    const int64_t height = t < higher ? low + 1 : low;
    if (partly) {
      write_partly<kOutput, N>(compute, gemm, block, pixel, height, out);
    } else {
      compute(gemm, block, pixel, out, gemm.out_stride_bytes);
    }
    pixel += height;
    out += height * gemm.out_stride_bytes;
  }
}

template <int N>
void panel_of(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last) {
  switch (gemm.output) {
    case Output::kInt32: return panel<Output::kInt32, N>(gemm, block, first, last);
    case Output::kFloat: return panel<Output::kFloat, N>(gemm, block, first, last);
    case Output::kBits: return panel<Output::kBits, N>(gemm, block, first, last);
    case Output::kStages: return panel<Output::kStages, N>(gemm, block, first, last);
  }
}

// Narrow blocks are whole bytes of output bits: at least eight lanes.
constexpr int kNarrowest = kLanes >= 8 ? 1 : 8 / kLanes;
static_assert(kVectors * kLanes <= 64 && kVectors >= kNarrowest);

void implicit_gemm(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last) {
  const int vectors = block.lanes / kLanes;
  if (vectors == kVectors) return panel_of<kVectors>(gemm, block, first, last);
  if constexpr (kVectors >= 8 * kNarrowest) {
    if (vectors == 4 * kNarrowest) return panel_of<4 * kNarrowest>(gemm, block, first, last);
  }
  if constexpr (kVectors >= 4 * kNarrowest) {
    if (vectors == 2 * kNarrowest) return panel_of<2 * kNarrowest>(gemm, block, first, last);
  }
  if constexpr (kVectors > kNarrowest) panel_of<kNarrowest>(gemm, block, first, last);
}

#if BNN_COUNTS_BY_TABLES
constexpr int kByBytes = kTableLanes;

// One step of a chain, and the products that it does.
inline Words roof_step(Words sum, Words w, Words a) {
  return (Words)((Octets)sum + (Octets)_mm256_shuffle_epi8((__m256i)a, (__m256i)w));
}
constexpr int64_t kRoofBits = kBytes * 4;
#else
constexpr int kByBytes = 0;
inline Words roof_step(Words sum, Words w, Words a) { return count(sum, w ^ a); }
constexpr int64_t kRoofBits = kBytes * 8;
#endif

int64_t popcount_roof(int64_t rounds) {
  constexpr int kChains = 8;  // enough to cover the latency of one round
  Words sum[kChains] = {}, a = Words{} + (uint32_t)rounds, w = Words{} + 0x01234567u;
  for (int64_t r = 0; r < rounds; ++r) {
#pragma clang loop unroll(full)
    for (int i = 0; i < kChains; ++i) {
      asm volatile("" : "+" BNN_ANY_VECTOR_REGISTER(a));  // unknown to the compiler: nothing can be hoisted
      sum[i] = roof_step(sum[i], w, a);
    }
  }
  for (int i = 0; i < kChains; ++i) asm volatile("" : : BNN_ANY_VECTOR_REGISTER(sum[i]));
  return rounds * kChains * kRoofBits;
}

}  // namespace

const bnn::KernelSet BNN_PART(binary) = {
    BNN_ISA_NAME, kBytes, kPixels, false, {kNarrowest * kLanes, kVectors * kLanes, kByBytes, kTurns}, true, implicit_gemm,
    BNN_PART(bitpack_f32), BNN_PART(bitpack_i8), BNN_PART(bit_max_pool), popcount_roof,
};
