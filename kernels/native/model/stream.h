// Steps that produce a stream of f32 pixels: strip by strip into scratch memory, where the stages change and store it.
#pragma once
#include "model/step.h"

namespace bnn {

// The stages of one block of channels.
struct BlockStages {
  int32_t first;         // the block's first channel
  Stages stages;
};

struct Stream : Step {
  const ModelKernels* kernels;
  const IntegerKernels* integers;
  // Pixels [first, last) of the stream, to `out` with `row_floats` between two. `extra` is what add_scratch asked for.
  void (*produce)(const Stream&, uint8_t* extra, int64_t first, int64_t last, float* out, int64_t row_floats);
  // The same of all pixels, for blocks [first, last) of the output channels: see share_channels.
  void (*produce_blocks)(const Stream&, int64_t first, int64_t last, float* out, int64_t row_floats);
  BlockStages* block;
  int64_t pixels;        // of all blocks
  Stages stages;
  // Instead of these, where the producer runs the stages itself.
  void (*produce_all)(const Stream&, int64_t first, int64_t last);
  bool is_integer;       // produces i32, for its only stage, which requantizes them
  int32_t row_floats;
  int64_t tile_pixels;   // what the micro-kernel takes at once
  int64_t strip_tiles;
  int64_t strip_bytes;
  IntegerStore store;    // of those whose kernel stores them itself: factors is not null
  IntegerStore store_from(int64_t pixel) const {
    IntegerStore from = store;
    from.out += pixel * store.stride_bytes;
    return from;
  }
  // Where the stream goes when the producer does all there is to do, as the epilogue says; null: through strips.
  uint8_t* direct;
  int64_t direct_row;    // floats between two pixels of it
  FloatEpilogue epilogue;
  FloatEpilogue epilogue_from(int64_t first) const { return epilogue.at(first, 0); }
};

// Stages and strips; `tile_pixels` is the micro-kernel's height. `writes_exactly`: never beyond a pixel's channels;
// `has_epilogue`: `produce` heeds Stream::epilogue.
bool init_stream(Stream& stream, const PlanStep& step, int32_t tile_pixels, bool writes_exactly, StepBuilder& builder,
                 bool has_epilogue = false);
// Of i8 sums: sets is_integer; and store where the kernel `can_store`, so that no strip is needed.
bool set_integer_stage(Stream& stream, const PlanStep& step, bool can_store, StepBuilder& builder);
// Whether the pixels are too few to be shared, as in a dense layer, and there are more blocks of channels.
inline bool has_more_blocks(const GemmPlan& plan) {
  return plan.gemm.groups == 1 && plan.gemm.pixels < kLeastUnits && plan.blocks > plan.gemm.pixels;
}
// Then units become the blocks of `plan`, each of all pixels. Nothing changes otherwise. Not for producers with scratch
// of their own.
bool share_channels(Stream& stream, const PlanStep& step, const GemmPlan& plan,
                    void (*produce_blocks)(const Stream&, int64_t first, int64_t last, float* out, int64_t row_floats),
                    StepBuilder& builder);
// Scratch of the producer's own, per thread, rounded to whole cache lines.
void add_scratch(Stream& stream, int64_t bytes);

}  // namespace bnn
