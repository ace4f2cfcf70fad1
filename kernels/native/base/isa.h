#pragma once

namespace bnn {

// Whether this machine can run code of an ISA level: x86-64 avx2 avx512 | neon dotprod | neon (32-bit).
bool machine_has_isa(const char* isa);

// Whether sha256_instructions() will work.
bool machine_has_sha256();

}  // namespace bnn
