// What one ISA level offers for whole models: f32 streams, their stages, and the roofs that go with them.
// A stream is computed in strips: some pixels' channels as rows of f32 in working memory that stays in the cache.
//
// Every tensor and every strip may be read (not written) up to kMaxOverread past its end, and constants are padded to
// whole vectors of 64 bytes, so kernels need no scalar tails for reading.
#pragma once
#include <stdint.h>

#include "level/kernel_set.h"

namespace bnn {

// Row of a strip: channels rounded up to 16 floats. What lies beyond the last channel is never stored.
constexpr int32_t strip_row(int32_t channels) { return (channels + 15) / 16 * 16; }

// `depthwise` and `pool`: x is NHWC f32 without gaps. Taps outside the image are left out.
struct WindowedStream {
  const float* x;
  int32_t n, h, w, c;
  int32_t out_h, out_w, out_channels;
  Window window;
  int32_t multiplier;    // depthwise: output channel i reads input channel i / multiplier
  const float* weights;  // depthwise: [kh * kw][strip_row(out_channels)]
  const float* bias;     // depthwise: [strip_row(out_channels)]
};

struct ModelKernels {
  // f32 convolution: as KernelSet's implicit_gemm with f32 in place of words; `bias` (never null) is what the sums
  // start from, in order of k by fused multiply-add where the ISA has it; other epilogue fields are not used. Blocks
  // have one of `widths`. gemm.out is where pixel 0 would go; lanes beyond block.valid are not written.
  BlockWidths widths;
  int32_t tile_pixels;         // mr
  void (*conv)(const ImplicitGemm&, const ChannelBlock&, int64_t first_pixel, int64_t last_pixel);
  // Output pixels [first, last), to `out` with `row_floats` between two.
  void (*depthwise)(const WindowedStream&, int64_t first, int64_t last, float* out, int64_t row_floats);
  void (*max_pool)(const WindowedStream&, int64_t first, int64_t last, float* out, int64_t row_floats);
  // Sums in order of the taps, each row of them by itself.
  void (*average_pool)(const WindowedStream&, int64_t first, int64_t last, float* out, int64_t row_floats);
  // `rows` rows of `channels` values, `from_stride` elements apart, to a strip.
  void (*read_f32)(const float* from, int64_t from_stride, int64_t rows, int32_t channels, float* out, int64_t row_floats);
  void (*read_i8)(const int8_t* from, int64_t from_stride, int64_t rows, int32_t channels, float scale,
                  int32_t zero_point, float* out, int64_t row_floats);
  void (*unpack)(const uint32_t* from, int64_t rows, int32_t channels, float* out, int64_t row_floats);
  void (*softmax)(const float* from, int64_t rows, int32_t channels, float beta, float* out, int64_t row_floats);
  // The strip's pixels are [first, first + pixels) of the stream. Its values may be changed.
  void (*run_stages)(const Stages&, int64_t first, int64_t pixels, float* strip, int64_t row_floats);
  // Fused multiply-adds on registers alone (multiply and add where there is none); returns the f32 operations done.
  int64_t (*fma_roof)(int64_t rounds);
  // Reads all of it with vector loads; returns something that depends on every byte.
  uint64_t (*read_all)(const uint8_t* data, int64_t bytes);
};

// i8 by exact sums in i32. The image is encoded to words of `per_word` channels, each with `offset` added to it.
struct IntegerKernels {
  int32_t per_word;            // 4 of 8 bits each, or 2 of 16
  int32_t offset;
  BlockWidths widths;
  int32_t tile_pixels;         // mr
  // As ModelKernels' conv, of encoded words: sums of products start from gemm.base (never null) and are i32.
  void (*conv)(const ImplicitGemm&, const ChannelBlock&, int64_t first_pixel, int64_t last_pixel);
  // `runs` runs of `length` channels, each to `words` words, of which the unused part may keep what it is.
  void (*encode)(const int8_t* from, int64_t runs, int32_t length, int32_t words, uint32_t* to);
  // In place; rounded to f32 once.
  void (*to_floats)(int32_t* sums, int64_t rows, int32_t channels, int64_t row);
  // Sums of a strip whose first pixel is `first`, through the one stage, which is kStoreRequantized*.
  void (*requantize)(const Stage&, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums, int64_t row);
  // Products of i8 and their sums on registers alone; returns the operations done.
  int64_t (*product_roof)(int64_t rounds);
};

// All that one ISA level offers, and what the machine must have for it: see machine_has.
struct Kernels {
  const char* features;
  const KernelSet* binary;
  const ModelKernels* model;
  const IntegerKernels* integers;
};

// A row of one. The build names a triple's levels, least first, as BNN_LEVELS: `extern Level BNN_LEVELS;` declares
// them, and `{BNN_LEVELS}` is a list of pointers to them.
using Level = const Kernels[1];

}  // namespace bnn
