#include "implicit_gemm.h"

#include <string.h>

namespace bnn {

namespace {

struct Taps {
  int32_t first, last;  // taps inside the image, along one axis
};

Taps taps_inside(int64_t origin, int32_t dilation, int32_t kernel, int32_t size) {
  int32_t first = 0, last = kernel;
  while (first < kernel && origin + (int64_t)first * dilation < 0) ++first;
  while (last > first && origin + (int64_t)(last - 1) * dilation >= size) --last;
  return {first, last};
}

// Where windows start and how they are cut into runs of neighbouring words.
bool plan_windows(const Op& op, const uint8_t* data, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  const int64_t bottom = (int64_t)(op.out_h - 1) * op.sh + (int64_t)(op.kh - 1) * op.dh + 1;
  const int64_t right = (int64_t)(op.out_w - 1) * op.sw + (int64_t)(op.kw - 1) * op.dw + 1;
  const int64_t padded_h = bottom > op.h + op.pad_top ? bottom : op.h + op.pad_top;
  const int64_t padded_w = right > op.w + op.pad_left ? right : op.w + op.pad_left;
  int64_t words;
  if (__builtin_mul_overflow(padded_h * padded_w, (int64_t)op.n * op.words, &words) || words > INT32_MAX / 4)
    return error.set("the image and its border would take more than 2 GiB");
  uint32_t* x = (uint32_t*)arena.allocate(op.x_bytes, error);
  uint32_t* offset = arena.array<uint32_t>(op.pixels(), error);
  const bool rows = op.dw == 1 && op.groups == 1;  // a kernel row is one run
  gemm.segments = rows ? op.kh : op.kh * op.kw;
  gemm.segment_words = (rows ? op.kw : 1) * (op.words / op.groups);
  gemm.group_words = op.words / op.groups;
  uint32_t* segment = arena.array<uint32_t>(gemm.segments, error);
  const bool has_border = padded_h > op.h || padded_w > op.w;
  if (has_border) plan.padded = arena.array<uint32_t>(words, error);
  if (error.failed()) return false;
  memcpy(x, data, (size_t)op.x_bytes);

  plan.x = x;
  plan.images = op.n, plan.height = op.h, plan.pad_top = op.pad_top;
  plan.row_words = op.w * op.words, plan.pad_left_words = op.pad_left * op.words;
  plan.padded_height = (int32_t)padded_h, plan.padded_row_words = (int32_t)padded_w * op.words;
  const uint32_t row = (uint32_t)plan.padded_row_words;
  for (int32_t n = 0, p = 0; n < op.n; ++n)
    for (int32_t y = 0; y < op.out_h; ++y)
      for (int32_t c = 0; c < op.out_w; ++c)
        offset[p++] = ((uint32_t)n * (uint32_t)padded_h + (uint32_t)y * (uint32_t)op.sh) * row +
                      (uint32_t)c * (uint32_t)op.sw * (uint32_t)op.words;
  for (int32_t s = 0; s < gemm.segments; ++s) {
    const uint32_t ky = (uint32_t)(rows ? s : s / op.kw), kx = (uint32_t)(rows ? 0 : s % op.kw);
    segment[s] = ky * (uint32_t)op.dh * row + kx * (uint32_t)op.dw * (uint32_t)op.words;
  }
  gemm.pixels = op.pixels();
  gemm.input = has_border ? plan.padded : x;
  gemm.pixel_offset = offset, gemm.segment_offset = segment;
  return true;
}

bool plan_blocks(const Op& op, const KernelSet& kernels, const uint32_t* filter, Arena& arena, GemmPlan& plan,
                 Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  gemm.groups = op.groups, gemm.channels = op.oc / op.groups;
  int per_group = 0;
  for (int32_t c = 0; c < gemm.channels; ++per_group) {
    const int32_t lanes = kernels.block_lanes(gemm.channels - c);
    c += lanes, gemm.padded_channels = c;
  }
  const int64_t k = (int64_t)gemm.segments * gemm.segment_words;
  plan.blocks = per_group * op.groups;
  plan.block = arena.array<ChannelBlock>(plan.blocks, error);
  uint32_t* weights = arena.array<uint32_t>(k * gemm.padded_channels * op.groups, error);
  if (error.failed()) return false;
  gemm.weights = weights;
  ChannelBlock* block = plan.block;
  for (int32_t g = 0; g < op.groups; ++g) {
    for (int32_t c = 0; c < gemm.channels; ++block) {
      const int32_t lanes = kernels.block_lanes(gemm.channels - c), left = gemm.channels - c;
      *block = {g, c, lanes, left < lanes ? left : lanes, weights};
      const uint32_t* from = filter + ((int64_t)g * gemm.channels + c) * k;
      for (int64_t j = 0; j < k; ++j, weights += lanes)
        for (int32_t l = 0; l < block->valid; ++l) weights[l] = from[l * k + j];
      c += lanes;
    }
  }
  return true;
}

int32_t clamp_to_int32(int64_t value) {
  return value < INT32_MIN ? INT32_MIN : value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

bool plan_epilogue(const Op& op, const uint8_t* arrays, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  gemm.output = op.output;
  gemm.clamps = op.clamp_low != INT32_MIN || op.clamp_high != INT32_MAX;
  gemm.clamp_low = op.clamp_low, gemm.clamp_high = op.clamp_high;
  const int64_t padded = (int64_t)op.groups * gemm.padded_channels, dot_bits = (int64_t)op.kh * op.kw * op.c / op.groups;
  float* multiplier = nullptr;
  float* bias = nullptr;
  int32_t* threshold = nullptr;
  if (op.output == Output::kFloat) {
    multiplier = arena.array<float>(padded, error), bias = arena.array<float>(padded, error);
  } else if (op.output == Output::kBits) {
    threshold = arena.array<int32_t>(padded, error);
  }
  if (error.failed()) return false;
  for (int64_t p = 0; p < padded; ++p) {
    const int64_t lane = p % gemm.padded_channels, channel = p / gemm.padded_channels * gemm.channels + lane;
    const bool real = lane < gemm.channels;
    if (multiplier && real) {
      memcpy(&multiplier[p], arrays + channel * 4, 4);
      memcpy(&bias[p], arrays + (op.oc + channel) * 4, 4);
    }
    if (threshold) {
      // mismatches > t  <=>  dot < bits - 2 t; no dot is below INT32_MIN, so unused lanes give 0 bits.
      int32_t t = 0;
      if (real) memcpy(&t, arrays + channel * 4, 4);
      threshold[p] = real ? clamp_to_int32(dot_bits - 2 * (int64_t)t) : INT32_MIN;
    }
  }
  gemm.multiplier = multiplier, gemm.bias = bias, gemm.threshold = threshold;
  return true;
}

// Zero-padding: the border's zero bits count as +1 in the sums, so each kind of border takes them out by a base of
// its own: base = channels * taps inside + 2 * (bits of the filter's taps outside).
bool plan_borders(const Op& op, const uint32_t* filter, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  const int64_t padded = (int64_t)op.groups * gemm.padded_channels;
  const int32_t group_channels = op.c / op.groups, taps = op.kh * op.kw;
  if (!plan.padded || op.pad_value == 1) {
    int32_t* base = arena.array<int32_t>(padded, error);
    if (!base) return false;
    for (int64_t p = 0; p < padded; ++p) base[p] = taps * group_channels;
    gemm.base = base;
    return true;
  }
  // Rows with the same taps inside share a kind, so do columns; a pixel's kind is the pair.
  Taps* row_taps = arena.array<Taps>(op.out_h, error);
  Taps* column_taps = arena.array<Taps>(op.out_w, error);
  uint32_t* kind_of_row = arena.array<uint32_t>(op.out_h, error);
  uint32_t* kind_of_column = arena.array<uint32_t>(op.out_w, error);
  uint32_t* border = arena.array<uint32_t>(op.pixels(), error);
  int32_t* ones = arena.array<int32_t>((int64_t)op.oc * taps, error);  // set bits of each filter tap
  if (error.failed()) return false;
  auto find_kinds = [](int32_t count, int32_t stride, int32_t before, int32_t dilation, int32_t kernel, int32_t size,
                       Taps* kinds, uint32_t* kind_of) {
    uint32_t found = 0;
    for (int32_t i = 0; i < count; ++i) {
      const Taps taps = taps_inside((int64_t)i * stride - before, dilation, kernel, size);
      uint32_t k = 0;
      while (k < found && (kinds[k].first != taps.first || kinds[k].last != taps.last)) ++k;
      if (k == found) kinds[found++] = taps;
      kind_of[i] = k;
    }
    return found;
  };
  const uint32_t row_kinds = find_kinds(op.out_h, op.sh, op.pad_top, op.dh, op.kh, op.h, row_taps, kind_of_row);
  const uint32_t column_kinds =
      find_kinds(op.out_w, op.sw, op.pad_left, op.dw, op.kw, op.w, column_taps, kind_of_column);
  int32_t* base = arena.array<int32_t>((int64_t)row_kinds * column_kinds * padded, error);
  if (!base) return false;
  const int32_t tap_words = op.words / op.groups;
  for (int64_t t = 0; t < (int64_t)op.oc * taps; ++t)
    for (int32_t j = 0; j < tap_words; ++j) ones[t] += __builtin_popcount(filter[t * tap_words + j]);
  int32_t* row = base;
  for (uint32_t r = 0; r < row_kinds; ++r) {
    for (uint32_t c = 0; c < column_kinds; ++c, row += padded) {
      const Taps inside_y = row_taps[r], inside_x = column_taps[c];
      const int32_t inside = (inside_y.last - inside_y.first) * (inside_x.last - inside_x.first);
      for (int32_t channel = 0; channel < op.oc; ++channel) {
        int32_t outside = 0;
        for (int32_t ky = 0; ky < op.kh; ++ky)
          for (int32_t kx = 0; kx < op.kw; ++kx)
            if (ky < inside_y.first || ky >= inside_y.last || kx < inside_x.first || kx >= inside_x.last)
              outside += ones[((int64_t)channel * op.kh + ky) * op.kw + kx];
        row[(int64_t)(channel / gemm.channels) * gemm.padded_channels + channel % gemm.channels] =
            inside * group_channels + 2 * outside;
      }
    }
  }
  for (int64_t p = 0; p < op.pixels(); ++p) {
    const int32_t y = (int32_t)(p / op.out_w % op.out_h), x = (int32_t)(p % op.out_w);
    border[p] = kind_of_row[y] * column_kinds + kind_of_column[x];
  }
  gemm.base = base, gemm.pixel_border = border;
  return true;
}

}  // namespace

bool plan_gemm(const Op& op, const KernelSet& kernels, const uint8_t* data, uint8_t* out, Arena& arena,
               GemmPlan& plan, Error& error) {
  const uint32_t* filter = (const uint32_t*)(data + op.x_bytes);
  if (!plan_windows(op, data, arena, plan, error) || !plan_blocks(op, kernels, filter, arena, plan, error) ||
      !plan_epilogue(op, data + op.x_bytes + op.filter_bytes, arena, plan, error) ||
      !plan_borders(op, filter, arena, plan, error))
    return false;
  plan.gemm.out = out;
  plan.gemm.out_stride_bytes = op.output == Output::kBits ? (op.oc + 31) / 32 * 4 : (int64_t)op.oc * 4;
  return true;
}

void fill_padding(const GemmPlan& plan) {
  if (!plan.padded) return;
  for (int32_t n = 0; n < plan.images; ++n) {
    const uint32_t* from = plan.x + (int64_t)n * plan.height * plan.row_words;
    uint32_t* to = plan.padded + ((int64_t)n * plan.padded_height + plan.pad_top) * plan.padded_row_words;
    for (int32_t y = 0; y < plan.height; ++y)
      memcpy(to + (int64_t)y * plan.padded_row_words + plan.pad_left_words, from + (int64_t)y * plan.row_words,
             (size_t)plan.row_words * 4);
  }
}

}  // namespace bnn
