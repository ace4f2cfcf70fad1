// What a step does with its stream before it is stored.
#include <math.h>
#include <string.h>

#include "plan/arguments.h"

namespace bnn {

namespace {

struct StageRow {
  StageKind kind;
  const char* name;
  uint32_t arguments;
};

constexpr StageRow kStages[] = {
    {StageKind::kScale, "scale", 1},       {StageKind::kShift, "shift", 1},
    {StageKind::kClamp, "clamp", 2},       {StageKind::kAdd, "add", 1},
    {StageKind::kMul, "mul", 1},           {StageKind::kAddImage, "add_image", 1},
    {StageKind::kMulImage, "mul_image", 1}, {StageKind::kPrelu, "prelu", 1},
    {StageKind::kAbs, "abs", 0},           {StageKind::kLogistic, "logistic", 0},
    {StageKind::kHardSwish, "hard_swish", 0}, {StageKind::kTanh, "tanh", 0},
    {StageKind::kExp, "exp", 0},           {StageKind::kSqrt, "sqrt", 0},
    {StageKind::kRsqrt, "rsqrt", 0},
    {StageKind::kStore, "store", 2},       {StageKind::kStoreBits, "store_bits", 1},
    {StageKind::kStoreI8, "store_i8", 2},  {StageKind::kRoundI8, "round_i8", 2},
    {StageKind::kStoreRequantized, "store_requantized", 6},
    {StageKind::kStoreRequantizedOnce, "store_requantized_once", 5},
    {StageKind::kAddI8, "add_i8", 1},      {StageKind::kMulI8, "mul_i8", 1},
    {StageKind::kStoreI8Even, "store_i8_even", 2},
    {StageKind::kRoundI8Even, "round_i8_even", 2},
};

const StageRow* find_row(uint32_t kind) {
  for (const StageRow& row : kStages)
    if ((uint32_t)row.kind == kind) return &row;
  return nullptr;
}

bool produces_stream(StepKind kind) { return (uint32_t)kind < 16; }

bool requantizes(StageKind kind) {
  return kind == StageKind::kStoreRequantized || kind == StageKind::kStoreRequantizedOnce;
}

// The tensor that a stage reads or writes: the stream's pixels, and its channels from `channel` on.
bool take_tensor(const PlanStep& s, Arguments& a, uint32_t type, bool has_channel, bool exact, PlanStage& stage,
                 Error& error) {
  if (!(stage.tensor = a.tensor("its tensor", type))) return false;
  if (has_channel) stage.channel = a.within("the channel", 0, INT32_MAX);
  const PlanTensor& t = *stage.tensor;
  if (t.pixels() != (int64_t)s.n * s.h * s.w || (exact ? t.c != s.c : (int64_t)stage.channel + s.c > t.c))
    return error.set("its tensor does not fit the stream");
  return true;
}

bool take_image(const PlanStep& s, Arguments& a, PlanStage& stage, Error& error) {
  if (!(stage.tensor = a.tensor("its tensor", kMaskF32))) return false;
  const PlanTensor& t = *stage.tensor;
  if (t.n != s.n || t.h != 1 || t.w != 1 || t.c != s.c) return error.set("its tensor does not fit the stream");
  return true;
}

bool take_steps(PlanStage& stage) {
  stage.scale = stage.tensor->scale;
  stage.zero_point = stage.tensor->zero_point;
  return true;
}

bool check_quantized(const PlanStage& stage, Error& error) {
  if (!isfinite(stage.scale) || stage.scale <= 0) return error.set("its scale is invalid");
  return (stage.zero_point >= -128 && stage.zero_point <= 127) || error.set("its zero point is out of range");
}

bool check_shifts(const PlanStage& stage, int32_t channels, Error& error) {
  const int32_t* shift = (const int32_t*)stage.shift;
  for (int32_t c = 0; c < channels; ++c)
    if (shift[c] < -31 || shift[c] > 31) return error.set("the shift of channel %d is %d", c, shift[c]);
  return true;
}

bool check_factors(const PlanStage& stage, int32_t channels, Error& error) {
  for (int32_t c = 0; c < channels; ++c) {
    double factor;
    memcpy(&factor, stage.factor + c * (int64_t)sizeof factor, sizeof factor);
    if (!isfinite(factor) || factor <= 0) return error.set("the factor of channel %d is %g", c, factor);
  }
  return true;
}

bool parse_stage(const PlanStep& s, Arguments& a, PlanStage& stage, Error& error) {
  const int64_t bytes = product(s.c, 4, 1, 1, 1);
  switch (stage.kind) {
    case StageKind::kScale:
    case StageKind::kShift:
    case StageKind::kPrelu: return stage.constant = a.constant("its constants", bytes);
    case StageKind::kClamp:
      stage.low = a.real();
      stage.high = a.real();
      return true;
    case StageKind::kAdd:
    case StageKind::kMul: return take_tensor(s, a, kMaskF32, false, true, stage, error);
    case StageKind::kAddImage:
    case StageKind::kMulImage: return take_image(s, a, stage, error);
    case StageKind::kAbs:
    case StageKind::kHardSwish:
    case StageKind::kLogistic:
    case StageKind::kTanh:
    case StageKind::kExp:
    case StageKind::kSqrt:
    case StageKind::kRsqrt: return true;
    case StageKind::kStore: return take_tensor(s, a, kMaskF32, true, false, stage, error);
    case StageKind::kStoreBits: return take_tensor(s, a, kMaskBits, false, true, stage, error);
    case StageKind::kAddI8:
    case StageKind::kMulI8: return take_tensor(s, a, kMaskI8, false, true, stage, error) && take_steps(stage);
    case StageKind::kStoreI8:
    case StageKind::kStoreI8Even: return take_tensor(s, a, kMaskI8, true, false, stage, error) && take_steps(stage);
    case StageKind::kRoundI8:
    case StageKind::kRoundI8Even:
      stage.scale = a.real();
      stage.zero_point = a.integer();
      return check_quantized(stage, error);
    case StageKind::kStoreRequantized:
    case StageKind::kStoreRequantizedOnce:
      if (!take_tensor(s, a, kMaskI8, false, true, stage, error)) return false;
      stage.zero_point = stage.tensor->zero_point;
      stage.low_i = a.within("low", -128, 127);
      stage.high_i = a.within("high", -128, 127);
      stage.bias = a.constant("its biases", bytes);
      if (stage.kind == StageKind::kStoreRequantizedOnce) {
        stage.factor = a.constant("its factors", product(s.c, 8, 1, 1, 1));
        return !error.failed() && check_factors(stage, s.c, error);
      }
      stage.multiplier = a.constant("its multipliers", bytes);
      stage.shift = a.constant("its shifts", bytes);
      return !error.failed() && check_shifts(stage, s.c, error);
  }
  return false;
}

// Whether a later strip, or another thread's, could read what this stage has overwritten.
bool overwrites_input(const PlanStep& s, const PlanStage& stage) {
  if (!stage_stores(stage.kind)) return false;
  if (stage.tensor == s.x || stage.tensor == s.b) return true;
  for (int32_t i = 0; i < s.stages; ++i) {
    const PlanStage& other = s.stage[i];
    const bool of_steps = other.kind == StageKind::kAddI8 || other.kind == StageKind::kMulI8;
    const bool same_place = other.kind == StageKind::kAdd || other.kind == StageKind::kMul || of_steps;
    const bool reads = same_place || other.kind == StageKind::kAddImage || other.kind == StageKind::kMulImage;
    if (reads && other.tensor == stage.tensor && !(same_place && stage.tensor->c == s.c)) return true;
  }
  return false;
}

bool check_stages(const PlanStep& s, Error& error) {
  const bool whole_numbers = s.x->dtype == DType::kI8 && s.kind != StepKind::kRead;
  if (!s.stages || !stage_stores(s.stage[s.stages - 1].kind)) return error.set("its last stage is not a store");
  for (int32_t i = 0; i < s.stages; ++i) {
    if (requantizes(s.stage[i].kind) && !(whole_numbers && s.stages == 1))
      return error.set("store_requantized is the only stage of an integer convolution, or there is none");
    if (overwrites_input(s, s.stage[i])) return error.set("stage %d overwrites what the step reads", i);
  }
  return true;
}

}  // namespace

bool stage_stores(StageKind kind) {
  return kind == StageKind::kStore || kind == StageKind::kStoreBits || kind == StageKind::kStoreI8 ||
         kind == StageKind::kStoreI8Even || requantizes(kind);
}

bool parse_stages(const PlanFile& plan, const uint32_t* words, const uint32_t* end, Arena& arena, PlanStep& step,
                  Error& error) {
  const uint32_t count = *words++;
  if (!produces_stream(step.kind)) return (!count && words == end) || error.set("its kind has no stages");
  if (count > (uint64_t)(end - words) / 2) return error.set("its stages are cut off");
  step.stages = (int32_t)count;
  step.stage = arena.array<PlanStage>(count, error);
  if (!step.stage) return false;
  for (uint32_t i = 0; i < count; ++i) {
    const StageRow* row = end - words < 2 ? nullptr : find_row(words[0]);
    if (!row) return error.set("stage %u is cut off or of no known kind", i);
    if (words[1] != row->arguments || end - words - 2 < (int64_t)row->arguments)
      return error.set("stage %u (%s) has not the %u arguments of its kind", i, row->name, row->arguments);
    Error wrong;
    Arguments arguments(plan, words + 2, wrong);
    step.stage[i].kind = row->kind;
    parse_stage(step, arguments, step.stage[i], wrong);
    if (wrong.failed()) return error.set("stage %u (%s): %s", i, row->name, wrong.text);
    words += 2 + row->arguments;
  }
  if (words != end) return error.set("its record is longer than its stages");
  return check_stages(step, error);
}

}  // namespace bnn
