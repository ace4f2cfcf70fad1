// From an op's arrays to what the micro-kernels eat: windows as offsets, weights in lane order, the epilogue's vectors.
#pragma once
#include <stdint.h>

#include "kernel_set.h"
#include "workload.h"

namespace bnn {

struct GemmPlan {
  ImplicitGemm gemm;
  int blocks;
  ChannelBlock* block;  // [blocks]
  // The image with its border: `x` goes into `padded` before each run. Without a border both are one.
  const uint32_t* x;
  uint32_t* padded;     // null: no border
  int32_t images, height, row_words, padded_height, padded_row_words, pad_top, pad_left_words;
};

// Copies `data` into the arena, packed for `kernels`. `out` receives the result of each run.
bool plan_gemm(const Op& op, const KernelSet& kernels, const uint8_t* data, uint8_t* out, Arena& arena,
               GemmPlan& plan, Error& error);

// The part of a run before the micro-kernels: the border's bits stay 0, which is +1.
void fill_padding(const GemmPlan& plan);

}  // namespace bnn
