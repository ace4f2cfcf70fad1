#include "model/model.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/threads.h"

namespace bnn {

namespace {

constexpr double kAloneNs = 4000;     // waking others up is not worth less
constexpr int64_t kMostBytes = INT32_MAX;

// A plan may not ask for much more memory than its file and its arena suggest.
int64_t memory_limit(int64_t file_bytes, int64_t arena_bytes) {
  const int64_t limit = (16 << 20) + 64 * file_bytes + 16 * arena_bytes;
  return limit < 2 * kMostBytes ? limit : 2 * kMostBytes;  // packed weights and working memory
}

bool overlap(const PlanTensor& a, const PlanTensor& b) {
  return a.offset < b.offset + b.bytes() && b.offset < a.offset + a.bytes();
}

bool list_stored(const PlanStep& step, Arena& arena, ModelStep& made, Error& error) {
  made.stored = arena.array<const PlanTensor*>(step.out ? 1 : step.stages, error);
  if (!made.stored) return false;
  if (step.out) made.stored[made.stores++] = step.out;
  for (int32_t i = 0; i < step.stages; ++i)
    if (stage_stores(step.stage[i].kind)) made.stored[made.stores++] = step.stage[i].tensor;
  return true;
}

// Each run needs the inputs as they were set, also when the plan lets other tensors take their place.
bool place_inputs(Model& model, Arena& arena, Error& error) {
  model.input = arena.array<uint8_t*>(model.plan.inputs, error);
  for (int32_t i = 0; model.input && i < model.plan.inputs; ++i) {
    const PlanTensor& input = *model.plan.input[i];
    bool overwritten = false;
    for (int32_t s = 0; s < model.plan.steps; ++s)
      for (int32_t t = 0; t < model.step[s].stores; ++t) overwritten |= overlap(*model.step[s].stored[t], input);
    for (int32_t j = 0; j < model.plan.inputs; ++j) overwritten |= j != i && overlap(*model.plan.input[j], input);
    model.input[i] = overwritten ? (uint8_t*)arena.allocate(input.bytes(), error) : model.place(input);
  }
  return !error.failed();
}

bool list_outputs(Model& model, Arena& arena, Error& error) {
  Bytes* output = arena.array<Bytes>(model.plan.outputs, error);
  if (!output) return false;
  for (int32_t i = 0; i < model.plan.outputs; ++i)
    output[i] = {model.place(*model.plan.output[i]), model.plan.output[i]->bytes()};
  model.output = output;
  model.outputs = model.plan.outputs;
  return true;
}

bool refuse(const PlanStep& step, int32_t index, const Error& wrong, Error& error) {
  return error.set("step %d (%s '%s'): %s", index, step.kind_name, step.name, wrong.text);
}

bool build_steps(Model& model, const Kernels& kernels, Arena& arena, Error& error) {
  const PlanFile& plan = model.plan;
  int64_t largest = 0;
  for (int32_t i = 0; i < plan.steps; ++i) {
    Error wrong;
    const int64_t bytes = workspace_bytes(plan.step[i], kernels, wrong);
    if (wrong.failed()) return refuse(plan.step[i], i, wrong, error);
    if (bytes > largest) largest = bytes;
  }
  model.step = arena.array<ModelStep>(plan.steps, error);
  uint8_t* workspace = largest ? (uint8_t*)arena.allocate(largest + kMaxOverread, error) : nullptr;
  if (error.failed()) return false;
  for (int32_t i = 0; i < plan.steps; ++i) {
    Error wrong;
    StepBuilder builder = {kernels, arena, wrong, model.tensors, workspace};
    ModelStep& made = model.step[i];
    made.step = build_step(plan.step[i], builder);
    if (!made.step || !list_stored(plan.step[i], arena, made, wrong)) return refuse(plan.step[i], i, wrong, error);
    made.alone = made.step->cost_ns < kAloneNs;
    if (made.step->scratch_bytes > model.scratch_bytes) model.scratch_bytes = made.step->scratch_bytes;
  }
  return true;
}

struct Execution {
  Model& model;
  const Stamps& stamps;
};

// One thread's part of a run. Steps that are too quick to share are the first thread's alone.
void execute(void* argument, const Team& team) {
  const Execution& self = *(const Execution*)argument;
  const Model& model = self.model;
  uint8_t* scratch = model.scratch + team.index * model.scratch_bytes;
  bool waits = false;  // whether others have yet to hear of what the first thread did alone
  for (int32_t i = 0; i < model.plan.steps; ++i) {
    const Step& step = *model.step[i].step;
    if (model.step[i].alone || team.threads == 1) {
      if (team.index == 0) {
        if (step.prepare) step.prepare(step, 0, step.prepare_units);
        step.run(step, scratch, 0, step.units);
      }
      waits = true;
    } else {
      if (waits) team.barrier();
      waits = false;
      if (step.prepare) {
        step.prepare(step, team.first(step.prepare_units), team.last(step.prepare_units));
        team.barrier();
      }
      const int32_t parts = parts_of(step.units, team.threads);
      for (int32_t p; (p = __atomic_fetch_add(&model.taken[i], 1, __ATOMIC_RELAXED)) < parts;) {
        const int64_t first = step.units * p / parts, last = step.units * (p + 1) / parts;
        if (first < last) step.run(step, scratch, first, last);
      }
      team.barrier();
    }
    if (team.index == 0) self.stamps.take(i + 1);
  }
}

void run(Workload& workload, int threads) { run_model((Model&)workload, threads, {}); }

// Of i8. Sums that are requantized wrap as TFLite's do.
Step* build_i8(const PlanStep& step, StepBuilder& builder) {
  const bool requantizes = step.stage[0].bias != nullptr;
  if (step.kind == StepKind::kConv && (requantizes || sums_are_within(step, INT32_MAX)))
    return build_integer_convolution(step, builder);
  if (is_integer_depthwise(step) && (requantizes || sums_are_within(step, INT32_MAX)))
    return build_integer_depthwise(step, builder);
  if (step.kind == StepKind::kDepthwise && sums_are_within(step, kMaxExactFloat)) return build_depthwise(step, builder);
  return build_exact_convolution(step, builder);
}

}  // namespace

Model* load_model(const uint8_t* bytes, int64_t count, const Kernels& kernels, Arena& arena, Error& error) {
  arena.limit(memory_limit(count, 0));
  Model* model = arena.array<Model>(1, error);
  if (!model || !parse_plan(bytes, count, arena, model->plan, error)) return nullptr;
  arena.limit(memory_limit(count, model->plan.arena_bytes));
  model->tensors = (uint8_t*)arena.allocate(model->plan.arena_bytes + kMaxOverread, error);
  if (!model->tensors || !build_steps(*model, kernels, arena, error)) return nullptr;
  model->scratch_bytes = (model->scratch_bytes + 2 * kMaxOverread) / kMaxOverread * kMaxOverread;
  model->scratch = (uint8_t*)arena.allocate(model->scratch_bytes * usable_cpus(), error);
  model->taken = arena.array<int32_t>(model->plan.steps, error);
  if (error.failed() || !place_inputs(*model, arena, error) || !list_outputs(*model, arena, error)) return nullptr;
  model->run = run;
  model->is_model = true;
  return model;
}

void restore_inputs(Model& model) {
  for (int32_t i = 0; i < model.plan.inputs; ++i) {
    const PlanTensor& input = *model.plan.input[i];
    if (model.input[i] != model.place(input)) memcpy(model.place(input), model.input[i], (size_t)input.bytes());
  }
}

void run_step(Model& model, int32_t index) {
  const Step& step = *model.step[index].step;
  if (step.prepare) step.prepare(step, 0, step.prepare_units);
  step.run(step, model.scratch, 0, step.units);
}

int32_t parts_of(int64_t units, int threads) {
  constexpr int64_t kPartsEach = 4;
  const int64_t parts = units / kLeastUnits;
  return (int32_t)(parts < threads ? threads : parts < kPartsEach * threads ? parts : kPartsEach * threads);
}

void run_model(Model& model, int threads, const Stamps& stamps) {
  restore_inputs(model);
  if (threads > 1) memset(model.taken, 0, (size_t)model.plan.steps * sizeof *model.taken);
  stamps.take(0);
  Execution execution = {model, stamps};
  run_team(threads, execute, &execution);
}

int64_t workspace_bytes(const PlanStep& step, const Kernels& kernels, Error& error) {
  const bool integers = step.x->dtype == DType::kI8;
  switch (step.kind) {
    case StepKind::kConv:
    case StepKind::kBconv:
    case StepKind::kBconvBits: {
      Padding padding;
      const ConvShape shape = integers ? integer_shape(step, *kernels.integers) : conv_shape(step);
      if (!plan_padding(shape, padding, error)) return 0;
      return integers || padding.has_border() ? padding.words() * 4 : 0;
    }
    case StepKind::kDepthwise: return integers && !is_integer_depthwise(step) ? step.x->pixels() * step.x->c * 4 : 0;
    default: return 0;
  }
}

Step* build_step(const PlanStep& step, StepBuilder& builder) {
  const bool integers = step.x->dtype == DType::kI8;
  switch (step.kind) {
    case StepKind::kConv:
    case StepKind::kDepthwise:
      if (integers) return build_i8(step, builder);
      return step.kind == StepKind::kConv ? build_float_convolution(step, builder) : build_depthwise(step, builder);
    case StepKind::kBconv: return build_bconv(step, builder);
    case StepKind::kBconvBits: return build_bconv_bits(step, builder);
    case StepKind::kPoolI8:
    case StepKind::kBinaryI8:
    case StepKind::kSoftmaxI8:
    case StepKind::kTableI8:
    case StepKind::kAverageI8:
    case StepKind::kMeanI8: return build_integer(step, builder);
    case StepKind::kBmaxpool:
    case StepKind::kPack:
    case StepKind::kPlace:
    case StepKind::kSlice:
    case StepKind::kTranspose:
    case StepKind::kGather:
    case StepKind::kConstant: return build_movement(step, builder);
    default: return build_stream(step, builder);
  }
}

}  // namespace bnn
