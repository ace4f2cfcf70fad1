// Which ISA levels this machine can run.
//
// musl's static binaries have no working __builtin_cpu_supports, so x86 asks cpuid and xgetbv itself and ARM asks the
// kernel, whose answer holds for every core of a big.LITTLE machine.
#include "base/isa.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#else
#include <sys/auxv.h>
#endif

namespace bnn {

namespace {

#if defined(__x86_64__)

struct Leaf {
  unsigned a = 0, b = 0, c = 0, d = 0;
  Leaf(unsigned leaf, unsigned subleaf) {
    if (!__get_cpuid_count(leaf, subleaf, &a, &b, &c, &d)) a = b = c = d = 0;
  }
};

bool bits(unsigned value, unsigned mask) { return (value & mask) == mask; }

// The register state that the operating system saves: a CPU's feature is of no use without.
unsigned saved_state() {
  if (!bits(Leaf(1, 0).c, 1u << 27)) return 0;  // OSXSAVE
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

bool has_baseline() { return true; }

// x86-64-v3: what the compiler may use in that translation unit.
bool has_avx2() {
  const Leaf one(1, 0), seven(7, 0), extended(0x80000001, 0);
  constexpr unsigned kFma = 1u << 12, kMovbe = 1u << 22, kPopcnt = 1u << 23, kAvx = 1u << 28, kF16c = 1u << 29;
  constexpr unsigned kBmi1 = 1u << 3, kAvx2 = 1u << 5, kBmi2 = 1u << 8, kLzcnt = 1u << 5;
  return bits(saved_state(), 0x6) && bits(one.c, kFma | kMovbe | kPopcnt | kAvx | kF16c) &&
         bits(seven.b, kBmi1 | kAvx2 | kBmi2) && bits(extended.c, kLzcnt);
}

// x86-64-v4 and VPOPCNTDQ.
bool has_avx512() {
  const Leaf seven(7, 0);
  constexpr unsigned kF = 1u << 16, kDq = 1u << 17, kCd = 1u << 28, kBw = 1u << 30, kVl = 1u << 31;
  constexpr unsigned kVpopcntdq = 1u << 14;
  return has_avx2() && bits(saved_state(), 0xe6) && bits(seven.b, kF | kDq | kCd | kBw | kVl) &&
         bits(seven.c, kVpopcntdq);
}

#elif defined(__aarch64__)

bool has_baseline() { return true; }
bool has_dotprod() {
  constexpr unsigned long kAsimdHp = 1ul << 10, kAsimdDp = 1ul << 20, kAtomics = 1ul << 8, kAsimdRdm = 1ul << 12,
                          kDcpop = 1ul << 16, kLrcpc = 1ul << 15;
  constexpr unsigned long kArmv82 = kAsimdHp | kAsimdDp | kAtomics | kAsimdRdm | kDcpop | kLrcpc;
  return (getauxval(AT_HWCAP) & kArmv82) == kArmv82;
}

#else

bool has_baseline() { return getauxval(AT_HWCAP) & (1ul << 12); }  // HWCAP_NEON

#endif

struct Level {
  const char* isa;
  bool (*test)();
};

constexpr Level kLevels[] = {
#if defined(__x86_64__)
    {"x86-64", has_baseline},
    {"avx2", has_avx2},
    {"avx512", has_avx512},
#elif defined(__aarch64__)
    {"neon", has_baseline},
    {"dotprod", has_dotprod},
#else
    {"neon", has_baseline},
#endif
};

}  // namespace

bool machine_has_isa(const char* isa) {
  for (const Level& level : kLevels)
    if (!strcmp(level.isa, isa)) return level.test();
  return false;
}

bool machine_has_sha256() {
#if defined(__x86_64__)
  constexpr unsigned kSsse3 = 1u << 9, kSse41 = 1u << 19, kSha = 1u << 29;
  return bits(Leaf(1, 0).c, kSsse3 | kSse41) && bits(Leaf(7, 0).b, kSha);
#elif defined(__aarch64__)
  return getauxval(AT_HWCAP) & (1ul << 6);  // HWCAP_SHA2
#else
  return false;
#endif
}

}  // namespace bnn
