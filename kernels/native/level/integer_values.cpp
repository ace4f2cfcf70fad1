// i8 values one by one: two tensors combined in TFLite's integer arithmetic, and sums and maxima over a window; compiled
// once per ISA level.
#include "level/model_parts.h"
#include "level/requantize.h"

namespace {

using bnn::IntegerPair;

struct Operand {
  Requantizer factor;
  int32_t zero_point, left_shift;
  explicit Operand(const bnn::IntegerOperand& from, int32_t left)
      : factor(Ints{} + from.multiplier, Ints{} + from.shift), zero_point(from.zero_point), left_shift(left) {}
  Ints operator()(const int8_t* from) const {
    return factor((__builtin_convertvector(load<Octets>(from), Ints) - zero_point) << left_shift);
  }
};

template <class Combine>
void combined(const IntegerPair& pair, const int8_t* a, const int8_t* b, int64_t count, int8_t* out, Combine combine) {
  const Operand first(pair.a, pair.left_shift), second(pair.b, pair.left_shift);
  const Requantizer whole(Ints{} + pair.out.multiplier, Ints{} + pair.out.shift);
  bnn::Stage stage = {};
  stage.low_i = pair.low;
  stage.high_i = pair.high;
  stage.zero_point = pair.out.zero_point;
  const StepLimits limits(stage);
  for (int64_t i = 0; i < count; i += kLanes) {
    const int64_t left = count - i;
    limits.store(whole(combine((Words)first(a + i), (Words)second(b + i))), left < kLanes ? (int32_t)left : kLanes, out + i);
  }
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
    case bnn::Combine::kAdd: return combined(pair, a, b, count, out, [](Words x, Words y) { return (Ints)(x + y); });
    case bnn::Combine::kSub: return combined(pair, a, b, count, out, [](Words x, Words y) { return (Ints)(x - y); });
    case bnn::Combine::kMul: return combined(pair, a, b, count, out, [](Words x, Words y) { return (Ints)(x * y); });
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
