// Depthwise convolutions of i8 whose exact sums an i32 holds.
#include <stdio.h>
#include <string.h>

#include "model/stream.h"

namespace bnn {

namespace {

struct IntegerDepthwise : Stream {
  IntegerWindow window;
};

void look(const Stream& stream, uint8_t* extra, int64_t first, int64_t last, float* out, int64_t row) {
  const IntegerDepthwise& self = (const IntegerDepthwise&)stream;
  const IntegerStore store = self.store_from(first);
  self.integers->depthwise(self.window, store.factors ? &store : nullptr, first, last, (int32_t*)out, row, extra);
  if (!self.is_integer) self.integers->to_floats((int32_t*)out, last - first, self.stages.channels, row);
}

// The bias, less what the zero point and the offset of encoded values add to a sum.
int32_t* start_of(const PlanStep& step, StepBuilder& builder) {
  uint32_t* start = builder.arena.array<uint32_t>(strip_row(step.c), builder.error);
  if (!start) return nullptr;
  const int64_t taps = (int64_t)step.window.kh * step.window.kw;
  const int64_t zero = step.x->zero_point + builder.kernels.integers->offset;
  const int8_t* weights = (const int8_t*)step.weights;
  for (int64_t c = 0; c < step.c; ++c) {
    int64_t sum = 0;
    uint32_t bias = 0;
    if (step.stage[0].bias) memcpy(&bias, step.stage[0].bias + c * 4, 4);
    for (int64_t t = 0; t < taps; ++t) sum += weights[t * step.c + c];
    start[c] = bias - (uint32_t)(sum * zero);
  }
  return (int32_t*)start;
}

}  // namespace

Step* build_integer_depthwise(const PlanStep& step, StepBuilder& builder) {
  const IntegerKernels& kernels = *builder.kernels.integers;
  IntegerDepthwise* self = builder.arena.array<IntegerDepthwise>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, false, builder)) return nullptr;
  const PlanTensor& x = *step.x;
  const Window& window = step.window;
  const int8_t* from = (const int8_t*)step.weights;
  uint8_t* weights = builder.arena.array<uint8_t>(
      kernels.depthwise_weights(from, window.kh, window.kw, step.c, nullptr), builder.error);
  const int32_t* start = start_of(step, builder);
  if (builder.error.failed()) return nullptr;
  kernels.depthwise_weights(from, window.kh, window.kw, step.c, weights);
  self->window = {(const int8_t*)builder.place(x), x.n, x.h, x.w, x.c, step.h, step.w, window, x.zero_point,
                  weights, start};
  if (!set_integer_stage(*self, step, true, builder)) return nullptr;
  if (self->store.factors) self->strip_tiles = self->units;  // it has segments of its own
  self->produce = look;
  add_scratch(*self, kernels.depthwise_scratch(window));
  self->cost_ns += 0.05 * (double)self->units * step.c * window.kh * window.kw;
  snprintf(self->label, sizeof self->label, "depthwise i8");
  return self;
}

}  // namespace bnn
