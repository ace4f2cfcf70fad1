#include "model/stream.h"

#include <string.h>

namespace bnn {

namespace {

constexpr int64_t kStripBytes = 24 << 10;  // half of a small first cache, beside the weights

void run_stream(const Step& step, uint8_t* scratch, int64_t first, int64_t last) {
  const Stream& self = (const Stream&)step;
  const int64_t pixels = last - first, tiles = (pixels + self.tile_pixels - 1) / self.tile_pixels;
  const int64_t strips = (tiles + self.strip_tiles - 1) / self.strip_tiles;
  uint8_t* extra = scratch + self.strip_bytes;
  if (self.produce_all) return self.produce_all(self, first, last);
  if (self.direct) {
    for (int64_t s = 0; s < strips; ++s) {
      const int64_t from = first + pixels * (tiles * s / strips) / tiles;
      const int64_t to = first + pixels * (tiles * (s + 1) / strips) / tiles;
      self.produce(self, extra, from, to, (float*)self.direct + from * self.direct_row, self.direct_row);
    }
    return;
  }
  float* strip = (float*)scratch;
  // Strips of nearly equal numbers of whole tiles.
  for (int64_t s = 0; s < strips; ++s) {
    const int64_t from = first + pixels * (tiles * s / strips) / tiles;
    const int64_t to = first + pixels * (tiles * (s + 1) / strips) / tiles;
    self.produce(self, extra, from, to, strip, self.row_floats);
    if (self.is_integer)
      self.integers->requantize(*self.stages.stage, self.stages.channels, from, to - from, (int32_t*)strip,
                                self.row_floats);
    else
      self.kernels->run_stages(self.stages, from, to - from, strip, self.row_floats);
  }
}

void run_blocks(const Step& step, uint8_t* scratch, int64_t first, int64_t last) {
  const Stream& self = (const Stream&)step;
  float* out = self.direct ? (float*)self.direct : (float*)scratch;
  const int64_t row = self.direct ? self.direct_row : self.row_floats;
  self.produce_blocks(self, first, last, out, row);
  if (self.direct) return;
  for (const BlockStages* block = self.block + first; block < self.block + last; ++block) {
    const Stages& stages = block->stages;
    if (self.is_integer)
      self.integers->requantize(*stages.stage, stages.channels, 0, self.pixels, (int32_t*)out + block->first, row);
    else
      self.kernels->run_stages(stages, 0, self.pixels, out + block->first, row);
  }
}

// The bytes of a channel in a stage's tensor; 0: it has none, or less than a byte.
int64_t channel_bytes(StageKind kind) {
  switch (kind) {
    case StageKind::kAdd:
    case StageKind::kMul:
    case StageKind::kAddImage:
    case StageKind::kMulImage:
    case StageKind::kStore: return 4;
    case StageKind::kAddI8:
    case StageKind::kMulI8:
    case StageKind::kStoreI8:
    case StageKind::kStoreI8Even:
    case StageKind::kStoreRequantized:
    case StageKind::kStoreRequantizedOnce: return 1;
    default: return 0;
  }
}

Stage from_channel(const Stage& stage, int32_t channel) {
  Stage moved = stage;
  if (moved.constant) moved.constant += channel;
  if (moved.bias) moved.bias += channel;
  if (moved.multiplier) moved.multiplier += channel;
  if (moved.shift) moved.shift += channel;
  if (moved.factor) moved.factor += channel;
  if (moved.tensor) moved.tensor += channel * channel_bytes(stage.kind);
  return moved;
}

Stage make_stage(const PlanStage& from, int32_t channels, StepBuilder& builder) {
  Stage to = {};
  to.kind = from.kind;
  to.low = from.low;
  to.high = from.high;
  to.scale = from.scale;
  to.zero_point = from.zero_point;
  to.low_i = from.low_i;
  to.high_i = from.high_i;
  if (from.constant) to.constant = builder.padded_constant<float>(from.constant, channels);
  if (from.bias) to.bias = builder.padded_constant<int32_t>(from.bias, channels);
  if (from.multiplier) to.multiplier = builder.padded_constant<int32_t>(from.multiplier, channels);
  if (from.shift) to.shift = builder.padded_constant<int32_t>(from.shift, channels);
  if (from.factor) to.factor = builder.padded_constant<double>(from.factor, channels);
  if (from.tensor) {
    to.tensor = builder.place(*from.tensor) + (int64_t)from.channel * from.tensor->element_bytes();
    to.stride_bytes = from.tensor->pixel_bytes();
  }
  return to;
}

// Whether the stages are what the producer does by itself: a store alone, or a sum, limits and a store.
void find_direct(Stream& stream, bool has_epilogue) {
  const Stage *stage = stream.stages.stage, *last = stage + stream.stages.count - 1;
  FloatEpilogue epilogue;
  if (has_epilogue && stage < last && stage->kind == StageKind::kAdd) {
    epilogue.add = (const float*)stage->tensor;
    epilogue.add_row = stage->stride_bytes / 4;
    ++stage;
  }
  if (has_epilogue && stage < last && stage->kind == StageKind::kClamp) {
    epilogue.low = stage->low;
    epilogue.high = stage->high;
    ++stage;
  }
  if (stage != last || last->kind != StageKind::kStore) return;
  stream.direct = last->tensor;
  stream.direct_row = last->stride_bytes / 4;
  stream.epilogue = epilogue;
}

}  // namespace

bool init_stream(Stream& stream, const PlanStep& step, int32_t tile_pixels, bool writes_exactly, StepBuilder& builder,
                 bool has_epilogue) {
  Stage* stage = builder.arena.array<Stage>(step.stages, builder.error);
  for (int32_t i = 0; stage && i < step.stages; ++i) stage[i] = make_stage(step.stage[i], step.c, builder);
  if (builder.error.failed()) return false;
  stream.run = run_stream;
  stream.kernels = builder.kernels.model;
  stream.integers = builder.kernels.integers;
  stream.units = (int64_t)step.n * step.h * step.w;
  stream.stages = {stage, step.stages, step.c, (int64_t)step.h * step.w};
  if (step.c > INT32_MAX / 8) return builder.error.set("it has too many channels");
  stream.row_floats = strip_row(step.c);
  stream.tile_pixels = tile_pixels;
  const int64_t row_bytes = (int64_t)stream.row_floats * 4, tile_bytes = row_bytes * tile_pixels;
  stream.strip_tiles = tile_bytes < kStripBytes ? kStripBytes / tile_bytes : 1;
  stream.epilogue = {};  // the arena gives zeros, and this leaves sums as they are
  if (writes_exactly || step.c == stream.row_floats) find_direct(stream, has_epilogue);
  // Balancing makes a strip at most a tile longer.
  int64_t pixels = (stream.strip_tiles + 1) * tile_pixels;
  if (pixels > stream.units) pixels = stream.units;
  stream.strip_bytes = stream.direct ? 0 : pixels * row_bytes + kMaxOverread;
  stream.scratch_bytes = stream.strip_bytes;
  stream.cost_ns += (double)stream.units * step.c * (0.2 + 0.2 * step.stages);
  return true;
}

bool set_integer_stage(Stream& stream, const PlanStep& step, bool can_store, StepBuilder& builder) {
  stream.is_integer = step.stages == 1 && step.stage[0].bias;
  if (!stream.is_integer || !can_store) return true;
  const Stage& stage = *stream.stages.stage;
  const int64_t bytes = stream.integers->store_bytes(stage, step.c);
  if (!bytes) return true;
  uint8_t* factors = builder.arena.array<uint8_t>(bytes, builder.error);
  if (!factors) return false;
  stream.integers->prepare_store(stage, step.c, factors);
  stream.store = {factors, (int8_t*)stage.tensor, stage.stride_bytes, stage.low_i, stage.high_i, stage.zero_point};
  stream.direct = stage.tensor;
  stream.strip_bytes = stream.scratch_bytes = 0;  // the producer's own comes after this
  return true;
}

bool share_channels(Stream& stream, const PlanStep& step, const GemmPlan& plan,
                    void (*produce_blocks)(const Stream&, int64_t first, int64_t last, float* out, int64_t row_floats),
                    StepBuilder& builder) {
  const int64_t pixels = stream.units;
  if (!has_more_blocks(plan)) return true;
  if (!stream.direct) {
    if (!stream.is_integer && plan.block->lanes % strip_row(1)) return true;  // stages take whole rows of a strip
    for (int32_t i = 0; i < step.stages; ++i)
      if (step.stage[i].tensor && !channel_bytes(step.stage[i].kind)) return true;  // blocks could share a word of bits
    stream.block = builder.arena.array<BlockStages>(plan.blocks, builder.error);
    Stage* stage = builder.arena.array<Stage>((int64_t)plan.blocks * step.stages, builder.error);
    if (builder.error.failed()) return false;
    for (int b = 0; b < plan.blocks; ++b, stage += step.stages) {
      const ChannelBlock& block = plan.block[b];
      for (int32_t i = 0; i < step.stages; ++i) stage[i] = from_channel(stream.stages.stage[i], block.first);
      stream.block[b] = {block.first, {stage, step.stages, block.valid, stream.stages.image_pixels}};
    }
    stream.strip_bytes = stream.scratch_bytes = pixels * stream.row_floats * 4 + kMaxOverread;
  }
  stream.produce_blocks = produce_blocks;
  stream.pixels = pixels;
  stream.units = plan.blocks;
  stream.run = run_blocks;
  return true;
}

void add_scratch(Stream& stream, int64_t bytes) { stream.scratch_bytes += (bytes + kMaxOverread + 63) / 64 * 64; }

void* StepBuilder::copy_padded(const uint8_t* from, int64_t count, int64_t bytes) {
  void* to = arena.allocate((count + 15) / 16 * 16 * bytes, error);
  if (to) memcpy(to, from, (size_t)(count * bytes));
  return to;
}

}  // namespace bnn
