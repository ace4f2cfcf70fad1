// Counting bits and adding the counts up, as each ISA level does it best: `count(total, x)` adds the set bits of x to a
// running total of one vector of channels. Tiles may keep totals of kShared vectors, each of which holds kFull words at
// least; `words(total, n)` makes 32-bit sums of the n-th vector's.
#pragma once
#include "level/vectors.h"

#if BNN_COUNTS_PAIRS
#include <arm_neon.h>
#elif BNN_COUNTS_BYTES && defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if BNN_COUNTS_WORDS  // a popcount of 32-bit lanes

constexpr int kShared = 1, kFull = 1 << 30;
inline Words count(Words total, Words x) { return total + __builtin_elementwise_popcount(x); }
inline Words words(Words total, int) { return total; }

#elif BNN_COUNTS_PAIRS  // NEON: pairs of bytes are added into 16 bits as they are counted

inline Words count(Words total, Words x) {
  return (Words)vpadalq_u8((uint16x8_t)total, vcntq_u8((uint8x16_t)x));
}
#ifdef __aarch64__
// Two vectors' pairs are added while they are bytes, so that 16 bits are all of a channel: as many instructions as adding
// each to a total of its own, and half of the totals. See paired_counting.h.
constexpr int kShared = 2, kFull = 2047;  // 2047 * 32 < 65536
inline Words words(Words total, int n) {
  const uint16x8_t sums = (uint16x8_t)total;
  return (Words)(n ? vmovl_high_u16(sums) : vmovl_u16(vget_low_u16(sums)));
}
#else
constexpr int kShared = 1, kFull = 4095;  // 4095 * 16 < 65536
inline Words words(Words total, int) { return (Words)vpaddlq_u16((uint16x8_t)total); }
#endif

#else  // bytes are counted and widened now and then

constexpr int kShared = 1, kFull = 31;  // 31 * 8 < 256
typedef uint8_t Octets __attribute__((vector_size(kBytes)));
inline Words count(Words total, Words x) {
  return (Words)((Octets)total + __builtin_elementwise_popcount((Octets)x));
}
#ifdef __AVX2__
inline Words words(Words total, int) {  // sums of pairs: bytes times one, then 16 bits times one
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)total, _mm256_set1_epi8(1));
  return (Words)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
#else
inline Words words(Words total, int) {
  const Words pairs = (total & 0x00ff00ffu) + ((total >> 8) & 0x00ff00ffu);
  return (pairs & 0xffffu) + (pairs >> 16);
}
#endif

#endif

#ifdef __ARM_NEON
// Loading into all lanes knows no index: rows are stepped through by pointers of their own.
#define BNN_STEPS 1

inline Words broadcast(const uint32_t*& row) {
  Words value;
#ifdef __aarch64__
  asm("ld1r {%0.4s}, [%1], #4" : "=w"(value), "+r"(row) : "m"(*row));
#else
  asm("vld1.32 {%e0[], %f0[]}, [%1]!" : "=w"(value), "+r"(row) : "m"(*row));
#endif
  return value;
}

#endif

#ifdef __aarch64__
// Each four words of a row meet weights that lie in turns: three instructions turn them, where four would broadcast them.
constexpr bool kTurns = true;
#else
constexpr bool kTurns = false;
#endif

}  // namespace
