// The words of one step or stage of a plan, read in order.
#pragma once
#include "plan/plan_file.h"

namespace bnn {

constexpr int32_t kMaxExtent = 1 << 28;  // of windows, strides and images: their sums then stay far below 2^31
constexpr int32_t kMaxSoftmaxI8 = 4095;  // channels: their sum has 12 bits before the point

// Dtypes that an argument may have.
constexpr uint32_t kMaskF32 = 1, kMaskI8 = 2, kMaskBits = 4, kMaskI32 = 8, kMaskU8 = 16;
constexpr uint32_t kAnyType = kMaskF32 | kMaskI8 | kMaskBits | kMaskI32;  // but u8, which only tables know

// Reads the arguments of one step or stage in order; the first thing that is wrong is kept, and the rest reads as 0.
class Arguments {
 public:
  Arguments(const PlanFile& plan, const uint32_t* words, Error& error) : plan_(plan), at_(words), error_(error) {}

  uint32_t word() { return *at_++; }
  int32_t integer() { return (int32_t)word(); }
  const uint32_t* skip(int32_t words) {
    at_ += words;
    return at_ - words;
  }
  float real() { return __builtin_bit_cast(float, word()); }

  int32_t within(const char* what, int32_t low, int32_t high) {
    const int32_t value = integer();
    if (value >= low && value <= high) return value;
    error_.set("%s is %d", what, value);
    return low;
  }
  int32_t size(const char* what) { return within(what, 1, INT32_MAX); }

  const PlanTensor* tensor(const char* what, uint32_t types) {
    const uint32_t number = word();
    if (number >= (uint32_t)plan_.tensors) {
      error_.set("%s is tensor %u, which does not exist", what, number);
    } else if (!(1u << (uint32_t)plan_.tensor[number].dtype & types)) {
      error_.set("%s is tensor %u, whose dtype is wrong there", what, number);
    } else {
      return &plan_.tensor[number];
    }
    return nullptr;
  }

  const uint8_t* constant(const char* what, int64_t bytes) {
    const int64_t place = (int64_t)word() * 64;
    if (bytes >= 0 && place <= plan_.data_bytes && bytes <= plan_.data_bytes - place) return plan_.data + place;
    error_.set("%s do not lie in the plan's data", what);
    return nullptr;
  }

  Window window() {
    Window k;
    int32_t* const values[] = {&k.kh, &k.kw, &k.sh, &k.sw, &k.dh, &k.dw};
    for (int32_t* value : values) *value = within("a number of the window", 1, kMaxExtent);
    k.pad_top = within("the padding", 0, kMaxExtent);
    k.pad_left = within("the padding", 0, kMaxExtent);
    return k;
  }

  Fixed fixed() {
    const int32_t multiplier = integer();
    return {multiplier, within("a shift", -31, 31)};
  }

 private:
  const PlanFile& plan_;
  const uint32_t* at_;
  Error& error_;
};

// a * b * c * d * e, or -1 past 2 GiB: no constant is that long.
inline int64_t product(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e) {
  int64_t bytes = a;
  const int64_t factors[] = {b, c, d, e};
  for (int64_t factor : factors)
    if (__builtin_mul_overflow(bytes, factor, &bytes) || bytes > INT32_MAX) return -1;
  return bytes;
}

// Steps that read by tables of places (plan/places.cpp).
bool parse_interpolate(PlanStep& s, Arguments& a, Error& error);
bool parse_gather(PlanStep& s, Arguments& a, Error& error);

// A step's stages (plan/stages.cpp), after its stream is known; `end` bounds the record.
bool parse_stages(const PlanFile& plan, const uint32_t* words, const uint32_t* end, Arena& arena, PlanStep& step,
                  Error& error);

}  // namespace bnn
