// What differs between architectures outside of level/: this file's only #if chooses the header that says it.
//
// Each has, in namespace bnn::arch:
//   kFeatures       what this CPU can be asked for, by the names of /proc/cpuinfo
//   has             whether this CPU has one of them
//   kSha256         the features that sha256_blocks needs
//   sha256_blocks   SHA-256 of whole blocks by the CPU's own instructions
//   relax           a hint to the CPU that it waits in a loop
//   step            one instruction that depends on the one before, kCyclesPerStep long on every core we know
#pragma once

#if defined(__x86_64__)
#include "base/arch_x86_64.h"
#elif defined(__aarch64__)
#include "base/arch_aarch64.h"
#elif defined(__arm__)
#include "base/arch_arm.h"
#elif defined(__riscv) && __riscv_xlen == 64
#include "base/arch_riscv64.h"
#else
#include "base/arch_other.h"
#endif
