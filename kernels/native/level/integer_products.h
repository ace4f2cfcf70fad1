// Products of i8 and their exact sums in i32, as each ISA level does them best.
#pragma once
#include "level/vectors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace {

// kPerWord: how many values a 32-bit word has, of 8 bits each or of 16. kOffset: what is added to a value of the image
// before it is stored. kPixels, kVectors: the tile of a matrix product. A Sum is a vector of output channels.
#if defined(__AVX512VNNI__)
constexpr int kPerWord = 4, kOffset = 128, kPixels = 6, kVectors = 4;  // unsigned times signed
struct Sum {
  Ints all;
  void start(Ints value) { all = value; }
  void add(Ints weights, Ints x) { all = (Ints)_mm512_dpbusd_epi32((__m512i)all, (__m512i)x, (__m512i)weights); }
  Ints total() const { return all; }
};
#elif defined(__AVX2__) || defined(__x86_64__)
constexpr int kPerWord = 2, kOffset = 0, kPixels = BNN_VECTOR_BYTES == 32 ? 6 : 4, kVectors = 2;
struct Sum {
  Ints all;
  void start(Ints value) { all = value; }
#if BNN_VECTOR_BYTES == 32
  void add(Ints weights, Ints x) { all += (Ints)_mm256_madd_epi16((__m256i)weights, (__m256i)x); }
#else
  void add(Ints weights, Ints x) { all += (Ints)_mm_madd_epi16((__m128i)weights, (__m128i)x); }
#endif
  Ints total() const { return all; }
};
#elif defined(__ARM_FEATURE_DOTPROD)
constexpr int kPerWord = 4, kOffset = 0, kPixels = 6, kVectors = 4;
struct Sum {
  int32x4_t all;
  void start(Ints value) { all = (int32x4_t)value; }
  void add(Ints weights, Ints x) { all = vdotq_s32(all, (int8x16_t)weights, (int8x16_t)x); }
  Ints total() const { return (Ints)all; }
};
#elif defined(__ARM_NEON)
constexpr int kPerWord = 4, kOffset = 0, kPixels = 2, kVectors = sizeof(void*) == 8 ? 4 : 2;
struct Sum {
  int32x4_t low, high;  // two sums for each channel: of the first and the second two of its four
  void start(Ints value) {
    const int32x4_t first = {value[0], 0, value[1], 0}, second = {value[2], 0, value[3], 0};
    low = first;
    high = second;
  }
  // `x` has the same word in every lane.
  void add(Ints weights, Ints x) {
    const int8x16_t w = (int8x16_t)weights;
    const int8x8_t a = vget_low_s8((int8x16_t)x);
    low = vpadalq_s16(low, vmull_s8(vget_low_s8(w), a));
    high = vpadalq_s16(high, vmull_s8(vget_high_s8(w), a));
  }
  // Two words at once, none of whose weights is -128.
  void add(int8x16_t v, int8x16_t x, int8x16_t w, int8x16_t y) {
    int16x8_t a = vmull_s8(vget_low_s8(v), vget_low_s8(x));
    a = vmlal_s8(a, vget_low_s8(w), vget_low_s8(y));
    low = vpadalq_s16(low, a);
#ifdef __aarch64__
    high = vpadalq_s16(high, vmlal_high_s8(vmull_high_s8(v, x), w, y));
#else
    int16x8_t b = vmull_s8(vget_high_s8(v), vget_low_s8(x));
    b = vmlal_s8(b, vget_high_s8(w), vget_low_s8(y));
    high = vpadalq_s16(high, b);
#endif
  }
  Ints total() const {
    const int32x2_t first = vpadd_s32(vget_low_s32(low), vget_high_s32(low));
    const int32x2_t second = vpadd_s32(vget_low_s32(high), vget_high_s32(high));
    return (Ints)vcombine_s32(first, second);
  }
};
#else
constexpr int kPerWord = 2, kOffset = 0, kPixels = 2, kVectors = 2;
struct Sum {
  Ints all;
  void start(Ints value) { all = value; }
  void add(Ints weights, Ints x) { all += ((weights << 16) >> 16) * ((x << 16) >> 16) + (weights >> 16) * (x >> 16); }
  Ints total() const { return all; }
};
#endif

}  // namespace
