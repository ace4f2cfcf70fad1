// A loaded case, and the backend that computes it: the native kernels or the Numba reference.
#pragma once
#include <stdint.h>

#include "op.h"
#include "text.h"

namespace bnn {

// Owns every buffer of a workload; all go at once.
class Arena {
 public:
  // Zeroed and 64-byte aligned; null sets the error.
  void* allocate(int64_t bytes, Error& error);
  template <class T>
  T* array(int64_t count, Error& error) {
    return (T*)allocate(count * (int64_t)sizeof(T), error);
  }
  void release();
  int64_t bytes() const { return bytes_; }

 private:
  struct Buffer;
  Buffer* last_ = nullptr;
  int64_t bytes_ = 0;
};

struct Workload {
  Op op;
  uint8_t* output = nullptr;  // op.out_bytes
  void (*run)(Workload&) = nullptr;
};

struct Backend {
  const char* engine;
  const char* isas[8];                 // built in and usable on this machine, best last, then null
  bool (*select)(const char* isa);     // false: not one of them
  // `data` are the op's arrays in the protocol's order, op.data_bytes() of them. Null sets the error.
  Workload* (*load)(const Op& op, const uint8_t* data, Arena& arena, Error& error);
  int64_t (*popcount_roof)(int64_t rounds);  // see KernelSet; null when there is none
};

const Backend& backend();

}  // namespace bnn
