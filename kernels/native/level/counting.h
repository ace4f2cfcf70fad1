// Counting bits and adding the counts up, as each ISA level does it best: `count(total, x)` adds the set bits of x to a
// running total, and `words(total)` makes 32-bit sums of it. A total holds kFull words at least.
#pragma once
#include "level/vectors.h"

#if BNN_COUNTS_PAIRS || BNN_COUNTS_DOTS
#include <arm_neon.h>
#elif BNN_COUNTS_BYTES && defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

#if BNN_COUNTS_WORDS  // a popcount of 32-bit lanes

constexpr int kFull = 1 << 30;
inline Words count(Words total, Words x) { return total + __builtin_elementwise_popcount(x); }
inline Words words(Words total) { return total; }

#elif BNN_COUNTS_PAIRS  // NEON: pairs of bytes are added into 16 bits as they are counted

constexpr int kFull = 4095;  // 4095 * 16 < 65536
inline Words count(Words total, Words x) {
  return (Words)vpadalq_u8((uint16x8_t)total, vcntq_u8((uint8x16_t)x));
}
inline Words words(Words total) { return (Words)vpaddlq_u16((uint16x8_t)total); }

#elif BNN_COUNTS_DOTS  // NEON with dot product: four bytes are added into 32 bits as they are counted

constexpr int kFull = 1 << 30;
inline Words count(Words total, Words x) {
  return (Words)vdotq_u32((uint32x4_t)total, vcntq_u8((uint8x16_t)x), vdupq_n_u8(1));
}
inline Words words(Words total) { return total; }

#else  // bytes are counted and widened now and then

constexpr int kFull = 31;  // 31 * 8 < 256
typedef uint8_t Octets __attribute__((vector_size(kBytes)));
inline Words count(Words total, Words x) {
  return (Words)((Octets)total + __builtin_elementwise_popcount((Octets)x));
}
#ifdef __AVX2__
inline Words words(Words total) {  // sums of pairs: bytes times one, then 16 bits times one
  const __m256i pairs = _mm256_maddubs_epi16((__m256i)total, _mm256_set1_epi8(1));
  return (Words)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}
#else
inline Words words(Words total) {
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

}  // namespace
