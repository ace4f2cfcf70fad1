// Memory of what is loaded.
#pragma once
#include <stdint.h>

#include "base/text.h"

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
  void limit(int64_t bytes) { limit_ = bytes; }  // what may be allocated in all
  int64_t bytes() const { return bytes_; }

 private:
  struct Buffer;
  Buffer* last_ = nullptr;
  int64_t bytes_ = 0, limit_ = INT64_MAX;
};

}  // namespace bnn
