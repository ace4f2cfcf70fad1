// 32-bit Arm.
#pragma once
#include <stdint.h>

#include "base/hwcap.h"

namespace bnn::arch {

// HWCAP_* of the kernel's arch/arm/include/uapi/asm/hwcap.h.
constexpr Feature kFeatures[] = {
    {"neon", AT_HWCAP, 12},    {"vfpv3", AT_HWCAP, 13},   {"vfpv4", AT_HWCAP, 16},    {"idiva", AT_HWCAP, 17},
    {"idivt", AT_HWCAP, 18},   {"asimdhp", AT_HWCAP, 23}, {"asimddp", AT_HWCAP, 24},  {"asimdbf16", AT_HWCAP, 26},
    {"i8mm", AT_HWCAP, 27},    {"aes", AT_HWCAP2, 0},     {"sha1", AT_HWCAP2, 2},     {"sha2", AT_HWCAP2, 3},
    {"crc32", AT_HWCAP2, 4},
};

constexpr const char* kSha256 = nullptr;
inline void sha256_blocks(uint32_t (&)[8], const uint8_t*, uint64_t, const uint32_t (&)[64]) { __builtin_trap(); }

inline void relax() { asm volatile("yield"); }

constexpr int kCyclesPerStep = 1;
inline void step(uintptr_t& x) { asm volatile("add %0, %0, #1" : "+r"(x)); }

}  // namespace bnn::arch
