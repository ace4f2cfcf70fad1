// What one ISA level offers: the table of functions that its translation unit fills.
// The rest of the engine is compiled for the triple's baseline and reaches faster code only through this table.
#pragma once
#include <stdint.h>

#include "level/stage.h"

namespace bnn {

// kStages: the values of kFloat, which are changed and stored by stages that fuses_with() names.
enum class Output { kInt32, kFloat, kBits, kStages };

// Whether the micro-kernels can run a stage on the sums that they have in registers.
__attribute__((always_inline)) inline bool fuses_with(StageKind kind) {
  return kind == StageKind::kScale || kind == StageKind::kShift || kind == StageKind::kClamp ||
         kind == StageKind::kAdd || kind == StageKind::kPrelu || kind == StageKind::kStore ||
         kind == StageKind::kStoreBits;
}

// Kernels compute kFloat's dot product in float: with bases and twice the counts below this, every step is exact.
constexpr int64_t kMaxExactFloat = 1 << 24;

// A binary matrix product whose left rows are gathered from an image: bgemm (one segment a row) and bconv2d
// (one segment a kernel row, or a tap when dilated or grouped). All offsets count 32-bit words.
struct ImplicitGemm {
  int64_t pixels;                  // output rows
  int32_t groups;
  int32_t channels;                // output channels of one group
  int32_t padded_channels;         // the same, with the last block's unused lanes
  int32_t segments;
  int32_t segment_words;
  int32_t group_words;             // input words between two groups
  const uint32_t* input;
  const uint32_t* pixel_offset;    // [pixels] start of a pixel's window in the input
  const uint32_t* segment_offset;  // [segments] start of a segment in the window
  int32_t words;                   // of all segments
  const uint32_t* word_offset;     // [words] a word's place in the window
  // 32 bits per channel. kInt32, kFloat: dot = base - 2 * mismatches, base being of the output's type.
  // kBits: the bit is set when mismatches > (int32_t)base. A pixel at a zero-padded border has a row of its own.
  const uint32_t* base;            // [borders][groups * padded_channels]
  const uint32_t* pixel_border;    // [pixels] row of `base`; null: row 0 for all
  Output output;
  bool clamps_low, clamps_high;    // whether the activation limits the dot product of kFloat, to:
  int32_t clamp_low, clamp_high;
  const float* multiplier;         // [groups * padded_channels], kFloat
  const float* bias;
  bool halves;                     // f32 convolutions: whether the blocks' weights are f16
  const Stages* stages;            // kStages: whole words of channels, `groups * channels` of them
  int64_t first;                   // kStages: pixel 0 is this one of the stages' tensors
  uint8_t* out;                    // of the other outputs
  int64_t out_stride_bytes;        // between two pixels
};

// One block of output channels of a group.
struct ChannelBlock {
  int32_t group;
  int32_t first;                   // channel within the group
  int32_t lanes;                   // one of the kernel set's widths
  int32_t valid;                   // lanes that are real channels
  const uint32_t* weights;         // [segments * segment_words][lanes], by bytes or in turns: see BlockWidths
};

// Where a kernel is said to read beyond an array's end: one vector of the widest ISA.
constexpr int64_t kMaxOverread = 64;

struct Window {
  int32_t kh, kw, sh, sw, dh, dw, pad_top, pad_left;
};

// Maxima of +-1 values, bit 1 being -1: x is NHWC, `words` words a pixel. Taps outside the image are left out; each
// window has one inside. x may be read up to kMaxOverread bytes past its end.
struct BitPool {
  const uint32_t* x;
  int32_t h, w, words;
  int32_t out_h, out_w;
  Window window;                   // not dilated
};

// How many channels a block may have: powers of two from one number to another.
struct BlockWidths {
  int32_t least, most;
  // Binary weights of blocks of at least so many lie [word][byte][lane]; 0: of none, all lie [word][lane].
  int32_t by_bytes = 0;
  // Whether each four binary weights of a segment lie in turns: at word t of the four, lane l has word (t + l) % 4.
  bool turns = false;
  __attribute__((always_inline)) bool is_by_bytes(int32_t lanes) const { return by_bytes && lanes >= by_bytes; }
  // For so many channels that are left. Always inlined: the linker must not merge two levels' code.
  __attribute__((always_inline)) int32_t lanes(int32_t remaining) const {
    int32_t lanes = least;
    while (lanes < most && lanes < remaining) lanes *= 2;
    return lanes;
  }
};

struct KernelSet {
  const char* isa;
  int32_t vector_bytes;
  int32_t tile_pixels;             // mr of the widest tile
  bool grows;                      // whether a tile of half the channels has twice the pixels
  BlockWidths widths;              // nr of the widest tile, and of narrower ones
  bool runs_stages;                // whether the next knows kStages
  void (*implicit_gemm)(const ImplicitGemm&, const ChannelBlock&, int64_t first_pixel, int64_t last_pixel);
  // Rows of `channels` values to words of 32 sign bits (1 where value < zero); the tail's unused bits are 0.
  void (*bitpack_f32)(const float* x, int64_t rows, int64_t channels, uint32_t* out);
  void (*bitpack_i8)(const int8_t* x, int8_t zero_point, int64_t rows, int64_t channels, uint32_t* out);
  // Rows [first, last) of the output, those of all images in turn.
  void (*max_pool)(const BitPool&, int64_t first, int64_t last, uint32_t* out);
  // Xor + popcount + accumulate on registers alone; returns the bit products done in `rounds` rounds.
  int64_t (*popcount_roof)(int64_t rounds);
  // mr of a tile of so many channels. Always inlined, as above.
  __attribute__((always_inline)) int32_t pixels(int32_t channels) const {
    return grows ? tile_pixels * (widths.most / channels) : tile_pixels;
  }
};

}  // namespace bnn
