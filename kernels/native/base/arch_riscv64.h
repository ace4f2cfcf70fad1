// 64-bit RISC-V.
#pragma once
#include <stdint.h>
#include <unistd.h>

namespace bnn::arch {

struct Feature {
  const char* name;
  int bit;
};

// RISCV_HWPROBE_EXT_* of the kernel's arch/riscv/include/uapi/asm/hwprobe.h. AT_HWCAP is no judge of vectors: kernels of
// some vendors set its bit for version 0.7, whose instructions are others.
constexpr Feature kFeatures[] = {{"c", 1}, {"v", 2}, {"zba", 3}, {"zbb", 4}, {"zbs", 5}};

// All CPUs have it. Kernels before 6.4 do not know the call: there is then nothing beyond the baseline.
inline bool has(const Feature& feature) {
  constexpr long kHwprobe = 258;
  struct {
    int64_t key;
    uint64_t value;
  } extensions = {4, 0};
  return syscall(kHwprobe, &extensions, 1, 0, 0, 0) == 0 && extensions.key == 4 && extensions.value >> feature.bit & 1;
}

constexpr const char* kSha256 = nullptr;
inline void sha256_blocks(uint32_t (&)[8], const uint8_t*, uint64_t, const uint32_t (&)[64]) { __builtin_trap(); }

inline void relax() { asm volatile(".insn 0x0100000f"); }  // pause, a hint: nothing where it is not known

constexpr int kCyclesPerStep = 1;
inline void step(uintptr_t& x) { asm volatile("addi %0, %0, 1" : "+r"(x)); }

}  // namespace bnn::arch
