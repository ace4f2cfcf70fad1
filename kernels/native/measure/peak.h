// The `peak` request: what this machine reaches when nothing but the measured thing is done.
//
// Memory is read from one buffer for each thread: 16 KiB for l1, 128 KiB for l2, 2 MiB shared by all threads for llc, and
// 256 MiB shared by all (at most an eighth of the memory that is free) for dram.
#pragma once
#include "base/text.h"
#include "level/model_kernels.h"

namespace bnn {

bool measure_peak(const Request& request, const Kernels& kernels, Json& reply, Error& error);

}  // namespace bnn
