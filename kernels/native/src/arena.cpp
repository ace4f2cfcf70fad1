#include <stdlib.h>
#include <string.h>

#include "workload.h"

namespace bnn {

struct Arena::Buffer {
  Buffer* previous;
};

void* Arena::allocate(int64_t bytes, Error& error) {
  constexpr size_t kAlign = 64;  // also the room for the link to the buffer before
  if (error.failed()) return nullptr;
  void* memory = nullptr;
  const uint64_t size = (uint64_t)bytes + kAlign;
  if (bytes < 0 || size > SIZE_MAX || posix_memalign(&memory, kAlign, (size_t)size)) {
    error.set("no memory for %lld bytes", (long long)bytes);
    return nullptr;
  }
  memset(memory, 0, (size_t)size);
  Buffer* buffer = (Buffer*)memory;
  buffer->previous = last_;
  last_ = buffer;
  bytes_ += bytes;
  return (uint8_t*)memory + kAlign;
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
