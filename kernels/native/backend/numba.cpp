// The Numba engine's compute side: the Python reference kernels, compiled ahead of time for one ISA level.
#include <string.h>

#include "backend/reference.h"  // generated from kernels/reference/exports.py
#include "base/isa.h"
#include "op/workload.h"

namespace bnn {

namespace {

struct ReferenceWorkload : OpWorkload {
  const uint8_t* x;
  const uint32_t* filter;  // [words][output channels]
  const float *multiplier, *bias;
  const int32_t* threshold;
  int32_t* dots;  // the output itself for out=i32
};

// The reference kernels raise nothing; a status other than 0 would mean that one does.
void check(int32_t status) {
  if (status) __builtin_trap();
}

void run_epilogue(const ReferenceWorkload& self) {
  const Op& op = self.op;
  const int64_t pixels = op.pixels();
  switch (op.output) {
    case Output::kInt32:
      if (op.clamp_low != INT32_MIN || op.clamp_high != INT32_MAX)
        check(bnn_ref_clamp(self.dots, pixels, op.oc, op.clamp_low, op.clamp_high));
      return;
    case Output::kFloat:
      check(bnn_ref_scale_bias(self.dots, pixels, op.oc, self.multiplier, op.oc, self.bias, op.oc,
                               (float*)self.out_data(), pixels, op.oc, op.clamp_low, op.clamp_high));
      return;
    case Output::kBits:
      check(bnn_ref_threshold(self.dots, pixels, op.oc, self.threshold, op.oc, (uint32_t*)self.out_data(), pixels,
                              (op.oc + 31) / 32, (int64_t)op.kh * op.kw * op.c / op.groups));
      return;
    case Output::kStages: __builtin_trap();  // of models, which this engine has none of
  }
}

void run_bgemm(Workload& workload, int) {
  const ReferenceWorkload& self = (ReferenceWorkload&)workload;
  const Op& op = self.op;
  check(bnn_ref_bgemm((const uint32_t*)self.x, op.n, op.words, self.filter, op.words, op.oc, self.dots, op.n, op.oc,
                      op.c));
  run_epilogue(self);
}

void run_bconv2d(Workload& workload, int) {
  const ReferenceWorkload& self = (ReferenceWorkload&)workload;
  const Op& op = self.op;
  check(bnn_ref_bconv2d((const uint32_t*)self.x, op.n, op.h, op.w, op.words, self.filter, op.kh, op.kw,
                        op.words / op.groups, op.oc, self.dots, op.n, op.out_h, op.out_w, op.oc, op.c, op.groups,
                        op.sh, op.sw, op.dh, op.dw, op.pad_top, op.pad_left, op.pad_value));
  run_epilogue(self);
}

void run_bitpack(Workload& workload, int) {
  const ReferenceWorkload& self = (ReferenceWorkload&)workload;
  const Op& op = self.op;
  uint32_t* out = (uint32_t*)self.out_data();
  check(op.i8 ? bnn_ref_bitpack_i8((const int8_t*)self.x, op.n, op.c, out, op.n, op.words, op.zero_point)
              : bnn_ref_bitpack_f32((const float*)self.x, op.n, op.c, out, op.n, op.words, 0));
}

void run_bmaxpool2d(Workload& workload, int) {
  const ReferenceWorkload& self = (ReferenceWorkload&)workload;
  const Op& op = self.op;
  check(bnn_ref_bmaxpool2d((const uint32_t*)self.x, op.n, op.h, op.w, op.words, (uint32_t*)self.out_data(), op.n,
                           op.out_h, op.out_w, op.words, op.kh, op.kw, op.sh, op.sw, op.pad_top, op.pad_left));
}

OpWorkload* load(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  void (*const runs[])(Workload&, int) = {run_bgemm, run_bconv2d, run_bitpack, run_bmaxpool2d};
  if (op.kernel) {
    error.set("there is one kernel of each op here: leave kernel= out");
    return nullptr;
  }
  ReferenceWorkload* self = arena.array<ReferenceWorkload>(1, error);
  uint8_t* arrays = (uint8_t*)arena.allocate(op.data_bytes(), error);
  uint32_t* filter = (uint32_t*)arena.allocate(op.filter_bytes, error);
  uint8_t* output = (uint8_t*)arena.allocate(op.out_bytes, error);
  if (error.failed()) return nullptr;
  memcpy(arrays, data, (size_t)op.data_bytes());
  self->op = op;
  self->run = runs[(int)op.kind];
  self->x = arrays;
  self->set_output(output);
  if (op.filter_bytes) {
    const int64_t words = op.filter_bytes / 4 / op.oc;
    check(bnn_ref_transpose((const uint32_t*)(arrays + op.x_bytes), op.oc, words, filter, words, op.oc));
  }
  self->filter = filter;
  const uint8_t* epilogue = arrays + op.x_bytes + op.filter_bytes;
  self->multiplier = (const float*)epilogue;
  self->bias = self->multiplier + op.oc;
  self->threshold = (const int32_t*)epilogue;
  self->dots = op.output == Output::kInt32 ? (int32_t*)output : arena.array<int32_t>(op.pixels() * op.oc, error);
  return error.failed() ? nullptr : self;
}

static_assert(knows_features(BNN_ISA_FEATURES), "targets.py names a feature that base/arch_*.h has no row for");
bool is_usable() { return machine_has(BNN_ISA_FEATURES); }

bool select(const char* isa) { return !strcmp(isa, BNN_ISA_NAME) && is_usable(); }

}  // namespace

const Backend& backend() {
  static Backend numba = {"numba", {}, select, load, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};
  if (!numba.isas[0] && is_usable()) numba.isas[0] = BNN_ISA_NAME;
  return numba;
}

}  // namespace bnn
