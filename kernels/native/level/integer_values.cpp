// i8 values one by one: two tensors combined in TFLite's integer arithmetic, and sums and maxima over a window; compiled
// once per ISA level.
#include "level/model_parts.h"
#include "level/requantize.h"

namespace {

using bnn::IntegerPair;

#ifdef __ARM_NEON
constexpr int kAtOnce = 2 * kLanes;
#else
constexpr int kAtOnce = kLanes;
#endif

template <class Factor>
struct Operand {
  Factor factor;
  int32_t zero_point, left_shift;
  explicit Operand(const bnn::IntegerOperand& from, int32_t left)
      : factor(Ints{} + from.multiplier, Ints{} + from.shift), zero_point(from.zero_point), left_shift(left) {}
  void operator()(const int8_t* from, Words (&to)[kAtOnce / kLanes]) const {
#ifdef __ARM_NEON
    const int16x8_t x = vsubq_s16(vmovl_s8(vld1_s8(from)), vdupq_n_s16((int16_t)zero_point));
    to[0] = (Words)factor((Ints)vmovl_s16(vget_low_s16(x)) << left_shift);
    to[1] = (Words)factor((Ints)vmovl_s16(vget_high_s16(x)) << left_shift);
#else
    to[0] = (Words)factor((__builtin_convertvector(load<Octets>(from), Ints) - zero_point) << left_shift);
#endif
  }
};

template <class Factor, class Combine>
void combined(const IntegerPair& pair, const int8_t* a, const int8_t* b, int64_t count, int8_t* out, Combine combine) {
  const Operand<Factor> first(pair.a, pair.left_shift), second(pair.b, pair.left_shift);
  const Factor whole(Ints{} + pair.out.multiplier, Ints{} + pair.out.shift);
  bnn::Stage stage = {};
  stage.low_i = pair.low;
  stage.high_i = pair.high;
  stage.zero_point = pair.out.zero_point;
  const StepLimits limits(stage);
  for (int64_t i = 0; i < count; i += kAtOnce) {
    const int64_t left = count - i;
    const int32_t valid = left < kAtOnce ? (int32_t)left : kAtOnce;
    Words x[kAtOnce / kLanes], y[kAtOnce / kLanes];
    first(a + i, x);
    second(b + i, y);
#ifdef __ARM_NEON
    const Ints q[] = {whole(combine(x[0], y[0])), whole(combine(x[1], y[1]))};
    const int8x8_t octets = vget_low_s8(limits.limited(limits.octets(q)));
    if (valid == kAtOnce) {
      vst1_s8(out + i, octets);
    } else {
      memcpy(out + i, &octets, (size_t)valid);
    }
#else
    limits.store(whole(combine(x[0], y[0])), valid, out + i);
#endif
  }
}

template <class Combine>
void combined_by(const IntegerPair& pair, const int8_t* a, const int8_t* b, int64_t count, int8_t* out,
                 Combine combine) {
#ifdef __ARM_NEON
  if (pair.a.shift <= 0 && pair.b.shift <= 0 && pair.out.shift <= 0)
    return combined<UnshiftedRequantizer>(pair, a, b, count, out, combine);
#endif
  combined<Requantizer>(pair, a, b, count, out, combine);
}

constexpr int kMost = 64 / kLanes;

template <int N, class Step>
inline void over_window(const int8_t* from, int64_t rows, int64_t down, int64_t columns, int64_t across, int32_t start,
                        int32_t* out, Step step) {
  Ints value[N];
  BNN_UNROLL for (int n = 0; n < N; ++n) value[n] = Ints{} + start;
  for (int64_t y = 0; y < rows; ++y, from += down) {
    const int8_t* at = from;
    for (int64_t x = 0; x < columns; ++x, at += across)
      BNN_UNROLL for (int n = 0; n < N; ++n)
        value[n] = step(value[n], __builtin_convertvector(load<Octets>(at + n * kLanes), Ints));
  }
  memcpy(out, value, sizeof value);
}

}  // namespace

void BNN_PART(combine_i8)(const IntegerPair& pair, const int8_t* a, const int8_t* b, int64_t count, int8_t* out) {
  switch (pair.combine) {  // they wrap, as TFLite's do
    case bnn::Combine::kAdd: return combined_by(pair, a, b, count, out, [](Words x, Words y) { return (Ints)(x + y); });
    case bnn::Combine::kSub: return combined_by(pair, a, b, count, out, [](Words x, Words y) { return (Ints)(x - y); });
    case bnn::Combine::kMul: return combined_by(pair, a, b, count, out, [](Words x, Words y) { return (Ints)(x * y); });
  }
}

void BNN_PART(reduce_i8)(bool maxima, const int8_t* from, int64_t rows, int64_t down, int64_t columns, int64_t across,
                         int32_t* out) {
  const auto add = [](Ints sum, Ints x) { return sum + x; };
  const auto most = [](Ints largest, Ints x) { return x > largest ? x : largest; };
  for (int part = 0; part < 64; part += 16) {
    if (maxima) {
      over_window<kMost / 4>(from + part, rows, down, columns, across, -128, out + part, most);
    } else {
      over_window<kMost / 4>(from + part, rows, down, columns, across, 0, out + part, add);
    }
  }
}
