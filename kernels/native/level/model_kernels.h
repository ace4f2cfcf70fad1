// What one ISA level offers for whole models: f32 streams, their stages, and the roofs that go with them.
// A stream is computed in strips: some pixels' channels as rows of f32 in working memory that stays in the cache. Not so
// where its producer can do all of its stages (FloatEpilogue): its tiles go straight to the tensor.
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

// What convolutions do to their sums before they store them, the stages that most models have: adds the same place of
// a tensor, then limits. The default leaves them as they are.
struct FloatEpilogue {
  float low = -__builtin_inff(), high = __builtin_inff();
  const float* add = nullptr;  // pixel 0's first channel; null: nothing
  int64_t add_row = 0;         // floats between two pixels of it
  __attribute__((always_inline)) FloatEpilogue at(int64_t pixel, int64_t channel) const {
    FloatEpilogue moved = *this;
    if (add) moved.add += pixel * add_row + channel;
    return moved;
  }
};

struct ModelKernels {
  // f32 convolution: as KernelSet's implicit_gemm with f32 in place of words; `bias` (never null) is what the sums
  // start from, in order of k by fused multiply-add where the ISA has it; other epilogue fields are not used. Blocks
  // have one of `widths`. gemm.out is where pixel 0 would go; lanes beyond block.valid are not written.
  // With gemm.halves, which needs `reads_halves`, there is one pixel only, so that no weight is widened twice.
  BlockWidths widths;
  bool reads_halves;
  int32_t tile_pixels;         // mr of the widest blocks
  void (*conv)(const ImplicitGemm&, const ChannelBlock&, int64_t first_pixel, int64_t last_pixel,
               const FloatEpilogue&);
  // Output pixels [first, last), to `out` with `row_floats` between two; the epilogue counts pixels from `first` on.
  void (*depthwise)(const WindowedStream&, int64_t first, int64_t last, const FloatEpilogue&, float* out,
                    int64_t row_floats);
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

// x is NHWC i8 without gaps. What lies outside the image is the zero point.
struct IntegerWindow {
  const int8_t* x;
  int32_t n, h, w, c;
  int32_t out_h, out_w;
  Window window;
  int32_t zero_point;
  const uint8_t* weights;  // made by depthwise_weights
  const int32_t* start;    // [strip_row(c)] what the sums start from
};

// Two i8 tensors to one, in TFLite's integer arithmetic: each operand's steps from its zero point, shifted to the left
// and scaled, are combined, and the result is scaled. kernels/models/interpreter has the same in NumPy.
enum class Combine : int32_t { kAdd = 0, kSub = 1, kMul = 2 };
struct IntegerOperand {
  int32_t zero_point, multiplier, shift;
};
struct IntegerPair {
  Combine combine;
  IntegerOperand a, b, out;
  int32_t left_shift;
  int32_t low, high;       // of the result
};

// Where sums go as i8 right away: the one stage of a stream, prepared by IntegerKernels' prepare_store.
struct IntegerStore {
  const void* factors;
  int8_t* out;             // the first channel of the first pixel
  int64_t stride_bytes;
  int32_t low, high;       // of the result
  int32_t zero_point;
};

// i8 by exact sums in i32. The image is encoded to words of `per_word` channels, each with `offset` added to it.
struct IntegerKernels {
  int32_t per_word;            // 4 of 8 bits each, or 2 of 16
  int32_t offset;
  BlockWidths widths;
  int32_t tile_pixels;         // mr
  // What kStoreRequantized* of so many channels is prepared to, for kernels that store themselves; 0: they can't.
  int64_t (*store_bytes)(const Stage&, int32_t channels);
  void (*prepare_store)(const Stage&, int32_t channels, void* to);
  // As ModelKernels' conv, of encoded words: sums of products start from gemm.base (never null). They go to gemm.out as
  // i32; or to `store`, if that is not null, where there is one group.
  void (*conv)(const ImplicitGemm&, const ChannelBlock&, const IntegerStore* store, int64_t first_pixel,
               int64_t last_pixel);
  // The same where no weight is -128.
  void (*conv_of_symmetric)(const ImplicitGemm&, const ChannelBlock&, const IntegerStore* store, int64_t first_pixel,
                            int64_t last_pixel);
  // `runs` runs of `length` channels, each to `words` words, of which the unused part may keep what it is.
  void (*encode)(const int8_t* from, int64_t runs, int32_t length, int32_t words, uint32_t* to);
  // In place; rounded to f32 once.
  void (*to_floats)(int32_t* sums, int64_t rows, int32_t channels, int64_t row);
  // Depthwise: output pixels [first, last) to i32, `row` of them between two; whole vectors may be written, up to
  // strip_row(c); or to `store`. `weights` and `scratch` are of the sizes that the two functions say.
  int64_t (*depthwise_weights)(const int8_t* from, int32_t kh, int32_t kw, int32_t c, uint8_t* to);
  int64_t (*depthwise_scratch)(const Window&);
  void (*depthwise)(const IntegerWindow&, const IntegerStore* store, int64_t first, int64_t last, int32_t* out, int64_t row,
                    uint8_t* scratch);
  // Sums of a strip whose first pixel is `first`, through the one stage, which is kStoreRequantized*; its bias is in
  // the sums already.
  void (*requantize)(const Stage&, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums, int64_t row);
  // `count` values; up to kMaxOverread more may be read.
  void (*combine)(const IntegerPair&, const int8_t* a, const int8_t* b, int64_t count, int8_t* out);
  // Maxima or sums of 64 channels over a window of pixels, `down` and `across` bytes apart. 2^24 pixels at most.
  void (*reduce)(bool maxima, const int8_t* from, int64_t rows, int64_t down, int64_t columns, int64_t across,
                 int32_t* out);
  // Products of i8 and their sums on registers alone; returns the operations done.
  int64_t (*product_roof)(int64_t rounds);
};

// All that one ISA level offers, and what the machine must have for it: see machine_has.
struct Kernels {
  const char* features;
  const KernelSet* binary;
  const ModelKernels* model;
  const IntegerKernels* integers;
  // Asked once, before all else, where the machine has the features: finds out what only the machine knows, such as
  // the length of a vector. Whether the level can be used; null: it can.
  bool (*prepare)();
};

// A row of one. The build names a triple's levels, least first, as BNN_LEVELS: `extern Level BNN_LEVELS;` declares
// them, and `{BNN_LEVELS}` is a list of pointers to them.
using Level = const Kernels[1];

}  // namespace bnn
