// From an op's arrays to what the micro-kernels eat: windows as offsets, weights in lane order, the epilogue's vectors.
#pragma once
#include <stdint.h>

#include "convolution/padding.h"
#include "base/arena.h"

namespace bnn {

// All but `gemm.input` (the padded image where there is a border), `gemm.out` and its stride, which its user sets.
struct GemmPlan {
  ImplicitGemm gemm;
  int blocks;
  ChannelBlock* block;  // [blocks]
  Padding padding;
};

struct BinaryConv {
  ConvShape shape;
  int32_t c;  // channels of x: its words hold as many bits
  int32_t pad_value;
  Output output;
  int32_t clamp_low, clamp_high;
  int32_t offset;                        // kFloat: subtracted from the dot product after the clamp
  const uint32_t* filter;                // [oc][kh][kw][words / groups]
  const uint8_t *multiplier, *bias;      // f32[oc], kFloat
  const uint8_t* threshold;              // i32[oc], kBits
  int64_t bits() const { return (int64_t)shape.taps() * (c / shape.groups); }  // of a dot product
  // Bits of groups that are no whole bytes, or sums that float does not hold exactly: no kernel finishes these, so
  // integer dot products come first, then finish_dots.
  bool needs_dots() const;
};

// f32 weights [oc][kh][kw][words / groups], or f16 ones with 2 bytes each.
struct FloatWeights {
  const uint8_t* values;
  int32_t bytes;
};

// All copy what they need into the arena, packed for the kernels.
bool plan_binary_gemm(const BinaryConv& conv, const BlockWidths& widths, Arena& arena, GemmPlan& plan, Error& error);
bool plan_float_gemm(const ConvShape& shape, FloatWeights weights, const float* bias, const ModelKernels& kernels,
                     Arena& arena, GemmPlan& plan, Error& error);

// `start` are the sums' first values, i32[oc].
bool plan_integer_gemm(const ConvShape& shape, const uint32_t* filter, const uint32_t* start,
                       const IntegerKernels& kernels, Arena& arena, GemmPlan& plan, Error& error);

// The epilogue of `pixels` pixels' dot products [pixels][row]; f32 values may take their place. The pointers of `conv`
// must still hold.
void finish_dots(const BinaryConv& conv, const int32_t* dots, int64_t row, int64_t pixels, uint8_t* out,
                 int64_t out_stride_bytes);

}  // namespace bnn
