// One ISA level's KernelSet, and the functions of it that stand in other files.
#pragma once
#include "level/kernel_set.h"
#include "level/names.h"

extern const bnn::KernelSet BNN_PART(binary);

void BNN_PART(bitpack_f32)(const float* x, int64_t rows, int64_t channels, uint32_t* out);
void BNN_PART(bitpack_i8)(const int8_t* x, int8_t zero_point, int64_t rows, int64_t channels, uint32_t* out);
void BNN_PART(bit_max_pool)(const bnn::BitPool&, int64_t first, int64_t last, uint32_t* out);
