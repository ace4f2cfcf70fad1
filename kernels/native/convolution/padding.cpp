#include "convolution/padding.h"

#include <string.h>

namespace bnn {

namespace {

int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

void fill(uint32_t* to, int64_t words, uint32_t value) {
  for (int64_t i = 0; i < words; ++i) to[i] = value;
}

}  // namespace

bool plan_padding(const ConvShape& shape, Padding& padding, Error& error) {
  const Window& k = shape.window;
  const int64_t bottom = (int64_t)(shape.out_h - 1) * k.sh + (int64_t)(k.kh - 1) * k.dh + 1;
  const int64_t right = (int64_t)(shape.out_w - 1) * k.sw + (int64_t)(k.kw - 1) * k.dw + 1;
  const int64_t height = larger(bottom, (int64_t)shape.h + k.pad_top);
  const int64_t width = larger(right, (int64_t)shape.w + k.pad_left);
  int64_t area, words;
  if (__builtin_mul_overflow(height, width, &area) ||
      __builtin_mul_overflow(area, (int64_t)shape.n * shape.words, &words) || words > INT32_MAX / 4)
    return error.set("the image and its border would take more than 2 GiB");
  padding.images = shape.n;
  padding.height = shape.h;
  padding.row_words = shape.w * shape.words;
  padding.padded_height = (int32_t)height;
  padding.padded_row_words = (int32_t)width * shape.words;
  padding.pad_top = k.pad_top;
  padding.pad_left_words = k.pad_left * shape.words;
  return true;
}

void fill_padding(const Padding& padding, const uint32_t* x, const uint32_t* border, int64_t first, int64_t last,
                  uint32_t* padded) {
  const int64_t row = padding.padded_row_words, left = padding.pad_left_words, inside = padding.row_words;
  for (int64_t r = first; r < last; ++r) {
    const int64_t image = r / padding.padded_height, y = r % padding.padded_height - padding.pad_top;
    uint32_t* to = padded + r * row;
    if (y < 0 || y >= padding.height) {
      if (border) fill(to, row, *border);
      continue;
    }
    if (border) {
      fill(to, left, *border);
      fill(to + left + inside, row - left - inside, *border);
    }
    memcpy(to + left, x + (image * padding.height + y) * inside, (size_t)inside * 4);
  }
}

}  // namespace bnn
