// The ops of the protocol: parsed and checked specs. Sizes are bounded here once, so that no later product overflows.
#pragma once
#include <stdint.h>

#include "base/text.h"
#include "level/kernel_set.h"

namespace bnn {

enum class OpKind { kBgemm, kBconv2d, kBitpack, kBmaxpool2d };

struct Op {
  OpKind kind;
  // bconv2d and bmaxpool2d: n images of h x w x c; oc filters of kh x kw. bgemm: n = m, oc = n, c = k.
  // bitpack: n rows of c values.
  int32_t n, h = 1, w = 1, c, oc = 1, kh = 1, kw = 1, sh = 1, sw = 1, dh = 1, dw = 1, groups = 1;
  bool same = false;
  int32_t pad_value = 0;
  Output output = Output::kInt32;
  int32_t clamp_low = INT32_MIN, clamp_high = INT32_MAX;
  bool i8 = false;  // bitpack
  int32_t zero_point = 0;
  const char* kernel = nullptr;  // the micro-kernel to take; valid as long as the request
  // Derived.
  int32_t out_h = 1, out_w = 1, pad_top = 0, pad_left = 0;
  int32_t words = 0;  // of one pixel's channels
  int64_t x_bytes = 0, filter_bytes = 0, out_bytes = 0;
  Window window() const { return {kh, kw, sh, sw, dh, dw, pad_top, pad_left}; }
  int64_t pixels() const { return (int64_t)n * out_h * out_w; }
  // The arrays of `data=`: x, filter, then the epilogue's.
  int64_t data_bytes() const;
};

bool parse_op(const Request& request, Op& op, Error& error);
const char* op_name(int index);  // null past the last
void describe_arrays(const Op& op, Json& reply);  // "inputs" and "outputs"

}  // namespace bnn
