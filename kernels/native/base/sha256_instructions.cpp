// SHA-256 with the CPU's own instructions: a plan's checksum is most of the time that loading it takes.
#include "base/sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace bnn {

#if defined(__x86_64__)

// The instructions want the state as (a b e f) and (c d g h), the highest lane first.
__attribute__((target("sha,sse4.1"))) void sha256_instructions(uint32_t (&H)[8], const uint8_t* data,
                                                               uint64_t blocks) {
  const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i*)H), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i*)(H + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; blocks > 0; --blocks, data += 64) {
    const __m128i old_abef = abef, old_cdgh = cdgh;
    __m128i W[4];
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; ++i) {
      __m128i& w = W[i % 4];
      if (i < 4) {
        w = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i*)data + i), order);
      } else {
        const __m128i last = W[(i + 3) % 4], middle = _mm_alignr_epi8(last, W[(i + 2) % 4], 4);
        w = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(w, W[(i + 1) % 4]), middle), last);
      }
      const __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i*)kSha256Constants + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, old_abef), cdgh = _mm_add_epi32(cdgh, old_cdgh);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i*)H, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i*)(H + 4), _mm_alignr_epi8(dchg, feba, 8));
}

#elif defined(__aarch64__)

__attribute__((target("sha2"))) void sha256_instructions(uint32_t (&H)[8], const uint8_t* data, uint64_t blocks) {
  uint32x4_t abcd = vld1q_u32(H), efgh = vld1q_u32(H + 4);
  for (; blocks > 0; --blocks, data += 64) {
    const uint32x4_t old_abcd = abcd, old_efgh = efgh;
    uint32x4_t W[4];
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; ++i) {
      uint32x4_t& w = W[i % 4];
      if (i < 4) {
        w = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(data + 16 * i)));
      } else {
        w = vsha256su1q_u32(vsha256su0q_u32(w, W[(i + 1) % 4]), W[(i + 2) % 4], W[(i + 3) % 4]);
      }
      const uint32x4_t sum = vaddq_u32(w, vld1q_u32(kSha256Constants + 4 * i)), before = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, before, sum);
    }
    abcd = vaddq_u32(abcd, old_abcd), efgh = vaddq_u32(efgh, old_efgh);
  }
  vst1q_u32(H, abcd), vst1q_u32(H + 4, efgh);
}

#else

void sha256_instructions(uint32_t (&)[8], const uint8_t*, uint64_t) { __builtin_trap(); }

#endif

}  // namespace bnn
