// The steps of a plan: their words become typed records when every one of them is right.
#include <math.h>
#include <stdio.h>

#include "plan/arguments.h"

namespace bnn {

namespace {

bool same_shape(const PlanTensor& a, const PlanTensor& b) {
  return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

// Every window touches the image or its neighbouring border; of pools, each has a tap inside.
bool check_axis(bool pools, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad,
                Error& error) {
  const int64_t extent = (kernel - 1) * dilation + 1, last = (out - 1) * stride - pad;
  if (in > kMaxExtent || out > kMaxExtent || extent > kMaxExtent) return error.set("the image is too large");
  if (pools && dilation != 1) return error.set("a pool has no dilation");
  if (pad >= extent + !pools || last >= in + !pools)
    return error.set("a window of %lld at stride %lld with %lld before does not fit %lld into %lld", (long long)extent,
                     (long long)stride, (long long)pad, (long long)in, (long long)out);
  return true;
}

bool check_windows(const PlanTensor& x, int32_t out_h, int32_t out_w, const Window& k, bool pools, Error& error) {
  return check_axis(pools, x.h, out_h, k.kh, k.sh, k.dh, k.pad_top, error) &&
         check_axis(pools, x.w, out_w, k.kw, k.sw, k.dw, k.pad_left, error);
}

bool check_groups(const PlanStep& s, bool binary, Error& error) {
  if (s.x->c % s.groups || s.c % s.groups || (binary && s.groups > 1 && s.x->c % (32 * (int64_t)s.groups)))
    return error.set("%d channels in and %d out are no %d groups", s.x->c, s.c, s.groups);
  if (product(s.window.kh, s.window.kw, s.x->c / s.groups, 1, 1) < 0) return error.set("the window is too large");
  return true;
}

// A stream of x's images and pixels.
void stream_of(PlanStep& s, const PlanTensor& x) {
  s.n = x.n;
  s.h = x.h;
  s.w = x.w;
  s.c = x.c;
}

bool parse_read(PlanStep& s, Arguments& a, Error& error) {
  if (!(s.x = a.tensor("x", kMaskF32 | kMaskI8))) return false;
  stream_of(s, *s.x);
  s.channel = a.integer();
  s.c = a.integer();
  if (s.channel < 0 || s.c < 1 || (int64_t)s.channel + s.c > s.x->c) return error.set("x has no such channels");
  return true;
}

// x, out_h, out_w, oc where there is one, and the window.
bool parse_windowed(PlanStep& s, Arguments& a, uint32_t types, bool has_channels, Error& error) {
  if (!(s.x = a.tensor("x", types))) return false;
  s.n = s.x->n;
  s.h = a.size("out_h");
  s.w = a.size("out_w");
  s.c = has_channels ? a.size("oc") : s.x->c;
  s.window = a.window();
  return !error.failed() && check_windows(*s.x, s.h, s.w, s.window, !has_channels, error);
}

// The weights, whose size must be one that goes with x, and the biases of f32.
void parse_weights(PlanStep& s, Arguments& a, int64_t count, Error& error) {
  const bool floats = s.x->dtype == DType::kF32;
  s.weight_bytes = a.integer();
  if (floats ? s.weight_bytes != 4 && s.weight_bytes != 2 : s.weight_bytes != 1)
    error.set("the bytes of a weight are %d", s.weight_bytes);
  s.weights = a.constant("the weights", error.failed() ? -1 : product(count, s.weight_bytes, 1, 1, 1));
  if (floats) s.bias = a.constant("the biases", product(s.c, 4, 1, 1, 1));
}

bool parse_conv(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed(s, a, kMaskF32 | kMaskI8, true, error)) return false;
  s.groups = a.size("groups");
  if (error.failed() || !check_groups(s, false, error)) return false;
  parse_weights(s, a, product(s.c, s.window.kh, s.window.kw, s.x->c / s.groups, 1), error);
  return true;
}

bool parse_depthwise(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed(s, a, kMaskF32 | kMaskI8, true, error)) return false;
  s.multiplier = a.size("the multiplier");
  if ((int64_t)s.multiplier * s.x->c != s.c) return error.set("%d channels do not become %d", s.x->c, s.c);
  parse_weights(s, a, product(s.window.kh, s.window.kw, s.c, 1, 1), error);
  return true;
}

bool parse_pool(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed(s, a, kMaskF32, false, error)) return false;
  s.op = a.within("the kind of pool", 0, 1);
  return true;
}

