// int8 steps in TFLite's integer arithmetic.
#include <stdio.h>

#include "fixed_point.h"
#include "step.h"
#include "stream.h"

namespace bnn {

namespace {

struct IntegerStep : Step {
  const int8_t *x, *b;
  int8_t* out;
  int32_t h, w, c, out_h, out_w, op, low, high, x_zero, out_zero;
  Window window;
  Fixed factor;
  int64_t image_pixels;      // of x; b has one value for each image and channel when b_of_image
  bool b_of_image;
  const int32_t *a_table, *b_table;  // [256], by the stored value + 128
  const int8_t* table;
};

void requantize_all(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  for (int64_t i = first * self.c; i < last * self.c; ++i) self.out[i] = self.table[self.x[i] + 128];
}

template <int kOp>
void combine(const IntegerStep& self, const int8_t* a, const int8_t* b, int8_t* out) {
  for (int32_t c = 0; c < self.c; ++c) {
    const uint32_t x = (uint32_t)self.a_table[a[c] + 128], y = (uint32_t)self.b_table[b[c] + 128];
    const int32_t raw = (int32_t)(kOp == 0 ? x + y : kOp == 1 ? x - y : x * y);
    out[c] = (int8_t)limited(requantize(raw, self.factor, kOp == 2) + self.out_zero, self.low, self.high);
  }
}

void binary(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  void (*const ops[])(const IntegerStep&, const int8_t*, const int8_t*, int8_t*) = {combine<0>, combine<1>,
                                                                                     combine<2>};
  for (int64_t p = first; p < last; ++p)
    ops[self.op](self, self.x + p * self.c, self.b + (self.b_of_image ? p / self.image_pixels : p) * self.c,
                 self.out + p * self.c);
}

constexpr int32_t kChunk = 64;  // channels whose sums are kept at a time

void mean(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  for (int64_t n = first; n < last; ++n) {
    const int8_t* image = self.x + n * self.image_pixels * self.c;
    for (int32_t c = 0; c < self.c; c += kChunk) {
      const int32_t count = self.c - c < kChunk ? self.c - c : kChunk;
      int64_t sum[kChunk] = {};
      for (int64_t p = 0; p < self.image_pixels; ++p)
        for (int32_t i = 0; i < count; ++i) sum[i] += image[p * self.c + c + i] - self.x_zero;
      for (int32_t i = 0; i < count; ++i)
        self.out[n * self.c + c + i] =
            (int8_t)limited(requantize((int32_t)sum[i], self.factor, true) + self.out_zero, self.low, self.high);
    }
  }
}

void pool(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  const Window& k = self.window;
  const bool averages = self.op == 1;
  for (int64_t p = first; p < last; ++p) {
    const int64_t x = p % self.out_w, y = p / self.out_w % self.out_h, n = p / self.out_w / self.out_h;
    const int64_t top = y * k.sh - k.pad_top, left = x * k.sw - k.pad_left;
    const int64_t from_y = limited(top, 0, self.h), to_y = limited(top + k.kh, 0, self.h);
    const int64_t from_x = limited(left, 0, self.w), to_x = limited(left + k.kw, 0, self.w);
    const int64_t taps = (to_y - from_y) * (to_x - from_x);
    for (int32_t c = 0; c < self.c; c += kChunk) {
      const int32_t count = self.c - c < kChunk ? self.c - c : kChunk;
      int64_t value[kChunk];
      for (int32_t i = 0; i < count; ++i) value[i] = averages ? 0 : -128;
      for (int64_t row = from_y; row < to_y; ++row) {
        for (int64_t column = from_x; column < to_x; ++column) {
          const int8_t* tap = self.x + ((n * self.h + row) * self.w + column) * self.c + c;
          for (int32_t i = 0; i < count; ++i)
            value[i] = averages ? value[i] + tap[i] : value[i] > tap[i] ? value[i] : tap[i];
        }
      }
      for (int32_t i = 0; i < count; ++i) {
        const int64_t v = value[i];
        const int64_t result = !averages ? v : v > 0 ? (v + taps / 2) / taps : (v - taps / 2) / taps;
        self.out[p * self.c + c + i] = (int8_t)limited(result, self.low, self.high);
      }
    }
  }
}

// The 256 values of one operand: steps from its zero point, shifted and scaled.
const int32_t* operand_table(int32_t zero_point, int32_t left_shift, Fixed factor, StepBuilder& builder) {
  int32_t* table = builder.arena.array<int32_t>(256, builder.error);
  for (int32_t i = 0; table && i < 256; ++i)
    table[i] = (int32_t)requantize((i - 128 - zero_point) * (1 << left_shift), factor);
  return table;
}

struct SoftmaxI8 : Stream {
  const int8_t* x;
  float scale, beta;
  int32_t zero_point;
};

void softmax_i8(const Stream& stream, uint8_t* extra, int64_t first, int64_t last, float* out, int64_t row) {
  const SoftmaxI8& self = (const SoftmaxI8&)stream;
  const int32_t c = self.stages.channels;
  float* values = (float*)extra;
  for (int64_t p = first; p < last; ++p, out += row) {
    self.kernels->read_i8(self.x + p * c, c, 1, c, self.scale, self.zero_point, values, self.row_floats);
    self.kernels->softmax(values, 1, c, self.beta, out, row);
  }
}

Step* build_softmax(const PlanStep& step, StepBuilder& builder) {
  SoftmaxI8* self = builder.arena.array<SoftmaxI8>(1, builder.error);
  PlanStage store = {};
  store.kind = StageKind::kStoreI8, store.tensor = step.out;
  store.scale = step.out->scale, store.zero_point = step.out->zero_point;
  PlanStep stream = step;
  stream.stage = &store, stream.stages = 1;
  if (!self || !init_stream(*self, stream, 1, false, builder)) return nullptr;
  add_scratch(*self, (int64_t)self->row_floats * 4);
  self->x = (const int8_t*)builder.place(*step.x), self->scale = step.x->scale, self->beta = step.beta;
  self->zero_point = step.x->zero_point;
  self->produce = softmax_i8;
  snprintf(self->label, sizeof self->label, "softmax i8");
  return self;
}

const char* finish_binary(IntegerStep& self, const PlanStep& step, StepBuilder& builder) {
  self.b = (const int8_t*)builder.place(*step.b);
  self.b_of_image = step.b->pixels() != step.x->pixels();
  self.a_table = operand_table(step.x->zero_point, step.left_shift, step.a_fixed, builder);
  self.b_table = operand_table(step.b->zero_point, step.left_shift, step.b_fixed, builder);
  self.run = binary;
  return step.op == 0 ? "add i8" : step.op == 1 ? "sub i8" : "mul i8";
}

const char* finish_requantize(IntegerStep& self, const PlanStep& step, StepBuilder& builder) {
  int8_t* table = builder.arena.array<int8_t>(256, builder.error);
  for (int32_t i = 0; table && i < 256; ++i)
    table[i] = (int8_t)limited(requantize(i - 128 - self.x_zero, step.out_fixed) + self.out_zero, -128, 127);
  self.table = table, self.run = requantize_all;
  return "requantize i8";
}

}  // namespace

Step* build_integer(const PlanStep& step, StepBuilder& builder) {
  if (step.kind == StepKind::kSoftmaxI8) return build_softmax(step, builder);
  IntegerStep* self = builder.arena.array<IntegerStep>(1, builder.error);
  if (!self) return nullptr;
  const PlanTensor &x = *step.x, &out = *step.out;
  self->x = (const int8_t*)builder.place(x), self->out = (int8_t*)builder.place(out);
  self->h = x.h, self->w = x.w, self->c = x.c, self->out_h = out.h, self->out_w = out.w;
  self->op = step.op, self->x_zero = x.zero_point, self->out_zero = out.zero_point;
  self->low = step.low, self->high = step.high, self->window = step.window, self->factor = step.out_fixed;
  self->image_pixels = (int64_t)x.h * x.w;
  self->units = out.pixels();
  self->cost_ns = 1.5 * (double)x.pixels() * x.c;
  const char* label;
  if (step.kind == StepKind::kBinaryI8) {
    label = finish_binary(*self, step, builder);
  } else if (step.kind == StepKind::kRequantize) {
    label = finish_requantize(*self, step, builder);
  } else if (step.kind == StepKind::kMeanI8) {
    label = "mean i8", self->run = mean, self->low = -128, self->high = 127;
  } else {
    label = step.op ? "average_pool i8" : "max_pool i8", self->run = pool;
  }
  snprintf(self->label, sizeof self->label, "%s", label);
  return builder.error.failed() ? nullptr : self;
}

}  // namespace bnn
