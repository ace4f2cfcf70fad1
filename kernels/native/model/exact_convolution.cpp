// Integer convolutions whose sums neither f32 nor i32 might hold: one product at a time. Slow, and rarely needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/fixed_point.h"
#include "model/stream.h"

namespace bnn {

namespace {

// Where an output's products are.
struct Products {
  const int8_t *x, *weights;
  int32_t h, w, c, out_h, out_w;
  Window window;
  int32_t inputs;            // channels of x that an output channel sees
  int32_t per_input;         // output channels that see the same ones
  int64_t tap, channel;      // weights between two taps, and between two output channels
  int32_t zero_point;
};

struct ExactStep : Step {
  Products products;
  int8_t* out;
  int32_t oc, out_zero_point, low, high;
  const int32_t *bias, *multiplier, *shift;
  const double* factor;      // of those that are rounded once, in place of multiplier and shift; else null
};

struct ExactStream : Stream {
  Products products;
};

constexpr int32_t kIn32Bits = 1 << 15;  // products of 255 and 128 whose sum is of 32 bits

int64_t sum(const Products& self, int64_t pixel, int32_t oc) {
  const int64_t x = pixel % self.out_w, y = pixel / self.out_w % self.out_h, n = pixel / self.out_w / self.out_h;
  const Window& k = self.window;
  const int8_t* weights = self.weights + oc * self.channel;
  int64_t total = 0;
  for (int32_t ky = 0; ky < k.kh; ++ky) {
    const int64_t row = y * k.sh - k.pad_top + (int64_t)ky * k.dh;
    for (int32_t kx = 0; kx < k.kw; ++kx) {
      const int64_t column = x * k.sw - k.pad_left + (int64_t)kx * k.dw;
      if (row < 0 || row >= self.h || column < 0 || column >= self.w) continue;
      const int8_t* from = self.x + ((n * self.h + row) * self.w + column) * self.c;
      from += (int64_t)(oc / self.per_input) * self.inputs;
      const int8_t* weight = weights + ((int64_t)ky * k.kw + kx) * self.tap;
      for (int32_t first = 0; first < self.inputs; first += kIn32Bits) {
        const int32_t last = self.inputs - first < kIn32Bits ? self.inputs : first + kIn32Bits;
        int32_t part = 0;
        for (int32_t i = first; i < last; ++i) part += (from[i] - self.zero_point) * weight[i];
        total += part;
      }
    }
  }
  return total;
}

void run_exact(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const ExactStep& self = (const ExactStep&)step;
  for (int64_t p = first; p < last; ++p) {
    for (int32_t c = 0; c < self.oc; ++c) {
      // Wraps as TFLite's does.
      const int32_t value = (int32_t)((uint32_t)sum(self.products, p, c) + (uint32_t)self.bias[c]);
      const int64_t scaled = self.factor ? requantize_once(value, self.factor[c])
                                         : requantize(value, {self.multiplier[c], self.shift[c]});
      self.out[p * self.oc + c] = (int8_t)limited(scaled + self.out_zero_point, self.low, self.high);
    }
  }
}

void produce_exact(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ExactStream& self = (const ExactStream&)stream;
  for (int64_t p = first; p < last; ++p, out += row)
    for (int32_t c = 0; c < self.stages.channels; ++c) out[c] = (float)sum(self.products, p, c);
}

Products products_of(const PlanStep& step, StepBuilder& builder) {
  const bool depthwise = step.kind == StepKind::kDepthwise;
  const PlanTensor& x = *step.x;
  const int64_t taps = (int64_t)step.window.kh * step.window.kw;
  Products self = {};
  self.inputs = depthwise ? 1 : x.c / step.groups;
  self.per_input = depthwise ? step.multiplier : step.c / step.groups;
  self.tap = depthwise ? step.c : self.inputs;
  self.channel = depthwise ? 1 : taps * self.inputs;
  const int64_t bytes = taps * self.inputs * step.c;
  int8_t* weights = builder.arena.array<int8_t>(bytes, builder.error);
  if (weights) memcpy(weights, step.weights, (size_t)bytes);
  self.weights = weights;
  self.x = (const int8_t*)builder.place(x);
  self.h = x.h;
  self.w = x.w;
  self.c = x.c;
  self.out_h = step.h;
  self.out_w = step.w;
  self.window = step.window;
  self.zero_point = x.zero_point;
  return self;
}

// Its stages work on floats.
Step* build_exact_stream(const PlanStep& step, StepBuilder& builder) {
  ExactStream* self = builder.arena.array<ExactStream>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, true, builder)) return nullptr;
  self->products = products_of(step, builder);
  self->produce = produce_exact;
  return self;
}

Step* build_requantized(const PlanStep& step, StepBuilder& builder) {
  const PlanStage& stage = step.stage[0];
  ExactStep* self = builder.arena.array<ExactStep>(1, builder.error);
  if (!self) return nullptr;
  self->products = products_of(step, builder);
  self->bias = builder.padded_constant<int32_t>(stage.bias, step.c);
  if (stage.multiplier) self->multiplier = builder.padded_constant<int32_t>(stage.multiplier, step.c);
  if (stage.shift) self->shift = builder.padded_constant<int32_t>(stage.shift, step.c);
  if (stage.factor) self->factor = builder.padded_constant<double>(stage.factor, step.c);
  self->out = (int8_t*)builder.place(*stage.tensor);
  self->oc = step.c;
  self->out_zero_point = stage.zero_point;
  self->low = stage.low_i;
  self->high = stage.high_i;
  self->run = run_exact;
  self->units = (int64_t)step.n * step.h * step.w;
  return self;
}

}  // namespace

bool sums_are_within(const PlanStep& step, int64_t limit) {
  const bool depthwise = step.kind == StepKind::kDepthwise;
  const int64_t taps = (int64_t)step.window.kh * step.window.kw;
  const int64_t products = depthwise ? taps : taps * (step.x->c / step.groups);
  const int64_t channel = depthwise ? 1 : products, next = depthwise ? step.c : 1;
  const int64_t below = step.x->zero_point + 128, above = 127 - step.x->zero_point;  // steps from the zero point
  const int8_t* weights = (const int8_t*)step.weights;
  for (int64_t c = 0; c < step.c; ++c) {
    int64_t positive = 0, negative = 0;  // sums of weights
    for (int64_t k = 0; k < products; ++k) {
      const int32_t weight = weights[c * channel + k * next];
      (weight > 0 ? positive : negative) += abs(weight);
    }
    if (above * positive + below * negative > limit || above * negative + below * positive > limit) return false;
  }
  return true;
}

Step* build_exact_convolution(const PlanStep& step, StepBuilder& builder) {
  const bool depthwise = step.kind == StepKind::kDepthwise;
  Step* self = step.stage[0].bias ? build_requantized(step, builder) : build_exact_stream(step, builder);
  if (!self || builder.error.failed()) return nullptr;
  const int64_t products = (int64_t)step.window.kh * step.window.kw * (depthwise ? 1 : step.x->c / step.groups);
  self->cost_ns += 0.5 * (double)self->units * (double)products * step.c;
  snprintf(self->label, sizeof self->label, "%s i32", depthwise ? "depthwise" : "conv");
  return self;
}

}  // namespace bnn
