// Time, and the clock rate that the core really has.
#pragma once
#include <stdint.h>

namespace bnn {

int64_t now_ns();  // CLOCK_MONOTONIC

// Rate from a chain of dependent instructions, about `duration_ns` long. Needs no permission and sees throttling.
double measure_clock_hz(int64_t duration_ns);

}  // namespace bnn