bool parse_filter(PlanStep& s, Arguments& a, Error& error) {
  s.groups = a.size("groups");
  s.pad_value = a.within("pad_value", 0, 1);
  return !error.failed() && check_groups(s, true, error);
}

const uint8_t* filter_of(const PlanStep& s, Arguments& a) {
  return a.constant("the filters", product(s.c, s.window.kh, s.window.kw, s.x->elements() / s.groups, 4));
}

bool parse_bconv(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed(s, a, kMaskBits, true, error) || !parse_filter(s, a, error)) return false;
  s.act_low = a.integer();
  s.act_high = a.integer();
  s.weights = filter_of(s, a);
  s.scales = a.constant("the multipliers", product(s.c, 4, 1, 1, 1));
  s.bias = a.constant("the biases", product(s.c, 4, 1, 1, 1));
  return true;
}

bool parse_softmax(PlanStep& s, Arguments& a, Error&) {
  if (!(s.x = a.tensor("x", kMaskF32))) return false;
  s.beta = a.real();
  stream_of(s, *s.x);
  return true;
}

bool parse_unpack(PlanStep& s, Arguments& a, Error&) {
  if (!(s.x = a.tensor("x", kMaskBits))) return false;
  stream_of(s, *s.x);
  return true;
}

// Whether the last element that the strides reach lies in the tensor.
bool reaches(const PlanStep& s, const int32_t (&stride)[4], const PlanTensor& t) {
  const int64_t dims[] = {s.n, s.h, s.w, s.c};
  int64_t last = 0;
  for (int i = 0; i < 4; ++i) {
    int64_t step;
    if (stride[i] < 0 || __builtin_mul_overflow(dims[i] - 1, (int64_t)stride[i], &step)) return false;
    last += step;  // each below 2^62, and the sum is checked before it can grow past that
    if (last >= t.pixels() * t.c) return false;
  }
  return true;
}

// Those of a, then those of b, for a result of the stream's shape.
bool take_strides(PlanStep& s, const uint32_t* words, Error& error) {
  for (int32_t& stride : s.a_stride) stride = (int32_t)*words++;
  for (int32_t& stride : s.b_stride) stride = (int32_t)*words++;
  if (!reaches(s, s.a_stride, *s.x) || !reaches(s, s.b_stride, *s.b))
    return error.set("the strides lead out of a tensor");
  return true;
}

bool parse_broadcast(PlanStep& s, Arguments& a, Error& error) {
  s.x = a.tensor("a", kMaskF32);
  s.b = a.tensor("b", kMaskF32);
  if (error.failed()) return false;
  s.op = a.within("op", 0, kBroadcastOps - 1);
  const uint32_t* strides = a.skip(8);
  s.n = a.size("n");
  s.h = a.size("h");
  s.w = a.size("w");
  s.c = a.size("c");
  if (error.failed()) return false;
  if (product(s.n, s.h, s.w, s.c, 4) < 0) return error.set("the result would take more than 2 GiB");
  return take_strides(s, strides, error);
}

bool parse_ends(PlanStep& s, Arguments& a, uint32_t in, uint32_t out) {
  s.x = a.tensor("x", in);
  s.out = a.tensor("out", out);
  return s.x && s.out;
}

// x, out, window: out has x's images and, but for convolutions, its channels.
bool parse_windowed_ends(PlanStep& s, Arguments& a, uint32_t type, bool pools, Error& error) {
  if (!parse_ends(s, a, type, type)) return false;
  s.n = s.out->n;
  s.h = s.out->h;
  s.w = s.out->w;
  s.c = s.out->c;
  s.window = a.window();
  if (error.failed()) return false;
  if (s.out->n != s.x->n || (pools && s.out->c != s.x->c)) return error.set("x and out do not fit each other");
  return check_windows(*s.x, s.h, s.w, s.window, pools, error);
}

bool parse_bconv_bits(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed_ends(s, a, kMaskBits, false, error) || !parse_filter(s, a, error)) return false;
  s.weights = filter_of(s, a);
  s.threshold = a.constant("the thresholds", product(s.c, 4, 1, 1, 1));
  return true;
}

bool parse_bmaxpool(PlanStep& s, Arguments& a, Error& error) {
  return parse_windowed_ends(s, a, kMaskBits, true, error);
}

bool parse_pack(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_ends(s, a, kMaskI8, kMaskBits)) return false;
  return same_shape(*s.x, *s.out) || error.set("x and out differ in shape");
}

