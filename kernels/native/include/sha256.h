#pragma once
#include <stdint.h>

namespace bnn {

// FIPS 180-4. `digest` receives 64 hex digits and a NUL.
void sha256_hex(const uint8_t* data, uint64_t bytes, char* digest);

}  // namespace bnn
