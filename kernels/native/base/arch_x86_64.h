// 64-bit x86. musl's static binaries have no working __builtin_cpu_supports, so cpuid and xgetbv are asked here.
#pragma once
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>

namespace bnn::arch {

enum Register { kEax, kEbx, kEcx, kEdx };

// A bit of cpuid, and the register state that the operating system must save for it to be of use.
struct Feature {
  const char* name;
  unsigned leaf;
  Register where;
  int bit;
  unsigned state;
};

constexpr unsigned kYmm = 0x6, kZmm = 0xe6;
constexpr Feature kFeatures[] = {
    {"ssse3", 1, kEcx, 9, 0},
    {"fma", 1, kEcx, 12, kYmm},
    {"sse4_1", 1, kEcx, 19, 0},
    {"sse4_2", 1, kEcx, 20, 0},
    {"movbe", 1, kEcx, 22, 0},
    {"popcnt", 1, kEcx, 23, 0},
    {"aes", 1, kEcx, 25, 0},
    {"avx", 1, kEcx, 28, kYmm},
    {"f16c", 1, kEcx, 29, kYmm},
    {"bmi1", 7, kEbx, 3, 0},
    {"avx2", 7, kEbx, 5, kYmm},
    {"bmi2", 7, kEbx, 8, 0},
    {"avx512f", 7, kEbx, 16, kZmm},
    {"avx512dq", 7, kEbx, 17, kZmm},
    {"avx512cd", 7, kEbx, 28, kZmm},
    {"sha_ni", 7, kEbx, 29, 0},
    {"avx512bw", 7, kEbx, 30, kZmm},
    {"avx512vl", 7, kEbx, 31, kZmm},
    {"avx512vbmi", 7, kEcx, 1, kZmm},
    {"avx512_vbmi2", 7, kEcx, 6, kZmm},
    {"gfni", 7, kEcx, 8, 0},
    {"avx512_vnni", 7, kEcx, 11, kZmm},
    {"avx512_bitalg", 7, kEcx, 12, kZmm},
    {"avx512_vpopcntdq", 7, kEcx, 14, kZmm},
    {"abm", 0x80000001, kEcx, 5, 0},  // LZCNT
};

inline unsigned cpuid(unsigned leaf, Register where) {
  unsigned value[4];
  const bool is_there = __get_cpuid_count(leaf, 0, value, value + 1, value + 2, value + 3);
  return is_there ? value[where] : 0;
}

// The register state that the operating system saves.
inline unsigned saved_state() {
  constexpr unsigned kOsXsave = 1u << 27;
  if (!(cpuid(1, kEcx) & kOsXsave)) return 0;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

inline bool has(const Feature& feature) {
  if (!(cpuid(feature.leaf, feature.where) >> feature.bit & 1)) return false;
  return feature.state == 0 || (saved_state() & feature.state) == feature.state;
}

// The instructions want the state as (a b e f) and (c d g h), the highest lane first.
constexpr const char* kSha256 = "ssse3 sse4_1 sha_ni";
__attribute__((target("sha,sse4.1"))) inline void sha256_blocks(uint32_t (&H)[8], const uint8_t* data, uint64_t blocks,
                                                                const uint32_t (&K)[64]) {
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
      const __m128i sum = _mm_add_epi32(w, _mm_loadu_si128((const __m128i*)K + i));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
    }
    abef = _mm_add_epi32(abef, old_abef);
    cdgh = _mm_add_epi32(cdgh, old_cdgh);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  _mm_storeu_si128((__m128i*)H, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128((__m128i*)(H + 4), _mm_alignr_epi8(dchg, feba, 8));
}

inline void relax() { asm volatile("pause"); }

constexpr int kCyclesPerStep = 3;  // of a multiplication: additions may be optimised away by renaming
inline void step(uintptr_t& x) { asm volatile("imul %0, %0" : "+r"(x)); }

}  // namespace bnn::arch
