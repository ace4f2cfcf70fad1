#include "base/arena.h"

#include <stdlib.h>

namespace bnn {

struct Arena::Buffer {
  Buffer* previous;
};

void* Arena::allocate(int64_t bytes, Error& error) {
  constexpr size_t kAlign = 64;
  if (error.failed()) return nullptr;
  if (bytes < 0 || bytes > limit_ - bytes_) {
    error.set("%lld bytes more than the %lld in use would be too much memory", (long long)bytes, (long long)bytes_);
    return nullptr;
  }
  // calloc leaves large buffers to the system, whose pages are zero and cost nothing until they are touched. The link
  // to the buffer before stands at its begin, so the room for it and for aligning is twice the alignment.
  const uint64_t size = (uint64_t)bytes + 2 * kAlign;
  Buffer* buffer = size > SIZE_MAX ? nullptr : (Buffer*)calloc(1, (size_t)size);
  if (!buffer) {
    error.set("no memory for %lld bytes", (long long)bytes);
    return nullptr;
  }
  buffer->previous = last_;
  last_ = buffer;
  bytes_ += bytes;
  return (void*)(((uintptr_t)buffer + 2 * kAlign - 1) / kAlign * kAlign);
}

void Arena::release() {
  while (last_) {
    Buffer* buffer = last_;
    last_ = buffer->previous;
    free(buffer);
  }
  bytes_ = 0;
}

}  // namespace bnn
