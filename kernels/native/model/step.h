// A step of a model, ready to run: what it computes is cut into units, which threads share.
#pragma once
#include <stdint.h>

#include "convolution/implicit_gemm.h"
#include "plan/plan_file.h"

namespace bnn {

struct Step {
  char label[32];            // which micro-kernel
  int64_t units;             // output pixels, mostly; blocks of channels where there are few pixels
  void (*run)(const Step&, uint8_t* scratch, int64_t first, int64_t last);
  // Before any unit is computed, when there is anything to do: fills the workspace that all steps share.
  int64_t prepare_units;
  void (*prepare)(const Step&, int64_t first, int64_t last);
  double cost_ns;            // a rough guess: what is quick is left to one thread
  int64_t scratch_bytes;     // per thread
};

// Of pixels, a part of a step has at least so many: shorter runs of them make worse tiles.
constexpr int64_t kLeastUnits = 24;

// What steps are made with and of; `scratch` and `workspace` sizes become those of the largest step.
struct StepBuilder {
  const Kernels& kernels;
  Arena& arena;
  Error& error;
  uint8_t* tensors;          // where the plan's tensors lie
  uint8_t* workspace;        // workspace_bytes() of every step

  uint8_t* place(const PlanTensor& t) const { return tensors + t.offset; }
  // `count` numbers, with zeros up to whole vectors after them.
  template <class T>
  T* padded_constant(const uint8_t* from, int64_t count) {
    return (T*)copy_padded(from, count, sizeof(T));
  }
  void* copy_padded(const uint8_t* from, int64_t count, int64_t bytes);
};

// Bytes of the workspace that a step needs.
int64_t workspace_bytes(const PlanStep& step, const Kernels& kernels, Error& error);

// The step of its kind; null sets the error.
Step* build_step(const PlanStep& step, StepBuilder& builder);

// By family.
Step* build_stream(const PlanStep& step, StepBuilder& builder);             // read, softmax, unpack, broadcast, ...
Step* build_float_convolution(const PlanStep& step, StepBuilder& builder);
Step* build_depthwise(const PlanStep& step, StepBuilder& builder);
Step* build_bconv(const PlanStep& step, StepBuilder& builder);
Step* build_bconv_bits(const PlanStep& step, StepBuilder& builder);
Step* build_movement(const PlanStep& step, StepBuilder& builder);
Step* build_integer(const PlanStep& step, StepBuilder& builder);
// conv and depthwise of i8: whether no sum of products, also of a part of them, is beyond a limit.
bool sums_are_within(const PlanStep& step, int64_t limit);
Step* build_integer_convolution(const PlanStep& step, StepBuilder& builder);
Step* build_integer_depthwise(const PlanStep& step, StepBuilder& builder);
// Depthwise with one output channel for each of the input.
inline bool is_integer_depthwise(const PlanStep& step) {
  return step.kind == StepKind::kDepthwise && step.multiplier == 1 && step.x->dtype == DType::kI8;
}
Step* build_exact_convolution(const PlanStep& step, StepBuilder& builder);

// A convolution's image as 32-bit words: binary or f32, or encoded i8.
ConvShape conv_shape(const PlanStep& step);
ConvShape integer_shape(const PlanStep& step, const IntegerKernels& kernels);

}  // namespace bnn
