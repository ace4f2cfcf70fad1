// What a step does with its f32 values before they are stored.
#pragma once
#include <stdint.h>

namespace bnn {

// The numbers are those of the file format, docs/plans.md.
enum class StageKind : uint32_t {
  kScale = 0, kShift = 1, kClamp = 2, kAdd = 3, kMul = 4, kAddImage = 5, kMulImage = 6, kPrelu = 7, kAbs = 8,
  kLogistic = 9, kAddI8 = 10, kMulI8 = 11, kHardSwish = 12, kTanh = 13, kExp = 14, kSqrt = 15,
  kStore = 16, kStoreBits = 17, kStoreI8 = 18, kRoundI8 = 19,
  kStoreRequantized = 20, kStoreRequantizedOnce = 21, kStoreI8Even = 22, kRoundI8Even = 23,
  kRsqrt = 24,
};

struct Stage {
  StageKind kind;
  const float* constant;      // kScale kShift kPrelu: [strip_row(channels)]
  float low, high;            // kClamp
  uint8_t* tensor;            // kAdd* kMul* read it, kStore* write it: its first channel of pixel 0
  int64_t stride_bytes;       // between two pixels of it (of the *Image ones: between two images)
  float scale;                // kStoreI8* kRoundI8* kAddI8 kMulI8
  int32_t zero_point;         // of the same, and kStoreRequantized*
  int32_t low_i, high_i;      // kStoreRequantized*
  const int32_t* bias;        // kStoreRequantized*: [strip_row(channels)]
  const int32_t* multiplier;  // kStoreRequantized
  const int32_t* shift;       // to the left; negative: to the right
  const double* factor;       // kStoreRequantizedOnce; else null
};

struct Stages {
  const Stage* stage;
  int32_t count;
  int32_t channels;
  int64_t image_pixels;       // output pixels of one image, for the *Image stages
};

}  // namespace bnn
