// A loaded model: its steps, the tensors between them, and how they are run.
#pragma once
#include "base/clock.h"
#include "base/step_counters.h"
#include "model/step.h"
#include "plan/plan_file.h"

namespace bnn {

struct ModelStep {
  Step* step;
  const PlanTensor** stored;  // [stores] what it leaves in the arena
  int32_t stores;
  bool alone;                 // too quick to be shared
};

struct Model : Workload {
  PlanFile plan;              // the file's constants are no longer there
  ModelStep* step;            // [plan.steps]
  uint8_t* tensors;
  uint8_t** input;            // [plan.inputs] where it is put: its tensor, or a copy when steps write over that
  uint8_t* scratch;           // scratch_bytes for each thread
  int32_t* taken;             // [plan.steps] parts of a step that threads have taken in this run
  int64_t scratch_bytes;

  uint8_t* place(const PlanTensor& t) const { return tensors + t.offset; }
};

// Checks and packs a plan; nothing of `plan` is needed afterwards. Null sets the error.
Model* load_model(const uint8_t* plan, int64_t bytes, const Kernels& kernels, Arena& arena, Error& error);

// What is read around the steps: before the first one, and after each.
struct Stamps {
  int64_t* ns = nullptr;             // null, or [steps + 1] times
  StepCounters* counters = nullptr;  // null, or they are read after each time, into
  uint64_t* counts = nullptr;        // [steps + 1][counters->count()]

  void take(int32_t place) const {
    if (!ns) return;
    ns[place] = now_ns();
    if (counters) counters->read(counts + (int64_t)place * counters->count());
  }
};

// Parts that a step is cut into: several for each thread, who takes one after another, because cores may differ in speed.
// If these have fewer than kLeastUnits, only one for each thread.
int32_t parts_of(int64_t units, int threads);

// One inference.
void run_model(Model& model, int threads, const Stamps& stamps);
// For looking at each step's output: inputs first, then one step after another.
void restore_inputs(Model& model);
void run_step(Model& model, int32_t index);

// "name", "shape", "dtype" of the object that is open in `reply`; bits are u32 words.
void describe_tensor(const PlanTensor& tensor, Json& reply);
void describe_list(const char* name, const PlanTensor* const* tensors, int32_t count, Json& reply);

// input, infer, trace, profile, divide; ends with a null name.
extern const ModelVerb kModelVerbs[];

}  // namespace bnn