// The box at `start` of the shape of `part` lies in `whole`.
bool check_box(PlanStep& s, Arguments& a, const PlanTensor& part, const PlanTensor& whole, Error& error) {
  const int32_t part_dims[] = {part.n, part.h, part.w, part.c}, whole_dims[] = {whole.n, whole.h, whole.w, whole.c};
  if (part.dtype != whole.dtype) return error.set("x and out differ in dtype");
  for (int i = 0; i < 4; ++i) {
    s.start[i] = a.integer();
    if (s.start[i] < 0 || (int64_t)s.start[i] + part_dims[i] > whole_dims[i])
      return error.set("the box does not lie in the tensor");
  }
  if (part.dtype == DType::kBits && s.start[3] % 32) return error.set("a box of bits begins within a word");
  return true;
}

bool parse_place(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_ends(s, a, kAnyType, kAnyType) || !check_box(s, a, *s.x, *s.out, error)) return false;
  s.fills = a.within("fills", 0, 1);
  s.value = a.word();
  if (s.x->dtype != DType::kBits) return true;
  if (s.fills && s.value) return error.set("bits can only be filled with zeros");
  if (s.x->c % 32 && s.start[3] + s.x->c != s.out->c) return error.set("a box of bits ends within a word");
  return true;
}

bool parse_slice(PlanStep& s, Arguments& a, Error& error) {
  return parse_ends(s, a, kAnyType, kAnyType) && check_box(s, a, *s.out, *s.x, error);
}

bool parse_transpose(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_ends(s, a, kAnyType, kAnyType)) return false;
  if (s.x->dtype != s.out->dtype) return error.set("x and out differ in dtype");
  const int32_t in[] = {s.x->n, s.x->h, s.x->w, s.x->c}, out[] = {s.out->n, s.out->h, s.out->w, s.out->c};
  int32_t seen = 0;
  for (int i = 0; i < 4; ++i) {
    s.perm[i] = a.within("an axis", 0, 3);
    seen |= 1 << s.perm[i];
    if (out[i] != in[s.perm[i]]) return error.set("x and out do not fit each other");
  }
  if (seen != 15) return error.set("an axis stands twice");
  if (s.x->dtype == DType::kBits && s.perm[3] != 3) return error.set("the channels of bits cannot be moved");
  return true;
}

bool parse_range(PlanStep& s, Arguments& a, Error& error) {
  s.low = a.within("low", -128, 127);
  s.high = a.within("high", -128, 127);
  return s.low <= s.high || error.set("low is above high");
}

bool parse_pool_i8(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed_ends(s, a, kMaskI8, true, error)) return false;
  s.op = a.within("the kind of pool", 0, 1);
  return parse_range(s, a, error);
}

bool parse_average_i8(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_windowed_ends(s, a, kMaskI8, true, error)) return false;
  s.ratio = a.real();
  return (isfinite(s.ratio) && s.ratio > 0) || error.set("its ratio is invalid");
}

bool parse_binary_i8(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_ends(s, a, kMaskI8, kMaskI8) || !(s.b = a.tensor("b", kMaskI8))) return false;
  stream_of(s, *s.out);
  s.op = a.within("op", 0, 6);
  if (s.op == 4) return error.set("op is 4");
  if (!take_strides(s, a.skip(8), error) || !parse_range(s, a, error)) return false;
  s.left_shift = a.within("left_shift", 0, 22);
  s.a_fixed = a.fixed();
  s.b_fixed = a.fixed();
  s.out_fixed = a.fixed();
  return true;
}

// Values of 8 bits by a constant of 256 entries.
bool parse_tabled(PlanStep& s, Arguments& a, uint32_t types, int entry_bytes, Error& error) {
  if (!parse_ends(s, a, types, types)) return false;
  s.table = a.constant("the table", 256 * entry_bytes);
  return same_shape(*s.x, *s.out) || error.set("x and out differ in shape");
}

bool parse_table_i8(PlanStep& s, Arguments& a, Error& error) {
  return parse_tabled(s, a, kMaskI8 | kMaskU8, 1, error);
}

bool parse_softmax_i8(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_tabled(s, a, kMaskI8, 4, error) || error.failed()) return false;
  const int32_t* exponentials = (const int32_t*)s.table;
  if (exponentials[0] != INT32_MAX) return error.set("its table does not begin with 1");
  for (int i = 0; i < 256; ++i)
    if (exponentials[i] < 0) return error.set("its table holds negative numbers");
  return s.x->c <= kMaxSoftmaxI8 || error.set("it has more than %d channels", kMaxSoftmaxI8);
}

