// The row of the SME2 level: binary products of its own, all else of another level.
#include <arm_sme.h>
#include <sys/prctl.h>

#include "sme2/binary_gemm.h"

#ifndef PR_SME_SET_VL
#define PR_SME_SET_VL 63
#endif

namespace {

constexpr int kMostBytes = 64;  // of a vector: blocks have 64 channels at most

// Linux gives a program vectors of 32 bytes until it asks for longer ones; threads inherit what was asked for.
bool prepare() {
  prctl(PR_SME_SET_VL, kMostBytes, 0, 0, 0);
  const int lanes = (int)svcntsw();
  if (lanes * 4 > kMostBytes) return false;
  bnn::KernelSet& set = BNN_PART(binary);
  set.vector_bytes = lanes * 4;
  set.tile_pixels = lanes;
  set.widths = {lanes < 8 ? 8 : lanes, 4 * lanes};
  return true;
}

}  // namespace

extern const bnn::IntegerKernels BNN_INTEGERS;  // of a third level
extern bnn::Level BNN_PART(level);
bnn::Level BNN_PART(level) = {
    {BNN_ISA_FEATURES, &BNN_PART(binary), &BNN_OTHER(model), &BNN_INTEGERS, prepare}};

// The ABI's: saves what a caller left in ZA. No code of an engine does so, and the C library has no such function.
extern "C" void __arm_tpidr2_save() { __builtin_trap(); }
