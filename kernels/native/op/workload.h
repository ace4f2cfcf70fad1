// What is loaded, a kernel case or a model, and the backend that computes it: native kernels or the Numba reference.
#pragma once
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "op/op.h"

namespace bnn {

struct Bytes {
  const uint8_t* data;
  int64_t count;
};

// Made in an Arena, where everything begins as zeros.
struct Workload {
  bool is_model;
  int outputs;
  const Bytes* output;  // [outputs], all of them together are the workload's output
  void (*run)(Workload&, int threads);
  int64_t output_bytes() const {
    int64_t bytes = 0;
    for (int i = 0; i < outputs; ++i) bytes += output[i].count;
    return bytes;
  }
};

struct OpWorkload : Workload {
  Op op;
  Bytes out;
  void set_output(uint8_t* data) {
    out = {data, op.out_bytes};
    output = &out;
    outputs = 1;
  }
  uint8_t* out_data() const { return (uint8_t*)out.data; }
};

// A verb of the protocol that asks something of what is loaded, a model.
struct ModelVerb {
  const char* name;
  bool (*answer)(const Request&, Workload&, Json&, Error&);
};

struct Backend {
  const char* engine;
  const char* isas[8];                 // built in and usable on this machine, best last, then null
  bool (*select)(const char* isa);     // false: not one of them
  // `data` are the op's arrays in the protocol's order, op.data_bytes() of them. Null sets the error.
  OpWorkload* (*load)(const Op& op, const uint8_t* data, Arena& arena, Error& error);
  // Null where there is none:
  // A plan file's content; the reply gets inputs, outputs and arena_bytes. Nothing of `plan` is needed afterwards.
  Workload* (*load_plan)(const uint8_t* plan, int64_t bytes, Arena& arena, Json& reply, Error& error);
  const ModelVerb* verbs;              // ends with a null name
  bool (*peak)(const Request&, Json& reply, Error&);  // of the selected ISA level
  int (*max_threads)();                // of `run`; null: 1
  bool (*prepare_threads)(int threads, Error& error);
  int (*cpu_of_thread)(int index);     // that it is pinned to
};

const Backend& backend();

}  // namespace bnn
