// The functions of one ISA level's KernelSet that stand in several files. BNN_BINARY_PART gives each a name of the
// level's own.
#pragma once
#include "level/kernel_set.h"
#include "level/names.h"

#define BNN_BINARY_PART(name) BNN_PASTE(BNN_ISA_SYMBOL, name)

void BNN_BINARY_PART(bitpack_f32)(const float* x, int64_t rows, int64_t channels, uint32_t* out);
void BNN_BINARY_PART(bitpack_i8)(const int8_t* x, int8_t zero_point, int64_t rows, int64_t channels, uint32_t* out);
void BNN_BINARY_PART(max_pool)(const bnn::BitPool&, int64_t first, int64_t last, uint32_t* out);
