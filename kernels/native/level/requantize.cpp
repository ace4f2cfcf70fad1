// Exact sums to int8, in TFLite's integer arithmetic; compiled once per ISA level.
#include "level/requantize.h"

#include "level/integer_store.h"
#include "level/model_parts.h"

namespace {

using bnn::Stage;
using bnn::StageKind;

// N vectors of channels from `channel` on, of all pixels: their factors stay in registers.
template <class Requantize, int N>
void columns(const Stage& stage, int32_t channel, int32_t valid, int64_t first, int64_t pixels, const int32_t* sums,
             int64_t row) {
  const auto factor = [&](int n) { return requantizer<Requantize>(stage, channel + n * kLanes); };
  const StepLimits limits(stage);
  int8_t* out = (int8_t*)stage.tensor + first * stage.stride_bytes + channel;
  sums += channel;
#ifdef __ARM_NEON
  if constexpr (N == 2) {
    const Requantize a = factor(0), b = factor(1);
    for (int64_t p = 0; p < pixels; ++p, sums += row, out += stage.stride_bytes) {
      const Ints q[] = {a(load<Ints>(sums)), b(load<Ints>(sums + kLanes))};
      vst1_s8(out, vget_low_s8(limits.limited(limits.octets(q))));
    }
    return;
  }
  if constexpr (N == 4) {
    const Requantize a = factor(0), b = factor(1), c = factor(2), d = factor(3);
    for (int64_t p = 0; p < pixels; ++p, sums += row, out += stage.stride_bytes) {
      const Ints q[] = {a(load<Ints>(sums)), b(load<Ints>(sums + kLanes)), c(load<Ints>(sums + 2 * kLanes)),
                        d(load<Ints>(sums + 3 * kLanes))};
      vst1q_s8(out, limits.limited(limits.octets(q)));
    }
    return;
  }
#endif
  const Requantize one = factor(0);
  for (int64_t p = 0; p < pixels; ++p, sums += row, out += stage.stride_bytes)
    limits.store(one(load<Ints>(sums)), valid, out);
}

template <class Requantize>
void all_columns(const Stage& stage, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums,
                 int64_t row) {
  int32_t c = 0;
#ifdef __ARM_NEON
  constexpr int kMost = sizeof(void*) == 8 ? 4 : 2;
  for (; c + kMost * kLanes <= channels; c += kMost * kLanes)
    columns<Requantize, kMost>(stage, c, kMost * kLanes, first, pixels, sums, row);
#endif
  for (; c < channels; c += kLanes) columns<Requantize, 1>(stage, c, channels - c, first, pixels, sums, row);
}

}  // namespace

int64_t BNN_PART(store_bytes)(const Stage& stage, int32_t channels) {
#ifdef BNN_STORES_SUMS
  bool can = stage.kind == StageKind::kStoreRequantized;
  for (int32_t c = 0; can && c < channels; ++c) can = stage.shift[c] < 0;
  return can ? (channels + kLanes - 1) / kLanes * (int64_t)sizeof(Stored) : 0;
#else
  return (void)stage, (void)channels, 0;
#endif
}

void BNN_PART(prepare_store)([[maybe_unused]] const Stage& stage, [[maybe_unused]] int32_t channels,
                             [[maybe_unused]] void* to) {
#ifdef BNN_STORES_SUMS
  for (int32_t c = 0; c < channels; c += kLanes) {
    const Ints shift = load<Ints>(stage.shift + c);
    const Stored one(load<Ints>(stage.multiplier + c), shift < 0 ? shift : Ints{} - 1, stage.zero_point);
    memcpy((uint8_t*)to + c / kLanes * (int64_t)sizeof one, &one, sizeof one);
  }
#endif
}

void BNN_PART(requantize)(const Stage& stage, int32_t channels, int64_t first, int64_t pixels, const int32_t* sums,
                          int64_t row) {
  if (stage.kind == StageKind::kStoreRequantized) {
    all_columns<Requantizer>(stage, channels, first, pixels, sums, row);
  } else {
    all_columns<RequantizerOnce>(stage, channels, first, pixels, sums, row);
  }
}
