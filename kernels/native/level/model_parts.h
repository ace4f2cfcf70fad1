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
int64_t BNN_PART(integer_depthwise_weights)(const int8_t* from, int32_t kh, int32_t kw, int32_t c, uint8_t* to);
int64_t BNN_PART(integer_depthwise_scratch)(const bnn::Window&);
void BNN_PART(integer_depthwise)(const bnn::IntegerWindow&, const bnn::IntegerStore*, int64_t first, int64_t last,
                                 int32_t* out, int64_t row, uint8_t* scratch);
int64_t BNN_PART(store_bytes)(const bnn::Stage&, int32_t channels);
void BNN_PART(prepare_store)(const bnn::Stage&, int32_t channels, void* to);
void BNN_PART(combine_i8)(const bnn::IntegerPair&, const int8_t* a, const int8_t* b, int64_t count, int8_t* out);
void BNN_PART(reduce_i8)(bool maxima, const int8_t* from, int64_t rows, int64_t down, int64_t columns, int64_t across,
                         int32_t* out);
void BNN_PART(requantize)(const bnn::Stage&, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums,
                          int64_t row);
void BNN_PART(run_stages)(const bnn::Stages&, int64_t first, int64_t pixels, float* strip, int64_t row_floats);
// A function of each value, in place; `count` is a multiple of the vector's lanes.
void BNN_PART(apply)(bnn::StageKind kind, float* values, int32_t count);
