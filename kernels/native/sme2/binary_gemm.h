// The SME2 level's KernelSet, and what it takes from the level that BNN_OTHERS names.
#pragma once
#include "level/model_kernels.h"
#include "level/names.h"

extern bnn::KernelSet BNN_PART(binary);  // filled by the level's prepare()

extern const bnn::ModelKernels BNN_OTHER(model);
void BNN_OTHER(bitpack_f32)(const float* x, int64_t rows, int64_t channels, uint32_t* out);
void BNN_OTHER(bitpack_i8)(const int8_t* x, int8_t zero_point, int64_t rows, int64_t channels, uint32_t* out);
void BNN_OTHER(bit_max_pool)(const bnn::BitPool&, int64_t first, int64_t last, uint32_t* out);
