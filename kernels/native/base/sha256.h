#pragma once
#include <stdint.h>

namespace bnn {

// FIPS 180-4, of what is added piece by piece.
class Sha256 {
 public:
  void add(const uint8_t* data, uint64_t bytes);
  void digest(uint8_t* to);  // 32 bytes; nothing may be added afterwards
  void hex(char* to);        // the same as 64 hex digits and a NUL

 private:
  uint32_t H_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint64_t bytes_ = 0;
  uint8_t block_[64];  // what does not fill one yet
};

}  // namespace bnn
