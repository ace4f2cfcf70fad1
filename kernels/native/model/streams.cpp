// Streams that are read, looked through a window at, or made of two tensors.
#include <stdio.h>

#include "model/stream.h"

namespace bnn {

namespace {

struct ReadStream : Stream {
  const uint8_t* x;
  int64_t x_row;  // elements of a pixel
  float scale, beta;
  int32_t zero_point;
};

void read_f32(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ReadStream& self = (const ReadStream&)stream;
  self.kernels->read_f32((const float*)self.x + first * self.x_row, self.x_row, last - first, self.stages.channels,
                         out, row);
}

void read_i8(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ReadStream& self = (const ReadStream&)stream;
  self.kernels->read_i8((const int8_t*)self.x + first * self.x_row, self.x_row, last - first, self.stages.channels,
                        self.scale, self.zero_point, out, row);
}

void unpack(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ReadStream& self = (const ReadStream&)stream;
  self.kernels->unpack((const uint32_t*)self.x + first * self.x_row, last - first, self.stages.channels, out, row);
}

void softmax(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ReadStream& self = (const ReadStream&)stream;
  self.kernels->softmax((const float*)self.x + first * self.x_row, last - first, self.stages.channels, self.beta, out,
                        row);
}

struct WindowedStep : Stream {
  WindowedStream window;
  void (*compute)(const WindowedStream&, int64_t, int64_t, float*, int64_t);
};

void look(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const WindowedStep& self = (const WindowedStep&)stream;
  self.compute(self.window, first, last, out, row);
}

struct BroadcastStream : Stream {
  const float *a, *b;
  int32_t h, w, op;
  int64_t a_stride[4], b_stride[4];
};

float apply(int32_t op, float a, float b) {
  switch (op) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return a >= 0.0f ? a : a * b;
    case 4: return a / b;
    case 5: return a < b ? a : b;
    case 6: return a > b ? a : b;
    default: return (a - b) * (a - b);
  }
}

template <int kOp>
void combine(const BroadcastStream& self, const float* a, const float* b, float* out) {
  const int32_t channels = self.stages.channels;
  const int64_t step_a = self.a_stride[3], step_b = self.b_stride[3];
  if (step_a == 1 && step_b == 1) {
    for (int32_t c = 0; c < channels; ++c) out[c] = apply(kOp, a[c], b[c]);
  } else if (step_a == 1 && step_b == 0) {
    for (int32_t c = 0; c < channels; ++c) out[c] = apply(kOp, a[c], *b);
  } else {
    for (int64_t c = 0; c < channels; ++c) out[c] = apply(kOp, a[c * step_a], b[c * step_b]);
  }
}

void broadcast(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const BroadcastStream& self = (const BroadcastStream&)stream;
  void (*const ops[kBroadcastOps])(const BroadcastStream&, const float*, const float*, float*) = {
      combine<0>, combine<1>, combine<2>, combine<3>, combine<4>, combine<5>, combine<6>, combine<7>};
  for (int64_t p = first; p < last; ++p, out += row) {
    const int64_t x = p % self.w, y = p / self.w % self.h, n = p / self.w / self.h;
    const float* a = self.a + n * self.a_stride[0] + y * self.a_stride[1] + x * self.a_stride[2];
    const float* b = self.b + n * self.b_stride[0] + y * self.b_stride[1] + x * self.b_stride[2];
    ops[self.op](self, a, b, out);
  }
}

struct Sides {
  const int32_t *low, *high;
  const float* share;
};

struct InterpolateStream : Stream {
  const float* x;
  int64_t h, w, out_h, out_w;
  Sides rows, columns;
};

// Four products and their sum, each step rounded, in the order of TensorFlow Lite's reference kernel.
void interpolate(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const InterpolateStream& self = (const InterpolateStream&)stream;
  const int64_t channels = self.stages.channels;
  for (int64_t p = first; p < last; ++p, out += row) {
    const int64_t x = p % self.out_w, y = p / self.out_w % self.out_h, n = p / self.out_w / self.out_h;
    const float* top = self.x + (n * self.h + self.rows.low[y]) * self.w * channels;
    const float* bottom = self.x + (n * self.h + self.rows.high[y]) * self.w * channels;
    const int64_t left = self.columns.low[x] * channels, right = self.columns.high[x] * channels;
    const float below = self.rows.share[y], above = 1.0f - below, after = self.columns.share[x], before = 1.0f - after;
    for (int64_t c = 0; c < channels; ++c)
      out[c] = top[left + c] * above * before + bottom[left + c] * below * before + top[right + c] * above * after +
               bottom[right + c] * below * after;
  }
}

Step* build_interpolate(const PlanStep& step, StepBuilder& builder) {
  InterpolateStream* self = builder.arena.array<InterpolateStream>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, true, builder)) return nullptr;
  self->x = (const float*)builder.place(*step.x);
  self->h = step.x->h;
  self->w = step.x->w;
  self->out_h = step.h;
  self->out_w = step.w;
  self->rows = {builder.padded_constant<int32_t>(step.places[0], step.h),
                builder.padded_constant<int32_t>(step.places[1], step.h),
                builder.padded_constant<float>(step.places[2], step.h)};
  self->columns = {builder.padded_constant<int32_t>(step.places[3], step.w),
                   builder.padded_constant<int32_t>(step.places[4], step.w),
                   builder.padded_constant<float>(step.places[5], step.w)};
  self->produce = interpolate;
  self->cost_ns += 0.5 * (double)self->units * step.c;
  snprintf(self->label, sizeof self->label, "interpolate f32");
  return builder.error.failed() ? nullptr : self;
}

