// The native engine's compute side: turns an op into calls of the chosen ISA level's kernels.
#include <stdio.h>
#include <string.h>

#include "base/isa.h"
#include "base/threads.h"
#include "convolution/implicit_gemm.h"
#include "level/kernel_set.h"
#include "measure/peak.h"
#include "model/model.h"
#include "op/workload.h"

extern bnn::Level BNN_LEVELS;

namespace bnn {

namespace {

constexpr const Kernels* kLevels[] = {BNN_LEVELS};
static_assert(knows_features(BNN_ALL_FEATURES), "targets.py names a feature that base/arch_*.h has no row for");

constexpr int kCount = sizeof kLevels / sizeof *kLevels;

Kernels chosen = {};

// The levels that this machine can run, least first.
struct Usable {
  const Kernels* level[kCount];
  int count;
} usable;

// A micro-kernel, as targets.py lists and names them: ISA level and tile, or ISA level and op.
struct MicroKernel {
  const KernelSet* set;
  BlockWidths widths;
  char name[32];
};

// Calls `visit` with every micro-kernel of this machine that computes `op`, until it is true.
template <class Visit>
void over_micro_kernels(const Op& op, Visit visit) {
  for (int i = 0; i < usable.count; ++i) {
    const KernelSet* set = usable.level[i]->binary;
    const bool tiles = op.kind <= OpKind::kBconv2d;
    for (int32_t channels = set->widths.most; channels >= set->widths.least; channels /= 2) {
      MicroKernel one = {set, set->widths, {}};
      one.widths.least = one.widths.most = channels;
      if (tiles) {
        snprintf(one.name, sizeof one.name, "%s-%dx%d", set->isa, set->pixels(channels), channels);
      } else {
        snprintf(one.name, sizeof one.name, "%s-%s", set->isa, op_name((int)op.kind));
      }
      if (visit(one)) return;
      if (!tiles) break;
    }
  }
}

// The one that `op` asks for; else the selected ISA level's, by its own choice of widths.
bool choose_micro_kernel(const Op& op, MicroKernel& found, Error& error) {
  found = {chosen.binary, chosen.binary->widths, {}};
  if (!op.kernel) return true;
  bool is_found = false;
  char names[400] = "";
  over_micro_kernels(op, [&](const MicroKernel& one) {
    const size_t length = strlen(names);
    snprintf(names + length, sizeof names - length, "%s%s", length ? ", " : "", one.name);
    if ((is_found = !strcmp(one.name, op.kernel))) found = one;
    return is_found;
  });
  return is_found || error.set("this machine has no micro-kernel '%.60s' for %s; it has %s", op.kernel,
                               op_name((int)op.kind), names);
}

struct GemmWorkload : OpWorkload {
  GemmPlan plan;
  const KernelSet* kernels;
  const uint32_t* x;
  uint32_t* padded;  // null: no border
  // For the rare op that no kernel finishes: integer dot products first, its epilogue afterwards.
  BinaryConv conv;
  int32_t* dots;
};

void run_gemm_part(void* argument, const Team& team) {
  const GemmWorkload& self = *(const GemmWorkload*)argument;
  const ImplicitGemm& gemm = self.plan.gemm;
  if (self.padded) {
    const int64_t rows = self.plan.padding.rows();
    fill_padding(self.plan.padding, self.x, nullptr, team.first(rows), team.last(rows), self.padded);
    team.barrier();
  }
  const int64_t first = team.first(gemm.pixels), last = team.last(gemm.pixels), oc = self.op.oc;
  if (first == last) return;
  for (int b = 0; b < self.plan.blocks; ++b) self.kernels->implicit_gemm(gemm, self.plan.block[b], first, last);
  if (!self.dots) return;
  const int64_t stride = self.op.out_bytes / gemm.pixels;
  finish_dots(self.conv, self.dots + first * oc, oc, last - first, self.out_data() + first * stride, stride);
}

void run_gemm(Workload& workload, int threads) { run_team(threads, run_gemm_part, &workload); }

BinaryConv binary_conv(const Op& op, const uint8_t* data) {
  const uint8_t* epilogue = data + op.x_bytes + op.filter_bytes;
  BinaryConv conv = {};
  conv.shape = {op.n, op.h, op.w, op.words, op.oc, op.out_h, op.out_w, op.window(), op.groups};
  conv.c = op.c;
  conv.pad_value = op.pad_value;
  conv.output = op.output;
  conv.clamp_low = op.clamp_low;
  conv.clamp_high = op.clamp_high;
  conv.filter = (const uint32_t*)(data + op.x_bytes);
  if (op.output == Output::kFloat) {
    conv.multiplier = epilogue;
    conv.bias = epilogue + (int64_t)op.oc * 4;
  }
  if (op.output == Output::kBits) conv.threshold = epilogue;
  return conv;
}

// The epilogue's arrays outlive `data`.
void keep_dots(GemmWorkload& self, const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  const int64_t before = op.x_bytes + op.filter_bytes, bytes = op.data_bytes() - before;
  self.dots = arena.array<int32_t>(op.pixels() * op.oc, error);
  uint8_t* epilogue = (uint8_t*)arena.allocate(bytes, error);
  if (error.failed()) return;
  memcpy(epilogue, data + before, (size_t)bytes);
  self.conv = binary_conv(op, epilogue - before);
}

OpWorkload* load_gemm(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  GemmWorkload* self = arena.array<GemmWorkload>(1, error);
  if (!self) return nullptr;
  const BinaryConv conv = binary_conv(op, data);
  MicroKernel kernel;
  if (!choose_micro_kernel(op, kernel, error)) return nullptr;
  self->op = op;
  self->kernels = kernel.set;
  self->run = run_gemm;
  self->set_output((uint8_t*)arena.allocate(op.out_bytes, error));
  uint32_t* x = (uint32_t*)arena.allocate(op.x_bytes, error);
  if (conv.needs_dots()) keep_dots(*self, op, data, arena, error);
  if (error.failed() || !plan_binary_gemm(conv, kernel.widths, arena, self->plan, error)) return nullptr;
  if (self->plan.padding.has_border()) self->padded = arena.array<uint32_t>(self->plan.padding.words(), error);
  if (error.failed()) return nullptr;
  memcpy(x, data, (size_t)op.x_bytes);
  ImplicitGemm& gemm = self->plan.gemm;
  self->x = x;
  gemm.input = self->padded ? self->padded : x;
  gemm.out = self->dots ? (uint8_t*)self->dots : self->out_data();
  gemm.out_stride_bytes = self->dots ? (int64_t)op.oc * 4 : op.out_bytes / gemm.pixels;
  return self;
}

struct InputWorkload : OpWorkload {
  const KernelSet* kernels;
  const uint8_t* x;
  BitPool pool;
};

void run_bitpack_part(void* argument, const Team& team) {
  const InputWorkload& self = *(const InputWorkload*)argument;
  const Op& op = self.op;
  const int64_t first = team.first(op.n), rows = team.last(op.n) - first;
  uint32_t* out = (uint32_t*)self.out_data() + first * op.words;
  if (op.i8) {
    self.kernels->bitpack_i8((const int8_t*)self.x + first * op.c, (int8_t)op.zero_point, rows, op.c, out);
  } else {
    self.kernels->bitpack_f32((const float*)self.x + first * op.c, rows, op.c, out);
  }
}

void run_bitpack(Workload& workload, int threads) { run_team(threads, run_bitpack_part, &workload); }

void run_bmaxpool2d_part(void* argument, const Team& team) {
  const InputWorkload& self = *(const InputWorkload*)argument;
  const int64_t rows = (int64_t)self.op.n * self.op.out_h;
  self.kernels->max_pool(self.pool, team.first(rows), team.last(rows), (uint32_t*)self.out_data());
}

void run_bmaxpool2d(Workload& workload, int threads) { run_team(threads, run_bmaxpool2d_part, &workload); }

OpWorkload* load_input_only(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  InputWorkload* self = arena.array<InputWorkload>(1, error);
  uint8_t* x = (uint8_t*)arena.allocate(op.x_bytes + kMaxOverread, error);
  uint8_t* output = (uint8_t*)arena.allocate(op.out_bytes, error);
  if (error.failed()) return nullptr;
  MicroKernel kernel;
  if (!choose_micro_kernel(op, kernel, error)) return nullptr;
  memcpy(x, data, (size_t)op.x_bytes);
  self->op = op;
  self->kernels = kernel.set;
  self->x = x;
  self->set_output(output);
  self->run = run_bitpack;
  if (op.kind == OpKind::kBitpack) return self;
  self->pool = {(const uint32_t*)x, op.h, op.w, op.words, op.out_h, op.out_w, op.window()};
  self->run = run_bmaxpool2d;
  return self;
}

OpWorkload* load(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  return op.kind <= OpKind::kBconv2d ? load_gemm(op, data, arena, error) : load_input_only(op, data, arena, error);
}

Workload* load_plan(const uint8_t* plan, int64_t bytes, Arena& arena, Json& reply, Error& error) {
  Model* model = load_model(plan, bytes, chosen, arena, error);
  if (!model) return nullptr;
  describe_list("inputs", model->plan.input, model->plan.inputs, reply);
  describe_list("outputs", model->plan.output, model->plan.outputs, reply);
  reply.integer("arena_bytes", model->plan.arena_bytes);
  return model;
}

bool select(const char* isa) {
  for (int i = 0; i < usable.count; ++i) {
    if (strcmp(usable.level[i]->binary->isa, isa)) continue;
    chosen = *usable.level[i];
    return true;
  }
  return false;
}

bool peak(const Request& request, Json& reply, Error& error) { return measure_peak(request, chosen, reply, error); }

Backend make_backend() {
  Backend native = {"native", {}, select, load, load_plan, kModelVerbs, peak, usable_cpus, prepare_threads,
                    usable_cpu};
  for (const Kernels* level : kLevels) {
    if (!machine_has(level->features) || (level->prepare && !level->prepare())) continue;
    native.isas[usable.count] = level->binary->isa;
    usable.level[usable.count++] = level;
  }
  return native;
}

}  // namespace

const Backend& backend() {
  static Backend native;
  if (!native.engine) native = make_backend();
  return native;
}

}  // namespace bnn