bool parse_mean_i8(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_ends(s, a, kMaskI8, kMaskI8)) return false;
  s.out_fixed = a.fixed();
  const bool fits = s.out->n == s.x->n && s.out->h == 1 && s.out->w == 1 && s.out->c == s.x->c;
  return fits || error.set("x and out do not fit each other");
}

bool parse_constant(PlanStep& s, Arguments& a, Error& error) {
  if (!parse_ends(s, a, kAnyType, kAnyType)) return false;
  if (s.x != s.out) return error.set("it names two tensors");
  s.weights = a.constant("the values", s.out->bytes());
  return true;
}

struct StepRow {
  StepKind kind;
  const char* name;
  uint32_t arguments;
  bool (*parse)(PlanStep&, Arguments&, Error&);
};

constexpr StepRow kSteps[] = {
    {StepKind::kRead, "read", 3, parse_read},
    {StepKind::kConv, "conv", 16, parse_conv},
    {StepKind::kDepthwise, "depthwise", 16, parse_depthwise},
    {StepKind::kPool, "pool", 12, parse_pool},
    {StepKind::kBconv, "bconv", 19, parse_bconv},
    {StepKind::kSoftmax, "softmax", 2, parse_softmax},
    {StepKind::kUnpack, "unpack", 1, parse_unpack},
    {StepKind::kBroadcast, "broadcast", 15, parse_broadcast},
    {StepKind::kInterpolate, "interpolate", 9, parse_interpolate},
    {StepKind::kBconvBits, "bconv_bits", 14, parse_bconv_bits},
    {StepKind::kBmaxpool, "bmaxpool", 10, parse_bmaxpool},
    {StepKind::kPack, "pack", 2, parse_pack},
    {StepKind::kPlace, "place", 8, parse_place},
    {StepKind::kSlice, "slice", 6, parse_slice},
    {StepKind::kTranspose, "transpose", 6, parse_transpose},
    {StepKind::kPoolI8, "pool_i8", 13, parse_pool_i8},
    {StepKind::kBinaryI8, "binary_i8", 21, parse_binary_i8},
    {StepKind::kSoftmaxI8, "softmax_i8", 3, parse_softmax_i8},
    {StepKind::kTableI8, "table_i8", 3, parse_table_i8},
    {StepKind::kMeanI8, "mean_i8", 4, parse_mean_i8},
    {StepKind::kConstant, "constant", 3, parse_constant},
    {StepKind::kAverageI8, "average_i8", 11, parse_average_i8},
    {StepKind::kGather, "gather", 6, parse_gather},
};

const StepRow* find_row(uint32_t kind) {
  for (const StepRow& row : kSteps)
    if ((uint32_t)row.kind == kind) return &row;
  return nullptr;
}

// One record: the words from `words` on, which end where the record says.
bool parse_step(const uint32_t* words, int64_t count, Arena& arena, const PlanFile& plan, PlanStep& step,
                Error& error) {
  constexpr int64_t kBeforeArguments = 3;  // name and number of arguments; the kind and the length stand before
  const StepRow* row = find_row(words[-2]);
  if (!row) return error.set("its kind %u is unknown", words[-2]);
  step.kind = row->kind;
  step.kind_name = row->name;
  if (count < kBeforeArguments + row->arguments + 1 || words[2] != row->arguments)
    return error.set("it has not the %u arguments of its kind", row->arguments);
  step.name = copy_name(plan, words[0], words[1], arena, error);
  if (!step.name) return false;
  Arguments arguments(plan, words + kBeforeArguments, error);
  row->parse(step, arguments, error);
  if (error.failed()) return false;
  return parse_stages(plan, words + kBeforeArguments + row->arguments, words + count, arena, step, error);
}

}  // namespace

bool parse_steps(const uint32_t* words, const uint32_t* end, Arena& arena, PlanFile& plan, Error& error) {
  plan.step = arena.array<PlanStep>(plan.steps, error);
  if (!plan.step) return false;
  for (int32_t i = 0; i < plan.steps; ++i) {
    PlanStep& step = plan.step[i];
    Error wrong;
    if (end - words < 2 || words[1] > (uint64_t)(end - words - 2)) {
      return error.set("step %d is cut off", i);
    } else if (!parse_step(words + 2, words[1], arena, plan, step, wrong)) {
      return error.set("step %d (%s '%s'): %s", i, step.kind_name ? step.kind_name : "?", step.name ? step.name : "",
                       wrong.text);
    }
    words += 2 + words[1];
  }
  return words == end || error.set("the plan's program is longer than its steps");
}

}  // namespace bnn
