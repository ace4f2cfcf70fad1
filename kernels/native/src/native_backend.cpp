// The native engine's compute side: turns an op into calls of the chosen ISA level's kernels.
#include <string.h>

#include "implicit_gemm.h"
#include "isa.h"
#include "kernel_set.h"
#include "workload.h"

// The levels of this triple, least first; toolchain.py names the symbol of each kernels_isa.cpp build.
#define BNN_LEVEL(symbol) extern const bnn::KernelSet symbol;
BNN_LEVELS
#undef BNN_LEVEL

namespace bnn {

namespace {

#define BNN_LEVEL(symbol) &symbol,
constexpr const KernelSet* kKernelSets[] = {BNN_LEVELS};
#undef BNN_LEVEL

const KernelSet* chosen = nullptr;

struct GemmWorkload : Workload {
  GemmPlan plan;
  const KernelSet* kernels;
  // For the rare op that no kernel finishes: integer dot products first, its epilogue afterwards.
  int32_t* dots;
  const uint8_t* epilogue;  // the op's arrays after the filter
};

int64_t dot_bits(const Op& op) { return (int64_t)op.kh * op.kw * op.c / op.groups; }

// Bits of groups that are no whole bytes, or sums that float does not hold exactly.
bool needs_dots(const Op& op) {
  return op.output == Output::kBits ? op.groups > 1 && op.oc / op.groups % 8
                                    : op.output == Output::kFloat && 2 * dot_bits(op) > kMaxExactFloat;
}

void finish_dots(const GemmWorkload& self) {
  const Op& op = self.op;
  const float *multiplier = (const float*)self.epilogue, *bias = multiplier + op.oc;
  const int32_t* threshold = (const int32_t*)self.epilogue;
  const int32_t* dot = self.dots;
  float* value = (float*)self.output;
  uint32_t* word = (uint32_t*)self.output;
  for (int64_t p = 0; p < op.pixels(); ++p) {
    for (int32_t c = 0; c < op.oc; ++c, ++dot) {
      if (op.output == Output::kFloat) {
        *value++ = (float)*dot * multiplier[c] + bias[c];
      } else {
        if (c % 32 == 0) *word++ = 0;
        word[-1] |= (uint32_t)(dot_bits(op) - *dot > 2 * (int64_t)threshold[c]) << (c % 32);
      }
    }
  }
}

void run_gemm(Workload& workload) {
  GemmWorkload& self = (GemmWorkload&)workload;
  fill_padding(self.plan);
  for (int b = 0; b < self.plan.blocks; ++b)
    self.kernels->implicit_gemm(self.plan.gemm, self.plan.block[b], 0, self.plan.gemm.pixels);
  if (self.dots) finish_dots(self);
}

Workload* load_gemm(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  GemmWorkload* self = arena.array<GemmWorkload>(1, error);
  if (!self) return nullptr;
  self->kernels = chosen;
  self->run = run_gemm;
  self->output = (uint8_t*)arena.allocate(op.out_bytes, error);
  Op computed = op;
  if (needs_dots(op)) {
    const int64_t before = op.x_bytes + op.filter_bytes, bytes = op.data_bytes() - before;
    computed.output = Output::kInt32;
    self->dots = arena.array<int32_t>(op.pixels() * op.oc, error);
    uint8_t* epilogue = (uint8_t*)arena.allocate(bytes, error);
    if (error.failed()) return nullptr;
    memcpy(epilogue, data + before, (size_t)bytes);
    self->epilogue = epilogue;
  }
  uint8_t* out = self->dots ? (uint8_t*)self->dots : self->output;
  if (error.failed() || !plan_gemm(computed, *chosen, data, out, arena, self->plan, error)) return nullptr;
  return self;
}

struct InputWorkload : Workload {
  const KernelSet* kernels;
  const uint8_t* x;
  const uint32_t** taps;  // bmaxpool2d: the rows of one window
};

void run_bitpack(Workload& workload) {
  const InputWorkload& self = (InputWorkload&)workload;
  const Op& op = self.op;
  if (op.i8) {
    self.kernels->bitpack_i8((const int8_t*)self.x, (int8_t)op.zero_point, op.n, op.c, (uint32_t*)self.output);
  } else {
    self.kernels->bitpack_f32((const float*)self.x, op.n, op.c, (uint32_t*)self.output);
  }
}

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void run_bmaxpool2d(Workload& workload) {
  const InputWorkload& self = (InputWorkload&)workload;
  const Op& op = self.op;
  uint32_t* out = (uint32_t*)self.output;
  for (int32_t n = 0; n < op.n; ++n) {
    const uint32_t* image = (const uint32_t*)self.x + (int64_t)n * op.h * op.w * op.words;
    for (int32_t y = 0; y < op.out_h; ++y) {
      for (int32_t x = 0; x < op.out_w; ++x, out += op.words) {
        const int64_t top = (int64_t)y * op.sh - op.pad_top, left = (int64_t)x * op.sw - op.pad_left;
        const int64_t bottom = least(top + op.kh, op.h), right = least(left + op.kw, op.w);
        int32_t count = 0;
        for (int64_t row = top < 0 ? 0 : top; row < bottom; ++row)
          for (int64_t column = left < 0 ? 0 : left; column < right; ++column)
            self.taps[count++] = image + (row * op.w + column) * op.words;
        self.kernels->and_rows(self.taps, count, op.words, out);
      }
    }
  }
}

Workload* load_input_only(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  InputWorkload* self = arena.array<InputWorkload>(1, error);
  uint8_t* x = (uint8_t*)arena.allocate(op.x_bytes, error);
  const uint32_t** taps = arena.array<const uint32_t*>(least(op.kh, op.h) * least(op.kw, op.w), error);
  uint8_t* output = (uint8_t*)arena.allocate(op.out_bytes, error);
  if (error.failed()) return nullptr;
  memcpy(x, data, (size_t)op.x_bytes);
  self->kernels = chosen, self->x = x, self->taps = taps, self->output = output;
  self->run = op.kind == OpKind::kBitpack ? run_bitpack : run_bmaxpool2d;
  return self;
}

Workload* load(const Op& op, const uint8_t* data, Arena& arena, Error& error) {
  Workload* workload = op.kind <= OpKind::kBconv2d ? load_gemm(op, data, arena, error)
                                                   : load_input_only(op, data, arena, error);
  if (workload) workload->op = op;
  return workload;
}

bool select(const char* isa) {
  for (const KernelSet* set : kKernelSets)
    if (!strcmp(set->isa, isa) && machine_has_isa(isa)) return chosen = set, true;
  return false;
}

int64_t popcount_roof(int64_t rounds) { return chosen->popcount_roof(rounds); }

Backend make_backend() {
  Backend native = {"native", {}, select, load, popcount_roof};
  int count = 0;
  for (const KernelSet* set : kKernelSets)
    if (machine_has_isa(set->isa)) native.isas[count++] = set->isa;
  return native;
}

}  // namespace

const Backend& backend() {
  static Backend native;
  if (!native.engine) native = make_backend();
  return native;
}

}  // namespace bnn
