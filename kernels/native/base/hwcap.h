// CPU features as Linux tells them to a program on Arm: bits of two words.
#pragma once
#include <sys/auxv.h>

namespace bnn::arch {

// The kernel's answer holds for every core of a big.LITTLE machine.
struct Feature {
  const char* name;
  unsigned long type;
  int bit;
};

inline bool has(const Feature& feature) { return getauxval(feature.type) >> feature.bit & 1; }

}  // namespace bnn::arch
