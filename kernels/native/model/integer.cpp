// int8 steps in TFLite's integer arithmetic.
#include <stdio.h>
#include <string.h>

#include "model/fixed_point.h"
#include "model/step.h"

namespace bnn {

namespace {

struct IntegerStep : Step {
  const IntegerKernels* kernels;
  IntegerPair pair;          // add, sub, mul
  const int8_t *x, *b;
  int8_t* out;
  int32_t h, w, c, out_h, out_w, op, low, high, x_zero, out_zero;
  Window window;
  Fixed factor;
  int64_t image_pixels;      // of x
  int32_t a_stride[4], b_stride[4];
  const int32_t *a_table, *b_table;  // [256], by the stored value + 128
  Fixed below;               // prelu: of negative ones
  const int8_t* table;       // [256], by the stored value's byte
  const int32_t* exponentials;
  float ratio;
};

void look_up(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  for (int64_t i = first * self.c; i < last * self.c; ++i) self.out[i] = self.table[(uint8_t)self.x[i]];
}

constexpr int kAdd = 0, kSub = 1, kMul = 2, kPrelu = 3, kMinimum = 5, kMaximum = 6;

template <int kOp>
int64_t combined(const IntegerStep& self, int8_t a, int8_t b) {
  const int32_t first = self.a_table[a + 128];
  const uint32_t x = (uint32_t)first, y = (uint32_t)self.b_table[b + 128];  // wraps as TFLite's does
  if (kOp == kPrelu) return first >= 0 ? requantize(first, self.factor) : requantize((int32_t)(x * y), self.below);
  if (kOp == kMinimum || kOp == kMaximum) {
    const int32_t second = (int32_t)y;
    return requantize((second < first) == (kOp == kMinimum) ? second : first, self.factor);
  }
  return requantize((int32_t)(kOp == kAdd ? x + y : kOp == kSub ? x - y : x * y), self.factor);
}

template <int kOp>
void combine(const IntegerStep& self, const int8_t* a, const int8_t* b, int8_t* out) {
  const int64_t a_step = self.a_stride[3], b_step = self.b_stride[3];
  for (int32_t c = 0; c < self.c; ++c)
    out[c] = (int8_t)limited(combined<kOp>(self, a[c * a_step], b[c * b_step]) + self.out_zero, self.low, self.high);
}

void binary(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  void (*const ops[])(const IntegerStep&, const int8_t*, const int8_t*, int8_t*) = {
      combine<kAdd>, combine<kSub>, combine<kMul>, combine<kPrelu>, nullptr, combine<kMinimum>, combine<kMaximum>};
  const auto at = [](const int32_t (&stride)[4], int64_t n, int64_t y, int64_t x) {
    return n * stride[0] + y * stride[1] + x * stride[2];
  };
  for (int64_t p = first; p < last; ++p) {
    const int64_t x = p % self.out_w, y = p / self.out_w % self.out_h, n = p / self.out_w / self.out_h;
    ops[self.op](self, self.x + at(self.a_stride, n, y, x), self.b + at(self.b_stride, n, y, x), self.out + p * self.c);
  }
}

// add, sub and mul of tensors without gaps along the channels: whole runs of them.
void binary_runs(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  const int64_t c = self.c;
  const int64_t image = (int64_t)self.out_w * self.out_h;
  const auto is_whole = [&](const int32_t (&stride)[4]) {  // strides of what is there once have no meaning
    return (self.out_w == 1 || stride[2] == c) && (self.out_h == 1 || stride[1] == c * self.out_w) &&
           (self.units == image || stride[0] == c * image);
  };
  if (is_whole(self.a_stride) && is_whole(self.b_stride)) {
    self.kernels->combine(self.pair, self.x + first * c, self.b + first * c, (last - first) * c, self.out + first * c);
    return;
  }
  for (int64_t p = first; p < last; ++p) {
    const int64_t x = p % self.out_w, y = p / self.out_w % self.out_h, n = p / self.out_w / self.out_h;
    const auto at = [&](const int32_t (&stride)[4]) { return n * stride[0] + y * stride[1] + x * stride[2]; };
    self.kernels->combine(self.pair, self.x + at(self.a_stride), self.b + at(self.b_stride), c, self.out + p * c);
  }
}

constexpr int32_t kChunk = 64;  // channels whose sums are kept at a time, as IntegerKernels' reduce has it

void mean(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  for (int64_t n = first; n < last; ++n) {
    const int8_t* image = self.x + n * self.image_pixels * self.c;
    for (int32_t c = 0; c < self.c; c += kChunk) {
      const int32_t count = self.c - c < kChunk ? self.c - c : kChunk;
      constexpr int64_t kPart = 1 << 24;  // pixels whose sum an i32 holds
      int64_t sum[kChunk];
      for (int64_t& s : sum) s = -self.image_pixels * self.x_zero;
      for (int64_t p = 0; p < self.image_pixels; p += kPart) {
        const int64_t pixels = self.image_pixels - p < kPart ? self.image_pixels - p : kPart;
        int32_t part[kChunk];
        self.kernels->reduce(false, image + p * self.c + c, 1, 0, pixels, self.c, part);
        for (int32_t i = 0; i < count; ++i) sum[i] += part[i];
      }
      for (int32_t i = 0; i < count; ++i)
        self.out[n * self.c + c + i] =
            (int8_t)limited(requantize((int32_t)sum[i], self.factor) + self.out_zero, self.low, self.high);
    }
  }
}

// An average in floats, its halves to even: ONNX's.
int64_t average_even(const IntegerStep& self, int64_t sum, int64_t taps) {
  constexpr float kRounder = 12582912.0f, kMost = 1e6f;  // 1.5 * 2^23: adding it rounds to whole numbers
  float steps = (float)(sum - taps * self.x_zero) * self.ratio / (float)taps;
  steps = steps < -kMost ? -kMost : steps > kMost ? kMost : steps;
  return (int64_t)((steps + kRounder) - kRounder) + self.out_zero;
}

int64_t average_away(int64_t sum, int64_t taps) {
  return sum > 0 ? (sum + taps / 2) / taps : (sum - taps / 2) / taps;
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
      int32_t value[kChunk];
      self.kernels->reduce(!averages, self.x + ((n * self.h + from_y) * self.w + from_x) * self.c + c, to_y - from_y,
                           (int64_t)self.w * self.c, to_x - from_x, self.c, value);
      int8_t* out = self.out + p * self.c + c;
      if (!averages) {
        for (int32_t i = 0; i < count; ++i)
          out[i] = (int8_t)(value[i] < self.low ? self.low : value[i] > self.high ? self.high : value[i]);
        continue;
      }
      for (int32_t i = 0; i < count; ++i) {
        const int64_t v = value[i];
        const int64_t result = self.ratio > 0 ? average_even(self, v, taps) : average_away(v, taps);
        out[i] = (int8_t)limited(result, self.low, self.high);
      }
    }
  }
}

