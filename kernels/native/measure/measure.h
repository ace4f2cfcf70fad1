// The `run` request: timing, and nothing else inside the timed blocks.
#pragma once
#include "base/text.h"
#include "op/workload.h"

namespace bnn {

bool run_request(const Request& request, Workload& workload, Json& reply, Error& error);

}  // namespace bnn
