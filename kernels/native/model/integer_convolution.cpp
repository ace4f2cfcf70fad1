// Convolutions of i8 whose exact sums an i32 holds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/stream.h"

namespace bnn {

namespace {

struct IntegerStream : Stream {
  GemmPlan plan;
  const int8_t* x;
  uint32_t* encoded;
  uint32_t border;       // an encoded zero point
  void (*multiply)(const ImplicitGemm&, const ChannelBlock&, const IntegerStore*, int64_t, int64_t);
  int32_t run, words;    // channels of a group of a pixel, and the words that they are encoded to
};

int32_t words_of(int32_t channels, const IntegerKernels& kernels) {
  return (channels + kernels.per_word - 1) / kernels.per_word;
}

void fill(uint32_t* to, int64_t words, uint32_t value) {
  for (int64_t i = 0; i < words; ++i) to[i] = value;
}

void encode_rows(const Step& step, int64_t first, int64_t last) {
  const IntegerStream& self = (const IntegerStream&)step;
  const Padding& p = self.plan.padding;
  const int64_t runs = p.row_words / self.words;
  for (int64_t r = first; r < last; ++r) {
    const int64_t image = r / p.padded_height, y = r % p.padded_height - p.pad_top;
    uint32_t* to = self.encoded + r * p.padded_row_words;
    if (y < 0 || y >= p.height) {
      fill(to, p.padded_row_words, self.border);
      continue;
    }
    fill(to, p.pad_left_words, self.border);
    to += p.pad_left_words;
    self.integers->encode(self.x + (image * p.height + y) * runs * self.run, runs, self.run, self.words, to);
    fill(to + p.row_words, p.padded_row_words - p.pad_left_words - p.row_words, self.border);
  }
}

// Blocks [first, last) of channels, of pixels [from, to).
void multiply_blocks(const IntegerStream& self, int64_t first, int64_t last, int64_t from, int64_t to, float* out,
                     int64_t row) {
  ImplicitGemm gemm = self.plan.gemm;
  gemm.pixels = to - from;
  gemm.pixel_offset += from;
  gemm.out = (uint8_t*)out;
  gemm.out_stride_bytes = row * 4;
  const IntegerStore store = self.store_from(from);
  for (int64_t b = first; b < last; ++b)
    self.multiply(gemm, self.plan.block[b], store.factors ? &store : nullptr, 0, gemm.pixels);
}

void multiply(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const IntegerStream& self = (const IntegerStream&)stream;
  multiply_blocks(self, 0, self.plan.blocks, first, last, out, row);
  if (!self.is_integer) self.integers->to_floats((int32_t*)out, last - first, self.stages.channels, row);
}

void multiply_all_pixels(const Stream& stream, int64_t first, int64_t last, float* out, int64_t row) {
  const IntegerStream& self = (const IntegerStream&)stream;
  multiply_blocks(self, first, last, 0, self.pixels, out, row);
  if (self.is_integer) return;
  for (int64_t b = first; b < last; ++b) {
    const ChannelBlock& block = self.plan.block[b];
    self.integers->to_floats((int32_t*)out + block.first, self.pixels, block.valid, row);
  }
}

// i8 [oc][taps][run] to encoded words [oc][taps][words], and what the sums of each channel start from.
bool encode_weights(const PlanStep& step, const ConvShape& shape, int32_t run, StepBuilder& builder, GemmPlan& plan) {
  const IntegerKernels& kernels = *builder.kernels.integers;
  const int32_t words = shape.words / shape.groups;
  const int64_t runs = (int64_t)step.c * shape.taps(), size = runs * words * 4;
  uint32_t* filter = (uint32_t*)calloc((size_t)(size + step.c * 4), 1);
  if (!filter) return builder.error.set("no memory");
  uint32_t* start = filter + runs * words;
  const int8_t* from = (const int8_t*)step.weights;
  for (int64_t r = 0; r < runs; ++r) {
    int64_t sum = 0;
    for (int32_t i = 0; i < run; ++i, ++from) {
      sum += *from;
      const int16_t wide = *from;
      const int64_t at = r * words * kernels.per_word + i;
      memcpy((uint8_t*)filter + at * (4 / kernels.per_word), &wide, (size_t)(4 / kernels.per_word));
    }
    start[r / shape.taps()] -= (uint32_t)(sum * (step.x->zero_point + kernels.offset));
  }
  for (int64_t c = 0; step.stage[0].bias && c < step.c; ++c) {
    uint32_t bias;
    memcpy(&bias, step.stage[0].bias + c * 4, 4);
    start[c] += bias;
  }
  const bool planned = plan_integer_gemm(shape, filter, start, kernels, builder.arena, plan, builder.error);
  free(filter);
  return planned;
}

}  // namespace

ConvShape integer_shape(const PlanStep& step, const IntegerKernels& kernels) {
  ConvShape shape = conv_shape(step);
  shape.words = words_of(step.x->c / shape.groups, kernels) * shape.groups;
  return shape;
}

Step* build_integer_convolution(const PlanStep& step, StepBuilder& builder) {
  const IntegerKernels& kernels = *builder.kernels.integers;
  const ConvShape shape = integer_shape(step, kernels);
  IntegerStream* self = builder.arena.array<IntegerStream>(1, builder.error);
  if (!self) return nullptr;
  self->run = step.x->c / shape.groups;
  self->words = shape.words / shape.groups;
  if (!encode_weights(step, shape, self->run, builder, self->plan)) return nullptr;
  const double products = (double)shape.taps() * self->run;
  self->cost_ns = 0.02 * (double)(shape.pixels() * step.c) * products;
  if (!init_stream(*self, step, kernels.tile_pixels, true, builder)) return nullptr;
  if (!set_integer_stage(*self, step, shape.groups == 1, builder)) return nullptr;
  if (!share_channels(*self, step, self->plan, multiply_all_pixels, builder)) return nullptr;
  self->produce = multiply;
  const bool symmetric = !memchr(step.weights, -128, (size_t)(shape.taps() * (int64_t)self->run * step.c));
  self->multiply = symmetric ? kernels.conv_of_symmetric : kernels.conv;
  self->x = (const int8_t*)builder.place(*step.x);
  self->encoded = (uint32_t*)builder.workspace;
  const uint32_t zero = (uint32_t)(step.x->zero_point + kernels.offset);
  self->border = kernels.per_word == 4 ? (zero & 0xff) * 0x01010101u : (zero & 0xffff) * 0x00010001u;
  const Padding& padding = self->plan.padding;
  const bool is_encoded =
      kernels.per_word == 4 && kernels.offset == 0 && self->run % 4 == 0 && !padding.has_border();
  self->plan.gemm.input = is_encoded ? (const uint32_t*)self->x : self->encoded;
  if (!is_encoded) {
    self->prepare = encode_rows;
    self->prepare_units = padding.rows();
  }
  snprintf(self->label, sizeof self->label, "conv i8 %dx%d", kernels.tile_pixels, self->plan.block->lanes);
  return self;
}

}  // namespace bnn
