// Counting by tables in registers, for AVX2, which has no popcount: part of binary_gemm.cpp.
//
// Four bits of an activation choose one of 16 tables: for each four bits of a weight, how many differ. A byte lane is a
// channel, so a shuffle looks up 32 channels at once: two instructions count 128 bits, where an exclusive or, a popcount
// and an addition take eight for 256. Weights lie [word][byte][channel], a byte of a channel's word each.
#pragma once
#include "level/counting.h"
#include "level/kernel_set.h"

#if BNN_COUNTS_BYTES && defined(__AVX2__)
#define BNN_COUNTS_BY_TABLES 1

namespace {

constexpr int kTableLanes = kBytes;  // channels of a vector
constexpr int kTableWords = 7;       // 7 * 32 < 256: what bytes can count up to
constexpr int kNarrowWords = 2016;   // whole times kTableWords; 2016 * 32 < 65536

// For each byte of an activation: a table of its lower four bits, and one of its upper.
struct Tables {
  alignas(32) uint8_t of_byte[256][2][16];
  constexpr Tables() : of_byte() {
    for (int a = 0; a < 256; ++a)
      for (int w = 0; w < 16; ++w) {
        of_byte[a][0][w] = (uint8_t)__builtin_popcount((a & 15) ^ w);
        of_byte[a][1][w] = (uint8_t)__builtin_popcount((a >> 4) ^ w);
      }
  }
};
constexpr Tables kTables;

typedef uint16_t Halves __attribute__((vector_size(kBytes)));

// Sums of M pixels x N vectors of channels, in memory.
template <int M, int N>
struct TableSums {
  uint16_t narrow[M][N * kTableLanes];
  uint32_t wide[M][N * kTableLanes];  // once the others have been full
  bool is_wide = false;

  __attribute__((noinline)) void widen() {
    for (int i = 0; i < M; ++i)
      for (int l = 0; l < N * kTableLanes; ++l) {
        wide[i][l] = narrow[i][l] + (is_wide ? wide[i][l] : 0);
        narrow[i][l] = 0;
      }
    is_wide = true;
  }
  __attribute__((always_inline)) void add(const Octets (&total)[M][N]) {
    BNN_UNROLL for (int i = 0; i < M; ++i)
      BNN_UNROLL for (int n = 0; n < 2 * N; ++n) {
        const __m256i all = (__m256i)total[i][n / 2];
        const __m128i half = n % 2 ? _mm256_extracti128_si256(all, 1) : _mm256_castsi256_si128(all);
        uint16_t* to = narrow[i] + n * (kTableLanes / 2);
        const Halves sum = load<Halves>(to) + (Halves)_mm256_cvtepu8_epi16(half);
        memcpy(to, &sum, sizeof sum);
      }
  }
  // Of one vector of 32-bit lanes.
  __attribute__((always_inline)) Words words(int i, int first) const {
    const Words sum = (Words)_mm256_cvtepu16_epi32(load<__m128i>(narrow[i] + first));
    return is_wide ? sum + load<Words>(wide[i] + first) : sum;
  }
};

template <int M, int N>
__attribute__((always_inline)) inline void count_by_tables(const bnn::ImplicitGemm& gemm, const uint32_t* weights,
                                                           const uint32_t* const (&pixel)[M], TableSums<M, N>& sums) {
  const uint8_t* from = (const uint8_t*)weights;
  memset(sums.narrow, 0, sizeof sums.narrow);
  for (int k = 0; k < gemm.words;) {
    Octets total[M][N];
    BNN_UNROLL for (int i = 0; i < M; ++i) BNN_UNROLL for (int n = 0; n < N; ++n) total[i][n] = Octets{};
    const int end = gemm.words - k > kTableWords ? k + kTableWords : gemm.words;
    for (; k < end; ++k) {
      const uint32_t offset = gemm.word_offset[k];
      const uint8_t* activation[M];
      BNN_UNROLL for (int i = 0; i < M; ++i) activation[i] = (const uint8_t*)(pixel[i] + offset);
      BNN_UNROLL for (int b = 0; b < 4; ++b, from += N * kTableLanes) {
        const uint8_t(*table[M])[16];
        BNN_UNROLL for (int i = 0; i < M; ++i) table[i] = kTables.of_byte[activation[i][b]];
        BNN_UNROLL for (int half = 0; half < 2; ++half) {
          Octets four[N];
          BNN_UNROLL for (int n = 0; n < N; ++n) {
            const Words w = load<Words>(from + n * kTableLanes);
            four[n] = (Octets)((half ? w >> 4 : w) & 0x0f0f0f0fu);
          }
          BNN_UNROLL for (int i = 0; i < M; ++i) {
            const __m256i differing = _mm256_broadcastsi128_si256(load<__m128i>(table[i][half]));
            BNN_UNROLL for (int n = 0; n < N; ++n) {
              total[i][n] += (Octets)_mm256_shuffle_epi8(differing, (__m256i)four[n]);
              asm("" : "+x"(total[i][n]));  // else sums of several look-ups come first, in registers there are not
            }
          }
        }
      }
    }
    sums.add(total);
    if (k < gemm.words && k % kNarrowWords == 0) sums.widen();
  }
}

}  // namespace

#endif
