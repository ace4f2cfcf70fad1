// An architecture of which nothing special is known: it has the features of its baseline alone.
#pragma once
#include <stdint.h>

namespace bnn::arch {

struct Feature {
  const char* name;
};

constexpr Feature kFeatures[] = {{"baseline"}};
inline bool has(const Feature&) { return true; }

constexpr const char* kSha256 = nullptr;
inline void sha256_blocks(uint32_t (&)[8], const uint8_t*, uint64_t, const uint32_t (&)[64]) { __builtin_trap(); }

inline void relax() { asm volatile("" : : : "memory"); }

constexpr int kCyclesPerStep = 1;
inline void step(uintptr_t& x) {
  x += 1;
  asm volatile("" : "+r"(x));
}

}  // namespace bnn::arch
