// Where the windows of a convolution lie, and the copy of the image with its border that lets them read without tests.
// Everything counts 32-bit words: 32 channels' bits, or one f32.
#pragma once
#include <stdint.h>

#include "base/text.h"
#include "level/model_kernels.h"

namespace bnn {

struct ConvShape {
  int32_t n, h, w, words;  // words of an input pixel
  int32_t oc, out_h, out_w;
  Window window;
  int32_t groups;
  int64_t pixels() const { return (int64_t)n * out_h * out_w; }
  int32_t taps() const { return window.kh * window.kw; }
};

struct Padding {
  int32_t images, height, row_words;             // the image
  int32_t padded_height, padded_row_words;       // with its border
  int32_t pad_top, pad_left_words;
  bool has_border() const { return padded_height > height || padded_row_words > row_words; }
  int64_t words() const { return (int64_t)images * padded_height * padded_row_words; }
  int64_t rows() const { return (int64_t)images * padded_height; }
};

// Fails when the padded image would take more than 2 GiB. All numbers of `shape` are from 0 to INT32_MAX.
bool plan_padding(const ConvShape& shape, Padding& padding, Error& error);

// Rows [first, last) of the padded images. `border` is the word around the image; null leaves what is there.
void fill_padding(const Padding& padding, const uint32_t* x, const uint32_t* border, int64_t first, int64_t last,
                  uint32_t* padded);

}  // namespace bnn
