// Exact sums to int8, in TFLite's integer arithmetic; compiled once per ISA level.
#include "level/model_parts.h"
#include "level/requantize.h"

using bnn::Stage;
using bnn::StageKind;

void BNN_PART(requantize)(const Stage& stage, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums,
                          int64_t row) {
  const int32_t low = stage.low_i - stage.zero_point, high = stage.high_i - stage.zero_point;
  int8_t* out = (int8_t*)stage.tensor + first * stage.stride_bytes;
  for (int64_t p = 0; p < pixels; ++p, sums += row, out += stage.stride_bytes)
    for (int32_t c = 0; c < channels; c += kLanes) {
      const Ints sum = (Ints)(load<Words>(sums + c) + load<Words>(stage.bias + c));
      const Ints multiplier = load<Ints>(stage.multiplier + c), shift = load<Ints>(stage.shift + c);
      store_steps(stage.kind == StageKind::kStoreRequantized ? requantized(sum, multiplier, shift)
                                                             : requantized_once(sum, multiplier, shift),
                  low, high, stage.zero_point, channels - c, out + c);
    }
}