Step* build_reading(const PlanStep& step, StepBuilder& builder) {
  ReadStream* self = builder.arena.array<ReadStream>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, false, builder)) return nullptr;
  const PlanTensor& x = *step.x;
  self->x = builder.place(x) + (int64_t)step.channel * x.element_bytes();
  self->x_row = x.elements();
  self->scale = x.scale;
  self->zero_point = x.zero_point;
  self->beta = step.beta;
  const char* label = "read f32";
  self->produce = read_f32;
  if (step.kind == StepKind::kUnpack) {
    self->produce = unpack;
    label = "unpack";
  }
  if (step.kind == StepKind::kSoftmax) {
    self->produce = softmax;
    label = "softmax";
    self->cost_ns *= 10;
  }
  if (x.dtype == DType::kI8) {
    self->produce = read_i8;
    label = "read i8";
  }
  snprintf(self->label, sizeof self->label, "%s", label);
  return self;
}

Step* build_pool(const PlanStep& step, StepBuilder& builder) {
  WindowedStep* self = builder.arena.array<WindowedStep>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, false, builder)) return nullptr;
  const PlanTensor& x = *step.x;
  self->window = {(const float*)builder.place(x), x.n, x.h, x.w, x.c, step.h, step.w, step.c, step.window, 1,
                  nullptr, nullptr};
  self->compute = step.op ? builder.kernels.model->average_pool : builder.kernels.model->max_pool;
  self->produce = look;
  self->cost_ns += 0.15 * (double)self->units * step.c * step.window.kh * step.window.kw;
  snprintf(self->label, sizeof self->label, "%s", step.op ? "average_pool f32" : "max_pool f32");
  return self;
}

Step* build_broadcast(const PlanStep& step, StepBuilder& builder) {
  BroadcastStream* self = builder.arena.array<BroadcastStream>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, true, builder)) return nullptr;
  self->a = (const float*)builder.place(*step.x);
  self->b = (const float*)builder.place(*step.b);
  self->h = step.h;
  self->w = step.w;
  self->op = step.op;
  for (int i = 0; i < 4; ++i) {
    self->a_stride[i] = step.a_stride[i];
    self->b_stride[i] = step.b_stride[i];
  }
  self->produce = broadcast;
  snprintf(self->label, sizeof self->label, "broadcast f32");
  return self;
}

struct DepthwiseStep : WindowedStep {
  const int8_t* x_i8;
  float* converted;
  int32_t zero_point;
  int64_t row;  // elements of a row of x
};

void depthwise(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const DepthwiseStep& self = (const DepthwiseStep&)stream;
  self.kernels->depthwise(self.window, first, last, self.epilogue_from(first), out, row);
}

// Steps from the zero point are whole numbers that f32 holds exactly.
void convert_rows(const Step& step, int64_t first, int64_t last) {
  const DepthwiseStep& self = (const DepthwiseStep&)step;
  const int32_t row = (int32_t)self.row, whole = row / 16 * 16;  // read_i8 writes whole vectors
  for (int64_t r = first; r < last; ++r) {
    const int8_t* from = self.x_i8 + r * row;
    float* to = self.converted + r * row;
    self.kernels->read_i8(from, 0, 1, whole, 1.0f, self.zero_point, to, 0);
    for (int32_t i = whole; i < row; ++i) to[i] = (float)(from[i] - self.zero_point);
  }
}

}  // namespace

Step* build_stream(const PlanStep& step, StepBuilder& builder) {
  if (step.kind == StepKind::kPool) return build_pool(step, builder);
  if (step.kind == StepKind::kBroadcast) return build_broadcast(step, builder);
  if (step.kind == StepKind::kInterpolate) return build_interpolate(step, builder);
  return build_reading(step, builder);
}

Step* build_depthwise(const PlanStep& step, StepBuilder& builder) {
  DepthwiseStep* self = builder.arena.array<DepthwiseStep>(1, builder.error);
  if (!self || !init_stream(*self, step, 1, false, builder, true)) return nullptr;
  const PlanTensor& x = *step.x;
  const int64_t taps = (int64_t)step.window.kh * step.window.kw, row = strip_row(step.c);
  const bool integers = x.dtype == DType::kI8;
  float* weights = builder.arena.array<float>(taps * row, builder.error);
  float* bias = builder.arena.array<float>(row, builder.error);
  if (builder.error.failed()) return nullptr;
  for (int64_t t = 0; t < taps; ++t)
    for (int64_t c = 0; c < step.c; ++c) {
      weights[t * row + c] = step.weight(t * step.c + c);
    }
  for (int64_t c = 0; step.bias && c < step.c; ++c) bias[c] = ((const float*)step.bias)[c];
  const float* image = (const float*)builder.place(x);
  if (integers) {
    self->x_i8 = (const int8_t*)builder.place(x);
    self->converted = (float*)builder.workspace;
    self->zero_point = x.zero_point;
    self->row = (int64_t)x.w * x.c;
    self->prepare = convert_rows;
    self->prepare_units = (int64_t)x.n * x.h;
    image = self->converted;
  }
  self->window = {image, x.n, x.h, x.w, x.c, step.h, step.w, step.c, step.window, step.multiplier, weights, bias};
  self->produce = depthwise;
  self->cost_ns += 0.1 * (double)self->units * step.c * (double)taps;
  snprintf(self->label, sizeof self->label, "%s", integers ? "depthwise i8 as f32" : "depthwise f32");
  return self;
}

}  // namespace bnn
