// Part of model_kernels_test: IntegerKernels of one ISA level.
#pragma once
#include <stdint.h>

#include "level/model_kernels.h"

// How many cases were wrong; adds to how many values were compared.
int integer_failures(const bnn::IntegerKernels& of, uint64_t seed, int64_t* all);