// 1 / (1 + a) in Q0.31 of `a` in Q0.31: Newton's method on half of 1 + a, in Q2.29.
int64_t reciprocal(int64_t a) {
  const int64_t half = (a + INT32_MAX + 1) >> 1;
  int64_t x = 1515870810 + high_multiply(half, -1010580540);  // 48 / 17 - 32 / 17 * half
  for (int i = 0; i < 3; ++i)
    x += limited(high_multiply(x, (1 << 29) - high_multiply(half, x)) * 4, INT32_MIN, INT32_MAX);
  return limited(x * 2, INT32_MIN, INT32_MAX);
}

// TFLite's reference, in fixed point: exponentials are Q0.31, their sum Q12.19.
void softmax(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const IntegerStep& self = (const IntegerStep&)step;
  for (int64_t p = first; p < last; ++p) {
    const int8_t* x = self.x + p * self.c;
    int32_t largest = -128;
    for (int32_t c = 0; c < self.c; ++c) largest = x[c] > largest ? x[c] : largest;
    uint32_t sum = 0;
    for (int32_t c = 0; c < self.c; ++c) sum += (uint32_t)shifted_right(self.exponentials[largest - x[c]], 12);
    const int32_t headroom = __builtin_clz(sum);
    const int64_t inverse = reciprocal((int64_t)(sum << headroom) - (1ll << 31));
    for (int32_t c = 0; c < self.c; ++c) {
      const int64_t share = high_multiply(inverse, self.exponentials[largest - x[c]]);
      self.out[p * self.c + c] = (int8_t)limited(shifted_right(share, 12 - headroom + 31 - 8) - 128, -128, 127);
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

const char* finish_binary(IntegerStep& self, const PlanStep& step, StepBuilder& builder) {
  const bool slopes = step.op == kPrelu;
  const Fixed one = {1 << 30, 1};
  self.b = (const int8_t*)builder.place(*step.b);
  memcpy(self.a_stride, step.a_stride, sizeof self.a_stride);
  memcpy(self.b_stride, step.b_stride, sizeof self.b_stride);
  self.c = step.c;
  self.below = step.b_fixed;
  self.a_table = operand_table(step.x->zero_point, step.left_shift, slopes ? one : step.a_fixed, builder);
  self.b_table = operand_table(step.b->zero_point, step.left_shift, slopes ? one : step.b_fixed, builder);
  self.run = binary;
  if (step.op <= kMul && step.a_stride[3] == 1 && step.b_stride[3] == 1) {
    self.pair = {(Combine)step.op,
                 {step.x->zero_point, step.a_fixed.multiplier, step.a_fixed.shift},
                 {step.b->zero_point, step.b_fixed.multiplier, step.b_fixed.shift},
                 {step.out->zero_point, step.out_fixed.multiplier, step.out_fixed.shift},
                 step.left_shift, step.low, step.high};
    self.run = binary_runs;
  }
  const char* const names[] = {"add i8", "sub i8", "mul i8", "prelu i8", "", "minimum i8", "maximum i8"};
  return names[step.op];
}

const int32_t* copy_exponentials(const PlanStep& step, StepBuilder& builder) {
  int32_t* table = builder.arena.array<int32_t>(256, builder.error);
  if (table) memcpy(table, step.table, 256 * sizeof(int32_t));
  return table;
}

// The values of a table from the lowest stored value on, by the byte that each is stored as.
const int8_t* by_byte(const PlanStep& step, StepBuilder& builder) {
  int8_t* table = builder.arena.array<int8_t>(256, builder.error);
  const int32_t least = step.x->dtype == DType::kU8 ? 0 : 128;
  for (int32_t i = 0; table && i < 256; ++i) table[(uint8_t)(i - least)] = (int8_t)step.table[i];
  return table;
}

}  // namespace

Step* build_integer(const PlanStep& step, StepBuilder& builder) {
  IntegerStep* self = builder.arena.array<IntegerStep>(1, builder.error);
  if (!self) return nullptr;
  const PlanTensor &x = *step.x, &out = *step.out;
  self->kernels = builder.kernels.integers;
  self->x = (const int8_t*)builder.place(x);
  self->out = (int8_t*)builder.place(out);
  self->h = x.h;
  self->w = x.w;
  self->c = x.c;
  self->out_h = out.h;
  self->out_w = out.w;
  self->op = step.op;
  self->x_zero = x.zero_point;
  self->out_zero = out.zero_point;
  self->low = step.low;
  self->high = step.high;
  self->window = step.window;
  self->factor = step.out_fixed;
  self->image_pixels = (int64_t)x.h * x.w;
  self->units = out.pixels();
  self->cost_ns = 1.5 * (double)x.pixels() * x.c;
  const char* label;
  if (step.kind == StepKind::kBinaryI8) {
    label = finish_binary(*self, step, builder);
  } else if (step.kind == StepKind::kTableI8) {
    self->table = by_byte(step, builder);
    label = "table i8";
    self->run = look_up;
  } else if (step.kind == StepKind::kSoftmaxI8) {
    self->exponentials = copy_exponentials(step, builder);
    label = "softmax i8";
    self->run = softmax;
  } else if (step.kind == StepKind::kMeanI8) {
    label = "mean i8";
    self->run = mean;
    self->low = -128;
    self->high = 127;
  } else if (step.kind == StepKind::kAverageI8) {
    label = "average i8 as f32";
    self->run = pool;
    self->op = 1;
    self->ratio = step.ratio;
    self->low = -128;
    self->high = 127;
  } else {
    label = step.op ? "average_pool i8" : "max_pool i8";
    self->run = pool;
  }
  snprintf(self->label, sizeof self->label, "%s", label);
  return builder.error.failed() ? nullptr : self;
}

}  // namespace bnn
