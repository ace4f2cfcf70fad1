// One ISA level's ModelKernels, and the functions of it that stand in other files.
#pragma once
#include "level/model_kernels.h"
#include "level/names.h"

extern const bnn::ModelKernels BNN_PART(model);
extern const bnn::IntegerKernels BNN_PART(integers);

void BNN_PART(depthwise)(const bnn::WindowedStream&, int64_t first, int64_t last, const bnn::FloatEpilogue&, float* out,
                         int64_t row_floats);
void BNN_PART(max_pool)(const bnn::WindowedStream&, int64_t first, int64_t last, float* out, int64_t row_floats);
void BNN_PART(average_pool)(const bnn::WindowedStream&, int64_t first, int64_t last, float* out, int64_t row_floats);
void BNN_PART(read_f32)(const float* from, int64_t from_stride, int64_t rows, int32_t channels, float* out,
                        int64_t row_floats);
void BNN_PART(read_i8)(const int8_t* from, int64_t from_stride, int64_t rows, int32_t channels, float scale,
                       int32_t zero_point, float* out, int64_t row_floats);
void BNN_PART(unpack)(const uint32_t* from, int64_t rows, int32_t channels, float* out, int64_t row_floats);
void BNN_PART(softmax)(const float* from, int64_t rows, int32_t channels, float beta, float* out, int64_t row_floats);
void BNN_PART(requantize)(const bnn::Stage&, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums,
                          int64_t row);
void BNN_PART(run_stages)(const bnn::Stages&, int64_t first, int64_t pixels, float* strip, int64_t row_floats);
// A function of each value, in place; `count` is a multiple of the vector's lanes.
void BNN_PART(apply)(bnn::StageKind kind, float* values, int32_t count);
