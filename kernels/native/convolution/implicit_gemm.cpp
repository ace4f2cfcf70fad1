#include "convolution/implicit_gemm.h"

#include <string.h>

#include "base/half.h"

namespace bnn {

namespace {

struct Taps {
  int32_t first, last;  // taps inside the image, along one axis
};

Taps taps_inside(int64_t origin, int64_t dilation, int32_t kernel, int32_t size) {
  const int64_t first = origin < 0 ? (-origin + dilation - 1) / dilation : 0;
  const int64_t last = origin < size ? (size - 1 - origin) / dilation + 1 : 0;
  if (first >= kernel || last <= first) return {kernel, kernel};
  return {(int32_t)first, (int32_t)(last < kernel ? last : kernel)};
}

// Where windows start and how they are cut into runs of neighbouring words.
bool plan_windows(const ConvShape& shape, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  const Window& k = shape.window;
  if (!plan_padding(shape, plan.padding, error)) return false;
  uint32_t* offset = arena.array<uint32_t>(shape.pixels(), error);
  const bool rows = k.dw == 1 && shape.groups == 1;  // a kernel row is one run
  gemm.segments = rows ? k.kh : k.kh * k.kw;
  gemm.group_words = shape.words / shape.groups;
  gemm.segment_words = (rows ? k.kw : 1) * gemm.group_words;
  uint32_t* segment = arena.array<uint32_t>(gemm.segments, error);
  if (error.failed()) return false;
  const uint32_t row = (uint32_t)plan.padding.padded_row_words, words = (uint32_t)shape.words;
  const uint32_t image = (uint32_t)plan.padding.padded_height * row;
  for (int64_t n = 0, p = 0; n < shape.n; ++n)
    for (int32_t y = 0; y < shape.out_h; ++y)
      for (int32_t x = 0; x < shape.out_w; ++x)
        offset[p++] = (uint32_t)n * image + (uint32_t)y * (uint32_t)k.sh * row + (uint32_t)x * (uint32_t)k.sw * words;
  for (int32_t s = 0; s < gemm.segments; ++s) {
    const uint32_t ky = (uint32_t)(rows ? s : s / k.kw), kx = (uint32_t)(rows ? 0 : s % k.kw);
    segment[s] = ky * (uint32_t)k.dh * row + kx * (uint32_t)k.dw * words;
  }
  gemm.words = gemm.segments * gemm.segment_words;
  uint32_t* word = arena.array<uint32_t>(gemm.words, error);
  if (error.failed()) return false;
  gemm.word_offset = word;
  for (int32_t s = 0; s < gemm.segments; ++s)
    for (int32_t j = 0; j < gemm.segment_words; ++j) *word++ = segment[s] + (uint32_t)j;
  gemm.pixels = shape.pixels();
  gemm.pixel_offset = offset;
  gemm.segment_offset = segment;
  return true;
}

// Which word lies where word j of lane l would lie without BlockWidths::turns. What is beyond a segment's fours stays.
int64_t turned(int64_t j, int32_t lane, int32_t segment_words) {
  const int64_t in_segment = j % segment_words;
  return in_segment >= segment_words / 4 * 4 ? j : j - in_segment % 4 + (in_segment + lane) % 4;
}

// `word(i)` is the filter's i-th number, in the order [oc][k].
template <class Word>
bool pack_blocks(const ConvShape& shape, const BlockWidths& widths, Word word, Arena& arena, GemmPlan& plan,
                 Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  gemm.groups = shape.groups;
  gemm.channels = shape.oc / shape.groups;
  int per_group = 0;
  for (int32_t c = 0; c < gemm.channels; ++per_group) {
    const int32_t lanes = widths.lanes(gemm.channels - c);
    c += lanes;
    gemm.padded_channels = c;
  }
  const int64_t k = (int64_t)gemm.segments * gemm.segment_words;
  plan.blocks = per_group * shape.groups;
  plan.block = arena.array<ChannelBlock>(plan.blocks, error);
  using Number = decltype(word(0));
  Number* weights = arena.array<Number>(k * gemm.padded_channels * shape.groups, error);
  if (error.failed()) return false;
  ChannelBlock* block = plan.block;
  for (int32_t g = 0; g < shape.groups; ++g) {
    for (int32_t c = 0; c < gemm.channels; ++block) {
      const int32_t lanes = widths.lanes(gemm.channels - c), left = gemm.channels - c;
      *block = {g, c, lanes, left < lanes ? left : lanes, (const uint32_t*)weights};
      const int64_t from = ((int64_t)g * gemm.channels + c) * k;
      const bool by_bytes = widths.is_by_bytes(lanes);
      for (int64_t j = 0; j < k; ++j, weights += lanes)
        for (int32_t l = 0; l < block->valid; ++l) {
          const Number bits = word(from + l * k + (widths.turns ? turned(j, l, gemm.segment_words) : j));
          if (!by_bytes) weights[l] = bits;
          for (int32_t b = 0; by_bytes && b < 4; ++b) ((uint8_t*)weights)[b * lanes + l] = (uint8_t)(bits >> 8 * b);
        }
      c += lanes;
    }
  }
  return true;
}

bool plan_blocks(const ConvShape& shape, const BlockWidths& widths, const uint32_t* filter, Arena& arena,
                 GemmPlan& plan, Error& error) {
  return pack_blocks(shape, widths, [filter](int64_t i) { return filter[i]; }, arena, plan, error);
}

bool plan_blocks(const ConvShape& shape, const BlockWidths& widths, FloatWeights weights, Arena& arena, GemmPlan& plan,
                 Error& error) {
  if (weights.bytes == 4) return plan_blocks(shape, widths, (const uint32_t*)weights.values, arena, plan, error);
  const uint16_t* halves = (const uint16_t*)weights.values;
  const auto half = [halves](int64_t i) { return halves[i]; };
  if (plan.gemm.halves) return pack_blocks(shape, widths, half, arena, plan, error);
  return pack_blocks(shape, widths, [half](int64_t i) { return widened(half(i)); }, arena, plan, error);
}

// Where an output channel stands among those with the unused lanes.
int64_t padded_index(const ImplicitGemm& gemm, int32_t channel) {
  return (int64_t)(channel / gemm.channels) * gemm.padded_channels + channel % gemm.channels;
}

// The different sets of taps along one axis and which one each window has; how many there are. Windows with the same
// taps follow one another.
int32_t find_kinds(int32_t windows, int32_t stride, int32_t before, int32_t dilation, int32_t kernel, int32_t size,
                   Taps* kinds, uint32_t* kind_of) {
  int32_t found = 0;
  for (int32_t i = 0; i < windows; ++i) {
    const Taps taps = taps_inside((int64_t)i * stride - before, dilation, kernel, size);
    if (!found || kinds[found - 1].first != taps.first || kinds[found - 1].last != taps.last) kinds[found++] = taps;
    kind_of[i] = (uint32_t)found - 1;
  }
  return found;
}

// f32[oc] or i32[oc] to where the blocks expect it.
const float* spread(const ImplicitGemm& gemm, int32_t oc, const uint8_t* values, Arena& arena, Error& error) {
  float* lanes = arena.array<float>((int64_t)gemm.groups * gemm.padded_channels, error);
  for (int32_t channel = 0; lanes && channel < oc; ++channel)
    memcpy(&lanes[padded_index(gemm, channel)], values + (int64_t)channel * 4, 4);
  return lanes;
}

int32_t less(int32_t bound, int32_t offset) {
  const int64_t value = (int64_t)bound - offset;
  return value < INT32_MIN ? INT32_MIN : (int32_t)value;
}

bool plan_epilogue(const BinaryConv& conv, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  gemm.output = conv.output;
  gemm.clamps_low = conv.clamp_low != INT32_MIN;
  gemm.clamps_high = conv.clamp_high != INT32_MAX;
  gemm.clamp_low = less(conv.clamp_low, conv.offset);
  gemm.clamp_high = less(conv.clamp_high, conv.offset);
  if (conv.output != Output::kFloat) return true;
  gemm.multiplier = spread(gemm, conv.shape.oc, conv.multiplier, arena, error);
  gemm.bias = spread(gemm, conv.shape.oc, conv.bias, arena, error);
  return !error.failed();
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

// Set bits of the filter's taps above and left of (y, x), for each channel and each y <= kh, x <= kw.
int32_t* sum_bits(const BinaryConv& conv, Arena& arena, Error& error) {
  const int32_t kh = conv.shape.window.kh, kw = conv.shape.window.kw, words = conv.shape.words / conv.shape.groups;
  const int64_t row = kw + 1, table = (kh + 1) * row;
  int32_t* sums = arena.array<int32_t>(conv.shape.oc * table, error);
  if (!sums) return nullptr;
  const uint32_t* filter = conv.filter;
  for (int64_t channel = 0; channel < conv.shape.oc; ++channel) {
    int32_t* at = sums + channel * table + row + 1;
    for (int32_t y = 0; y < kh; ++y, ++at) {
      for (int32_t x = 0; x < kw; ++x, ++at, filter += words) {
        *at = at[-1] + at[-row] - at[-row - 1];
        for (int32_t j = 0; j < words; ++j) *at += __builtin_popcount(filter[j]);
      }
    }
  }
  return sums;
}

// Zero-padding: the border's zero bits count as +1 in the sums, so each kind of border takes them out by a base of
// its own: dot = channels * taps inside + 2 * (bits of the filter's taps outside) when no bit differs.
bool plan_borders(const BinaryConv& conv, Arena& arena, GemmPlan& plan, Error& error) {
  ImplicitGemm& gemm = plan.gemm;
  const ConvShape& shape = conv.shape;
  const Window& k = shape.window;
  const int64_t padded = (int64_t)shape.groups * gemm.padded_channels, pixels = shape.pixels();
  const int32_t group_channels = conv.c / shape.groups;
  const bool corrects = plan.padding.has_border() && conv.pad_value == 0;
  Taps whole_y = {0, k.kh}, whole_x = {0, k.kw};
  Taps *rows = &whole_y, *columns = &whole_x;
  int32_t row_kinds = 1, column_kinds = 1;
  const int32_t* sums = nullptr;
  if (corrects) {
    // Rows with the same taps inside share a kind, so do columns; a pixel's kind is the pair.
    rows = arena.array<Taps>(shape.out_h, error);
    columns = arena.array<Taps>(shape.out_w, error);
    uint32_t* kind_of_row = arena.array<uint32_t>(shape.out_h, error);
    uint32_t* kind_of_column = arena.array<uint32_t>(shape.out_w, error);
    uint32_t* border = arena.array<uint32_t>(pixels, error);
    sums = sum_bits(conv, arena, error);
    if (error.failed()) return false;
    row_kinds = find_kinds(shape.out_h, k.sh, k.pad_top, k.dh, k.kh, shape.h, rows, kind_of_row);
    column_kinds = find_kinds(shape.out_w, k.sw, k.pad_left, k.dw, k.kw, shape.w, columns, kind_of_column);
    for (int64_t p = 0; p < pixels; ++p)
      border[p] = kind_of_row[p / shape.out_w % shape.out_h] * (uint32_t)column_kinds + kind_of_column[p % shape.out_w];
    gemm.pixel_border = border;
  }
  const int64_t kinds = (int64_t)row_kinds * column_kinds, row = k.kw + 1, table = (k.kh + 1) * row;
  uint32_t* base = arena.array<uint32_t>(kinds * padded, error);
  if (!base) return false;
  gemm.base = base;
  for (int64_t kind = 0; kind < kinds; ++kind, base += padded) {
    // Unused lanes: no count exceeds this, so their bits are 0.
    for (int64_t p = 0; p < padded; ++p) base[p] = INT32_MAX;
    const Taps y = rows[kind / column_kinds], x = columns[kind % column_kinds];
    const int64_t inside = (int64_t)(y.last - y.first) * (x.last - x.first);
    for (int32_t channel = 0; channel < shape.oc; ++channel) {
      int64_t outside = 0;
      if (corrects) {
        const int32_t* sum = sums + channel * table;
        const int32_t *top = sum + y.first * row, *bottom = sum + y.last * row;
        outside = (int64_t)sum[table - 1] - (bottom[x.last] - bottom[x.first] - top[x.last] + top[x.first]);
      }
      const int64_t dot = inside * group_channels + 2 * outside - (conv.output == Output::kFloat ? conv.offset : 0);
      base[padded_index(gemm, channel)] = base_of(conv.output, dot, conv.bits(),
                                                  conv.threshold ? conv.threshold + (int64_t)channel * 4 : nullptr);
    }
  }
  return true;
}

}  // namespace

bool BinaryConv::needs_dots() const {
  return output == Output::kBits ? shape.groups > 1 && shape.oc / shape.groups % 8
                                 : output == Output::kFloat && 2 * bits() > kMaxExactFloat;
}

bool plan_binary_gemm(const BinaryConv& conv, const BlockWidths& widths, Arena& arena, GemmPlan& plan, Error& error) {
  BinaryConv computed = conv;
  if (conv.needs_dots()) {
    computed.output = Output::kInt32;
    computed.offset = 0;
  }
  return plan_windows(conv.shape, arena, plan, error) &&
         plan_blocks(conv.shape, widths, conv.filter, arena, plan, error) &&
         plan_epilogue(computed, arena, plan, error) && plan_borders(computed, arena, plan, error);
}

bool plan_float_gemm(const ConvShape& shape, FloatWeights weights, const float* bias, const ModelKernels& kernels,
                     Arena& arena, GemmPlan& plan, Error& error) {
  // With one pixel each weight is needed once, so it is memory that limits.
  plan.gemm.halves = weights.bytes == 2 && shape.pixels() == 1 && kernels.reads_halves;
  if (!plan_windows(shape, arena, plan, error) ||
      !plan_blocks(shape, kernels.widths, weights, arena, plan, error))
    return false;
  plan.gemm.output = Output::kFloat;
  plan.gemm.bias = spread(plan.gemm, shape.oc, (const uint8_t*)bias, arena, error);
  return !error.failed();
}

bool plan_integer_gemm(const ConvShape& shape, const uint32_t* filter, const uint32_t* start,
                       const IntegerKernels& kernels, Arena& arena, GemmPlan& plan, Error& error) {
  if (!plan_windows(shape, arena, plan, error) ||
      !plan_blocks(shape, kernels.widths, filter, arena, plan, error))
    return false;
  plan.gemm.output = Output::kInt32;
  plan.gemm.base = (const uint32_t*)spread(plan.gemm, shape.oc, (const uint8_t*)start, arena, error);
  return !error.failed();
}

void finish_dots(const BinaryConv& conv, const int32_t* dots, int64_t row, int64_t pixels, uint8_t* out,
                 int64_t out_stride_bytes) {
  for (int64_t p = 0; p < pixels; ++p, dots += row, out += out_stride_bytes) {
    uint32_t word = 0;
    for (int32_t c = 0; c < conv.shape.oc; ++c) {
      if (conv.output == Output::kFloat) {
        float multiplier, bias;
        memcpy(&multiplier, conv.multiplier + (int64_t)c * 4, 4);
        memcpy(&bias, conv.bias + (int64_t)c * 4, 4);
        const float value = (float)((int64_t)dots[c] - conv.offset) * multiplier + bias;
        memcpy(out + (int64_t)c * 4, &value, 4);
      } else {
        int32_t threshold;
        memcpy(&threshold, conv.threshold + (int64_t)c * 4, 4);
        word |= (uint32_t)(conv.bits() - dots[c] > 2 * (int64_t)threshold) << (c % 32);
        if (c % 32 < 31 && c + 1 < conv.shape.oc) continue;
        memcpy(out + (int64_t)(c / 32) * 4, &word, 4);
        word = 0;
      }
    }
  }
}

}  // namespace bnn
