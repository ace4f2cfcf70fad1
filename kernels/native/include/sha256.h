#pragma once
#include <stdint.h>

namespace bnn {

// FIPS 180-4. `digest` receives 32 bytes.
void sha256(const uint8_t* data, uint64_t bytes, uint8_t* digest);
// The same as 64 hex digits and a NUL.
void sha256_hex(const uint8_t* data, uint64_t bytes, char* digest);

}  // namespace bnn
