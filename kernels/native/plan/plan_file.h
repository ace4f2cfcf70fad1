// A plan (docs/plans.md) as typed records, every one of them checked: whoever uses them need not look again.
#pragma once
#include <stdint.h>

#include "base/half.h"
#include "level/model_kernels.h"
#include "op/workload.h"

namespace bnn {

// The numbers are those of the file format.
enum class DType : uint32_t { kF32 = 0, kI8 = 1, kBits = 2, kI32 = 3, kU8 = 4 };
enum class StepKind : uint32_t {
  kRead = 0, kConv = 1, kDepthwise = 2, kPool = 3, kBconv = 4, kSoftmax = 5, kUnpack = 6, kBroadcast = 7,
  kInterpolate = 8,
  kBconvBits = 16, kBmaxpool = 17, kPack = 18, kPlace = 19, kSlice = 20, kTranspose = 21, kPoolI8 = 22,
  kBinaryI8 = 23, kSoftmaxI8 = 24, kTableI8 = 25, kMeanI8 = 26, kConstant = 27,
  kAverageI8 = 28, kGather = 29,
};

constexpr int32_t kBroadcastOps = 8;  // numbers of `op` of broadcast

struct PlanTensor {
  const char* name;
  DType dtype;
  int32_t rank;
  int32_t n, h, w, c;
  float scale;
  int32_t zero_point;
  int64_t offset;
  int64_t pixels() const { return (int64_t)n * h * w; }
  int32_t elements() const { return dtype == DType::kBits ? c / 32 + (c % 32 != 0) : c; }  // of a pixel
  int32_t element_bytes() const { return dtype == DType::kI8 || dtype == DType::kU8 ? 1 : 4; }
  int64_t pixel_bytes() const { return (int64_t)elements() * element_bytes(); }
  int64_t bytes() const { return pixels() * pixel_bytes(); }
};

struct PlanStage {
  StageKind kind;
  const PlanTensor* tensor;
  int32_t channel;
  float low, high, scale;
  int32_t zero_point, low_i, high_i;
  const uint8_t *constant, *bias, *multiplier, *shift;  // one number of 4 bytes for each channel
  const uint8_t* factor;      // one f64 for each channel
};

struct Fixed {
  int32_t multiplier, shift;  // Q31, to the left
};

// What a step's kind does not have is 0. Constants point into the file.
struct PlanStep {
  StepKind kind;
  const char *kind_name, *name;
  const PlanTensor *x, *b, *out;
  int32_t n, h, w, c;         // the stream
  Window window;
  int32_t weight_bytes;       // conv, depthwise: 4 f32, 2 f16, 1 i8
  int32_t groups, multiplier, pad_value, act_low, act_high;
  int32_t op;                 // of pools, broadcast, binary_i8
  int32_t channel;            // read
  float beta;                 // softmax
  float ratio;                // average_i8
  int32_t start[4], perm[4];
  int32_t a_stride[4], b_stride[4];
  int32_t fills;
  uint32_t value;
  int32_t low, high, left_shift;
  Fixed a_fixed, b_fixed, out_fixed;
  const uint8_t *weights, *scales, *bias, *threshold, *table;
  const uint8_t* places[6];   // gather: of n h w c; interpolate: low, high and share of rows, then of columns
  int32_t stages;
  PlanStage* stage;

  // The i-th weight of conv and depthwise, as f32.
  float weight(int64_t i) const {
    switch (weight_bytes) {
      case 1: return (float)((const int8_t*)weights)[i];
      case 2: return __builtin_bit_cast(float, widened(((const uint16_t*)weights)[i]));
      default: return ((const float*)weights)[i];
    }
  }
};

struct PlanFile {
  int64_t arena_bytes, data_bytes;
  const uint8_t* data;
  int32_t tensors, inputs, outputs, steps;
  PlanTensor* tensor;
  const PlanTensor **input, **output;
  PlanStep* step;
};

// Checks all that docs/plans.md lists. The records live in `arena`, constants stay in `bytes`.
bool parse_plan(const uint8_t* bytes, int64_t count, Arena& arena, PlanFile& plan, Error& error);

// The steps' records (plan/steps.cpp): `words` is the rest of the program.
bool parse_steps(const uint32_t* words, const uint32_t* end, Arena& arena, PlanFile& plan, Error& error);

// Whether a stage writes its tensor.
bool stage_stores(StageKind kind);

// A name of the data, cut to what a person reads, in `arena`; null sets the error.
const char* copy_name(const PlanFile& plan, uint32_t place, uint32_t length, Arena& arena, Error& error);

}  // namespace bnn
