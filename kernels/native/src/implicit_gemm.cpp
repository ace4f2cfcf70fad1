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

// Where an output channel stands among those with the unused lanes.
int64_t padded_index(const ImplicitGemm& gemm, int32_t channel) {
  return (int64_t)(channel / gemm.channels) * gemm.padded_channels + channel % gemm.channels;
}

// The different sets of taps along one axis and which one each window has; how many there are.
int32_t find_kinds(int32_t windows, int32_t stride, int32_t before, int32_t dilation, int32_t kernel, int32_t size,
                   Taps* kinds, uint32_t* kind_of) {
  uint32_t found = 0;
  for (int32_t i = 0; i < windows; ++i) {
    const Taps taps = taps_inside((int64_t)i * stride - before, dilation, kernel, size);
    uint32_t k = 0;
    while (k < found && (kinds[k].first != taps.first || kinds[k].last != taps.last)) ++k;
    if (k == found) kinds[found++] = taps;
    kind_of[i] = k;
  }
  return (int32_t)found;
}

bool plan_epilogue(const Op& op, const uint8_t* arrays, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  gemm.output = op.output;
  gemm.clamps = op.clamp_low != INT32_MIN || op.clamp_high != INT32_MAX;
  gemm.clamp_low = op.clamp_low, gemm.clamp_high = op.clamp_high;
  if (op.output != Output::kFloat) return true;
  const int64_t padded = (int64_t)op.groups * gemm.padded_channels;
  float* multiplier = arena.array<float>(padded, error);
  float* bias = arena.array<float>(padded, error);
  if (error.failed()) return false;
  for (int32_t channel = 0; channel < op.oc; ++channel) {
    const int64_t p = padded_index(gemm, channel);
    memcpy(&multiplier[p], arrays + (int64_t)channel * 4, 4);
    memcpy(&bias[p], arrays + ((int64_t)op.oc + channel) * 4, 4);
  }
  gemm.multiplier = multiplier, gemm.bias = bias;
  return true;
}

// What the epilogue starts from, for a channel whose dot product is `dot` when no bit differs.
uint32_t base_of(Output output, int64_t dot, int64_t bits, const uint8_t* threshold) {
  if (output == Output::kFloat) return __builtin_bit_cast(uint32_t, (float)dot);
  if (output == Output::kInt32) return (uint32_t)dot;
  // The bit is set when bits - (dot - 2 m) > 2 t, that is when m > t - (bits - dot) / 2; bits and dot may differ by an
  // odd number at a border, so halves are rounded down: m > (2 t - bits + dot) / 2.
  int32_t t;
  memcpy(&t, threshold, 4);
  const int64_t twice = 2 * (int64_t)t - bits + dot, limit = twice >= 0 ? twice / 2 : -((1 - twice) / 2);
  return (uint32_t)(int32_t)(limit < INT32_MIN ? INT32_MIN : limit > INT32_MAX ? INT32_MAX : limit);
}

// Zero-padding: the border's zero bits count as +1 in the sums, so each kind of border takes them out by a base of
// its own: dot = channels * taps inside + 2 * (bits of the filter's taps outside) when no bit differs.
bool plan_borders(const Op& op, const uint32_t* filter, const uint8_t* thresholds, Arena& arena, GemmPlan& plan,
                  Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  const int64_t padded = (int64_t)op.groups * gemm.padded_channels;
  const int32_t group_channels = op.c / op.groups, taps = op.kh * op.kw, tap_words = op.words / op.groups;
  const bool corrects = plan.padded && op.pad_value == 0;
  Taps whole_y = {0, op.kh}, whole_x = {0, op.kw};
  Taps *rows = &whole_y, *columns = &whole_x;
  int32_t row_kinds = 1, column_kinds = 1;
  int32_t* ones = nullptr;  // set bits of each filter tap
  if (corrects) {
    // Rows with the same taps inside share a kind, so do columns; a pixel's kind is the pair.
    rows = arena.array<Taps>(op.out_h, error), columns = arena.array<Taps>(op.out_w, error);
    uint32_t* kind_of_row = arena.array<uint32_t>(op.out_h, error);
    uint32_t* kind_of_column = arena.array<uint32_t>(op.out_w, error);
    uint32_t* border = arena.array<uint32_t>(op.pixels(), error);
    ones = arena.array<int32_t>((int64_t)op.oc * taps, error);
    if (error.failed()) return false;
    row_kinds = find_kinds(op.out_h, op.sh, op.pad_top, op.dh, op.kh, op.h, rows, kind_of_row);
    column_kinds = find_kinds(op.out_w, op.sw, op.pad_left, op.dw, op.kw, op.w, columns, kind_of_column);
    for (int64_t p = 0; p < op.pixels(); ++p)
      border[p] = kind_of_row[p / op.out_w % op.out_h] * (uint32_t)column_kinds + kind_of_column[p % op.out_w];
    for (int64_t t = 0; t < (int64_t)op.oc * taps; ++t)
      for (int32_t j = 0; j < tap_words; ++j) ones[t] += __builtin_popcount(filter[t * tap_words + j]);
    gemm.pixel_border = border;
  }
  uint32_t* base = arena.array<uint32_t>((int64_t)row_kinds * column_kinds * padded, error);
  if (!base) return false;
  gemm.base = base;
  for (int32_t kind = 0; kind < row_kinds * column_kinds; ++kind, base += padded) {
    // Unused lanes: no count exceeds this, so their bits are 0.
    for (int64_t p = 0; p < padded; ++p) base[p] = INT32_MAX;
    const Taps y = rows[kind / column_kinds], x = columns[kind % column_kinds];
    const int64_t inside = (int64_t)(y.last - y.first) * (x.last - x.first);
    for (int32_t channel = 0; channel < op.oc; ++channel) {
      int64_t outside = 0;
      for (int32_t t = 0; corrects && t < taps; ++t) {
        const int32_t ky = t / op.kw, kx = t % op.kw;
        const bool is_inside = ky >= y.first && ky < y.last && kx >= x.first && kx < x.last;
        if (!is_inside) outside += ones[(int64_t)channel * taps + t];
      }
      base[padded_index(gemm, channel)] = base_of(op.output, inside * group_channels + 2 * outside,
                                                  (int64_t)taps * group_channels, thresholds + (int64_t)channel * 4);
    }
  }
  return true;
}

}  // namespace

bool plan_gemm(const Op& op, const KernelSet& kernels, const uint8_t* data, uint8_t* out, Arena& arena,
               GemmPlan& plan, Error& error) {
  const uint32_t* filter = (const uint32_t*)(data + op.x_bytes);
  const uint8_t* epilogue = data + op.x_bytes + op.filter_bytes;
  if (!plan_windows(op, data, arena, plan, error) || !plan_blocks(op, kernels, filter, arena, plan, error) ||
      !plan_epilogue(op, epilogue, arena, plan, error) ||
      !plan_borders(op, filter, epilogue, arena, plan, error))
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
