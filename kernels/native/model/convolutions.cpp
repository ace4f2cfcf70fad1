// Convolutions by implicit matrix products: f32 and binary.
#include <stdio.h>
#include <string.h>

#include "model/stream.h"

namespace bnn {

namespace {

struct ConvStream : Stream {
  GemmPlan plan;
  const KernelSet* binary_kernels;
  const uint8_t* x;
  uint32_t* padded;
  BinaryConv dots;  // only when needs_dots(): its constants are then copies
  bool finishes;
};

void fill_border(const Step& step, int64_t first, int64_t last) {
  const ConvStream& self = (const ConvStream&)step;
  const uint32_t zero = 0;  // +1 in bits, 0.0 in f32
  fill_padding(self.plan.padding, (const uint32_t*)self.x, &zero, first, last, self.padded);
}

// The product's view of pixels from `first` on, whose results go to `out`.
ImplicitGemm view(const GemmPlan& plan, int64_t first, int64_t last, uint8_t* out, int64_t stride_bytes) {
  ImplicitGemm gemm = plan.gemm;
  gemm.pixels = last - first;
  gemm.pixel_offset += first;
  if (gemm.pixel_border) gemm.pixel_border += first;
  gemm.out = out;
  gemm.out_stride_bytes = stride_bytes;
  return gemm;
}

void conv(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ConvStream& self = (const ConvStream&)stream;
  const ImplicitGemm gemm = view(self.plan, first, last, (uint8_t*)out, row * 4);
  const FloatEpilogue epilogue = self.epilogue_from(first);
  for (int b = 0; b < self.plan.blocks; ++b) self.kernels->conv(gemm, self.plan.block[b], 0, gemm.pixels, epilogue);
}

void conv_blocks(const Stream& stream, int64_t first, int64_t last, float* out, int64_t row) {
  const ConvStream& self = (const ConvStream&)stream;
  const ImplicitGemm gemm = view(self.plan, 0, self.pixels, (uint8_t*)out, row * 4);
  for (int64_t b = first; b < last; ++b) self.kernels->conv(gemm, self.plan.block[b], 0, gemm.pixels, self.epilogue);
}

void binary_blocks(const ConvStream& self, const ImplicitGemm& gemm, int64_t first, int64_t last) {
  for (int64_t b = first; b < last; ++b) self.binary_kernels->implicit_gemm(gemm, self.plan.block[b], 0, gemm.pixels);
}

void bconv(const Stream& stream, uint8_t*, int64_t first, int64_t last, float* out, int64_t row) {
  const ConvStream& self = (const ConvStream&)stream;
  binary_blocks(self, view(self.plan, first, last, (uint8_t*)out, row * 4), 0, self.plan.blocks);
  if (self.finishes) finish_dots(self.dots, (const int32_t*)out, row, last - first, (uint8_t*)out, row * 4);
}

void bconv_blocks(const Stream& stream, int64_t first, int64_t last, float* out, int64_t row) {
  const ConvStream& self = (const ConvStream&)stream;
  binary_blocks(self, view(self.plan, 0, self.pixels, (uint8_t*)out, row * 4), first, last);
}

// The kernels' tiles go through the stages as well.
ImplicitGemm staged(const ConvStream& self, int64_t first, int64_t last) {
  ImplicitGemm gemm = view(self.plan, first, last, nullptr, 0);
  gemm.output = Output::kStages;
  gemm.stages = &self.stages;
  gemm.first = first;
  return gemm;
}

void bconv_stages(const Stream& stream, int64_t first, int64_t last) {
  const ConvStream& self = (const ConvStream&)stream;
  binary_blocks(self, staged(self, first, last), 0, self.plan.blocks);
}

void bconv_stages_blocks(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const ConvStream& self = (const ConvStream&)step;
  binary_blocks(self, staged(self, 0, self.plan.gemm.pixels), first, last);
}

// Whether every stage is one that tiles can run, and every tile has channels only, of whole words.
bool can_fuse(const ConvStream& self) {
  const ImplicitGemm& gemm = self.plan.gemm;
  const bool has_whole_tiles = gemm.padded_channels == gemm.channels && self.stages.channels % 32 == 0;
  bool fuses = self.binary_kernels->runs_stages && has_whole_tiles;
  for (int32_t i = 0; i < self.stages.count; ++i) fuses &= fuses_with(self.stages.stage[i].kind);
  return fuses;
}

// Where the windows are read from: x itself, or its padded copy.
void set_input(ConvStream& self, const PlanStep& step, StepBuilder& builder) {
  self.x = builder.place(*step.x);
  self.padded = (uint32_t*)builder.workspace;
  self.plan.gemm.input = (const uint32_t*)self.x;
  if (!self.plan.padding.has_border()) return;
  self.plan.gemm.input = self.padded;
  self.prepare = fill_border;
  self.prepare_units = self.plan.padding.rows();
}

int32_t tile_pixels(const ConvStream& self) { return self.binary_kernels->pixels(self.plan.block->lanes); }

void set_label(ConvStream& self, const char* what, int32_t tile_pixels) {
  snprintf(self.label, sizeof self.label, "%s %dx%d", what, tile_pixels, self.plan.block->lanes);
}

BinaryConv binary_conv(const PlanStep& step, Output output) {
  BinaryConv conv = {};
  conv.shape = conv_shape(step);
  conv.c = step.x->c;
  conv.pad_value = step.pad_value;
  conv.output = output;
  conv.clamp_low = output == Output::kFloat ? step.act_low : INT32_MIN;
  conv.clamp_high = output == Output::kFloat ? step.act_high : INT32_MAX;
  conv.offset = output == Output::kFloat ? (int32_t)conv.bits() : 0;  // as Larq Compute Engine does
  conv.filter = (const uint32_t*)step.weights;
  conv.multiplier = step.scales;
  conv.bias = step.bias;
  conv.threshold = step.threshold;
  return conv;
}

// What finish_dots reads must outlive the file.
void keep_dots(ConvStream& self, const BinaryConv& conv, StepBuilder& builder) {
  self.finishes = conv.needs_dots();
  if (!self.finishes) return;
  self.dots = conv;
  const uint8_t** constants[] = {&self.dots.multiplier, &self.dots.bias, &self.dots.threshold};
  for (const uint8_t** constant : constants)
    if (*constant) *constant = (const uint8_t*)builder.padded_constant<float>(*constant, conv.shape.oc);
}

void bconv_bits(const Step& step, uint8_t* scratch, int64_t first, int64_t last) {
  const ConvStream& self = (const ConvStream&)step;
  const int64_t stride = self.plan.gemm.out_stride_bytes;
  uint8_t* out = self.plan.gemm.out;
  if (self.finishes) {
    const int64_t row = self.row_floats;
    for (int64_t p = first; p < last; p += self.strip_tiles) {
      const int64_t end = p + self.strip_tiles < last ? p + self.strip_tiles : last;
      binary_blocks(self, view(self.plan, p, end, scratch, row * 4), 0, self.plan.blocks);
      finish_dots(self.dots, (const int32_t*)scratch, row, end - p, out + p * stride, stride);
    }
    return;
  }
  // Kernels write whole bytes of channels; what is left of a pixel's last word is 0.
  if (self.stages.channels % 32)
    for (int64_t p = first; p < last; ++p) memset(out + (p + 1) * stride - 4, 0, 4);
  binary_blocks(self, view(self.plan, first, last, out + first * stride, stride), 0, self.plan.blocks);
}

void bconv_bits_blocks(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const ConvStream& self = (const ConvStream&)step;
  const ImplicitGemm& gemm = self.plan.gemm;
  binary_blocks(self, view(self.plan, 0, gemm.pixels, gemm.out, gemm.out_stride_bytes), first, last);
}

}  // namespace

ConvShape conv_shape(const PlanStep& step) {
  const PlanTensor& x = *step.x;
  const int32_t groups = step.groups ? step.groups : 1;
  return {x.n, x.h, x.w, x.elements(), step.c, step.h, step.w, step.window, groups};
}

// Tiles whose part of the image stays in the second cache while one block of channels after another reads it.
static int64_t direct_tiles(const PlanStep& step, int64_t tile_pixels) {
  constexpr int64_t kImageBytes = 96 << 10;
  const int64_t bytes = (int64_t)step.x->c * 4 * step.window.sh * step.window.sw * tile_pixels;
  return bytes < kImageBytes ? kImageBytes / bytes : 1;
}

Step* build_float_convolution(const PlanStep& step, StepBuilder& builder) {
  const ConvShape shape = conv_shape(step);
  const int64_t products = (int64_t)shape.taps() * (step.x->c / shape.groups);
  ConvStream* self = builder.arena.array<ConvStream>(1, builder.error);
  if (!self) return nullptr;
  const bool planned = plan_float_gemm(shape, {step.weights, step.weight_bytes}, (const float*)step.bias,
                                       *builder.kernels.model, builder.arena, self->plan, builder.error);
  self->cost_ns = 0.03 * (double)(shape.pixels() * step.c) * (double)products;
  if (!planned || !init_stream(*self, step, builder.kernels.model->tile_pixels, true, builder, true)) return nullptr;
  self->produce = conv;
  if (self->direct) self->strip_tiles = direct_tiles(step, self->tile_pixels);
  if (!share_channels(*self, step, self->plan, conv_blocks, builder)) return nullptr;
  set_input(*self, step, builder);
  set_label(*self, self->plan.gemm.halves ? "conv f32 of f16" : "conv f32", builder.kernels.model->tile_pixels);
  return self;
}

Step* build_bconv(const PlanStep& step, StepBuilder& builder) {
  ConvStream* self = builder.arena.array<ConvStream>(1, builder.error);
  if (!self) return nullptr;
  const BinaryConv binary = binary_conv(step, Output::kFloat);
  self->cost_ns = 0.002 * (double)(binary.shape.pixels() * step.c) * (double)binary.bits();
  self->binary_kernels = builder.kernels.binary;
  if (!plan_binary_gemm(binary, builder.kernels.binary->widths, builder.arena, self->plan, builder.error) ||
      !init_stream(*self, step, tile_pixels(*self), true, builder))
    return nullptr;
  self->produce = bconv;
  keep_dots(*self, binary, builder);
  if (!self->finishes && can_fuse(*self)) {
    self->produce_all = bconv_stages;
    self->scratch_bytes = self->strip_bytes = 0;
    if (has_more_blocks(self->plan)) {
      self->run = bconv_stages_blocks;
      self->units = self->plan.blocks;
    }
  } else if (!self->finishes && !share_channels(*self, step, self->plan, bconv_blocks, builder)) {
    return nullptr;
  }
  set_input(*self, step, builder);
  set_label(*self, self->finishes ? "bconv i32" : "bconv f32", tile_pixels(*self));
  return builder.error.failed() ? nullptr : self;
}

Step* build_bconv_bits(const PlanStep& step, StepBuilder& builder) {
  ConvStream* self = builder.arena.array<ConvStream>(1, builder.error);
  if (!self) return nullptr;
  const BinaryConv binary = binary_conv(step, Output::kBits);
  if (!plan_binary_gemm(binary, builder.kernels.binary->widths, builder.arena, self->plan, builder.error)) return nullptr;
  self->binary_kernels = builder.kernels.binary;
  self->units = binary.shape.pixels();
  self->cost_ns = 0.002 * (double)(self->units * step.c) * (double)binary.bits();
  self->run = bconv_bits;
  self->plan.gemm.out = builder.place(*step.out);
  self->plan.gemm.out_stride_bytes = step.out->pixel_bytes();
  self->stages.channels = step.c;
  keep_dots(*self, binary, builder);
  if (self->finishes) {
    self->row_floats = strip_row(step.c);
    self->strip_tiles = tile_pixels(*self);
    self->scratch_bytes = self->strip_tiles * self->row_floats * 4;
  } else if (step.c % 32 == 0 && has_more_blocks(self->plan)) {  // else the last word's unused bits are two threads'
    self->run = bconv_bits_blocks;
    self->units = self->plan.blocks;
  }
  set_input(*self, step, builder);
  set_label(*self, self->finishes ? "bconv i32 to bits" : "bconv bits", tile_pixels(*self));
  return builder.error.failed() ? nullptr : self;
}

}  // namespace bnn
