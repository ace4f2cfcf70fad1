// 64-bit Arm.
#pragma once
#include <arm_neon.h>
#include <stdint.h>

#include "base/hwcap.h"

namespace bnn::arch {

// HWCAP_* of the kernel's arch/arm64/include/uapi/asm/hwcap.h.
constexpr Feature kFeatures[] = {
    {"fp", AT_HWCAP, 0},        {"asimd", AT_HWCAP, 1},     {"aes", AT_HWCAP, 3},      {"pmull", AT_HWCAP, 4},
    {"sha1", AT_HWCAP, 5},      {"sha2", AT_HWCAP, 6},      {"crc32", AT_HWCAP, 7},    {"atomics", AT_HWCAP, 8},
    {"fphp", AT_HWCAP, 9},      {"asimdhp", AT_HWCAP, 10},  {"asimdrdm", AT_HWCAP, 12}, {"jscvt", AT_HWCAP, 13},
    {"fcma", AT_HWCAP, 14},     {"lrcpc", AT_HWCAP, 15},    {"dcpop", AT_HWCAP, 16},   {"sha3", AT_HWCAP, 17},
    {"asimddp", AT_HWCAP, 20},  {"sha512", AT_HWCAP, 21},   {"sve", AT_HWCAP, 22},     {"asimdfhm", AT_HWCAP, 23},
    {"ilrcpc", AT_HWCAP, 26},   {"flagm", AT_HWCAP, 27},    {"dcpodp", AT_HWCAP2, 0},  {"sve2", AT_HWCAP2, 1},
    {"flagm2", AT_HWCAP2, 7},   {"frint", AT_HWCAP2, 8},    {"svei8mm", AT_HWCAP2, 9}, {"svebf16", AT_HWCAP2, 12},
    {"i8mm", AT_HWCAP2, 13},    {"bf16", AT_HWCAP2, 14},    {"sme", AT_HWCAP2, 23},    {"sme2", AT_HWCAP2, 37},
    {"smebi32i32", AT_HWCAP2, 40},
};

constexpr const char* kSha256 = "sha2";
__attribute__((target("sha2"))) inline void sha256_blocks(uint32_t (&H)[8], const uint8_t* data, uint64_t blocks,
                                                          const uint32_t (&K)[64]) {
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
      const uint32x4_t sum = vaddq_u32(w, vld1q_u32(K + 4 * i)), before = abcd;
      abcd = vsha256hq_u32(abcd, efgh, sum);
      efgh = vsha256h2q_u32(efgh, before, sum);
    }
    abcd = vaddq_u32(abcd, old_abcd);
    efgh = vaddq_u32(efgh, old_efgh);
  }
  vst1q_u32(H, abcd);
  vst1q_u32(H + 4, efgh);
}

inline void relax() { asm volatile("yield"); }

constexpr int kCyclesPerStep = 1;  // every core does one dependent addition per cycle
inline void step(uintptr_t& x) { asm volatile("add %0, %0, #1" : "+r"(x)); }

}  // namespace bnn::arch
