// Integer convolutions whose sums f32 might not hold: one product at a time, in 32 bits. Slow, and rarely needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/fixed_point.h"
#include "model/step.h"

namespace bnn {

namespace {

struct ExactStep : Step {
  const int8_t *x, *weights;
  int8_t* out;
  int32_t h, w, c, out_h, out_w, oc;
  Window window;
  int32_t inputs;            // channels of x that an output channel sees
  int32_t per_input;         // output channels that see the same ones
  int64_t tap, channel;      // weights between two taps, and between two output channels
  int32_t zero_point, out_zero_point, low, high;
  const int32_t *bias, *multiplier, *shift;
  bool once;                 // rounded once
};

int32_t sum(const ExactStep& self, int64_t n, int64_t y, int64_t x, int32_t oc) {
  const Window& k = self.window;
  const int8_t* weights = self.weights + oc * self.channel;
  uint32_t total = 0;  // wraps as TFLite's does
  for (int32_t ky = 0; ky < k.kh; ++ky) {
    const int64_t row = y * k.sh - k.pad_top + (int64_t)ky * k.dh;
    for (int32_t kx = 0; kx < k.kw; ++kx) {
      const int64_t column = x * k.sw - k.pad_left + (int64_t)kx * k.dw;
      if (row < 0 || row >= self.h || column < 0 || column >= self.w) continue;
      const int8_t* from = self.x + ((n * self.h + row) * self.w + column) * self.c;
      from += (int64_t)(oc / self.per_input) * self.inputs;
      const int8_t* weight = weights + ((int64_t)ky * k.kw + kx) * self.tap;
      for (int32_t i = 0; i < self.inputs; ++i) total += (uint32_t)((from[i] - self.zero_point) * weight[i]);
    }
  }
  return (int32_t)total;
}

void run_exact(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const ExactStep& self = (const ExactStep&)step;
  for (int64_t p = first; p < last; ++p) {
    const int64_t x = p % self.out_w, y = p / self.out_w % self.out_h, n = p / self.out_w / self.out_h;
    for (int32_t c = 0; c < self.oc; ++c) {
      const int32_t value = (int32_t)((uint32_t)sum(self, n, y, x, c) + (uint32_t)self.bias[c]);
      const Fixed factor = {self.multiplier[c], self.shift[c]};
      const int64_t scaled = self.once ? requantize_once(value, factor) : requantize(value, factor);
      self.out[p * self.oc + c] = (int8_t)limited(scaled + self.out_zero_point, self.low, self.high);
    }
  }
}

}  // namespace

bool sums_are_exact(const PlanStep& step) {
  const bool depthwise = step.kind == StepKind::kDepthwise;
  const int64_t taps = (int64_t)step.window.kh * step.window.kw;
  const int64_t products = depthwise ? taps : taps * (step.x->c / step.groups);
  const int64_t channel = depthwise ? 1 : products, next = depthwise ? step.c : 1;
  const int32_t zero = step.x->zero_point, largest = zero + 128 > 127 - zero ? zero + 128 : 127 - zero;
  const int8_t* weights = (const int8_t*)step.weights;
  for (int64_t c = 0; c < step.c; ++c) {
    int64_t total = 0;
    for (int64_t k = 0; k < products; ++k) total += abs(weights[c * channel + k * next]);
    if (total * largest > kMaxExactFloat) return false;
  }
  return true;
}

Step* build_exact_convolution(const PlanStep& step, StepBuilder& builder) {
  const bool depthwise = step.kind == StepKind::kDepthwise;
  const PlanTensor& x = *step.x;
  const PlanStage& stage = step.stage[0];
  const int64_t taps = (int64_t)step.window.kh * step.window.kw;
  ExactStep* self = builder.arena.array<ExactStep>(1, builder.error);
  if (!self) return nullptr;
  self->inputs = depthwise ? 1 : x.c / step.groups;
  self->per_input = depthwise ? step.multiplier : step.c / step.groups;
  self->tap = depthwise ? step.c : self->inputs;
  self->channel = depthwise ? 1 : taps * self->inputs;
  const int64_t bytes = taps * self->inputs * step.c;
  int8_t* weights = builder.arena.array<int8_t>(bytes, builder.error);
  self->bias = builder.padded_constant<int32_t>(stage.bias, step.c);
  self->multiplier = builder.padded_constant<int32_t>(stage.multiplier, step.c);
  self->shift = builder.padded_constant<int32_t>(stage.shift, step.c);
  if (builder.error.failed()) return nullptr;
  memcpy(weights, step.weights, (size_t)bytes);
  self->x = (const int8_t*)builder.place(x);
  self->weights = weights;
  self->out = (int8_t*)builder.place(*stage.tensor);
  self->h = x.h;
  self->w = x.w;
  self->c = x.c;
  self->out_h = step.h;
  self->out_w = step.w;
  self->oc = step.c;
  self->window = step.window;
  self->zero_point = x.zero_point;
  self->out_zero_point = stage.zero_point;
  self->low = stage.low_i;
  self->high = stage.high_i;
  self->once = stage.kind == StageKind::kStoreRequantizedOnce;
  self->run = run_exact;
  self->units = (int64_t)step.n * step.h * step.w;
  self->cost_ns = 0.5 * (double)self->units * (double)bytes;
  snprintf(self->label, sizeof self->label, "%s i32", depthwise ? "depthwise" : "conv");
  return self;
}

}  // namespace bnn
