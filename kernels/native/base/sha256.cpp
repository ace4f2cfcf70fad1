// SHA-256 as in FIPS 180-4: names follow the standard.
#include "base/sha256.h"

#include <stdio.h>
#include <string.h>

#include "base/isa.h"

namespace bnn {

namespace {

constexpr uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

// One round; `k` is the constant plus the word. Callers name the working variables as they stand in that round, so that
// none has to be moved.
__attribute__((always_inline)) inline void round(uint32_t a, uint32_t b, uint32_t c, uint32_t& d, uint32_t e,
                                                 uint32_t f, uint32_t g, uint32_t& h, uint32_t k) {
  const uint32_t T1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + k;
  const uint32_t T2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));
  d += T1;
  h = T1 + T2;
}

void compress(uint32_t (&H)[8], const uint8_t* block) {
  uint32_t W[16];  // the schedule's last 16 words, in a ring
  for (int t = 0; t < 16; ++t) {
    uint32_t word;
    memcpy(&word, block + 4 * t, 4);
    W[t] = __builtin_bswap32(word);
  }
  uint32_t a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
  for (int t = 0; t < 64; t += 16) {
    if (t) {
#pragma clang loop unroll(full)
      for (int i = 0; i < 16; ++i) {
        const uint32_t w1 = W[(i + 1) % 16], w14 = W[(i + 14) % 16];
        const uint32_t s0 = rotr(w1, 7) ^ rotr(w1, 18) ^ w1 >> 3, s1 = rotr(w14, 17) ^ rotr(w14, 19) ^ w14 >> 10;
        W[i] += s0 + W[(i + 9) % 16] + s1;
      }
    }
#pragma clang loop unroll(full)
    for (int i = t; i < t + 16; i += 8) {
      round(a, b, c, d, e, f, g, h, K[i] + W[i % 16]);
      round(h, a, b, c, d, e, f, g, K[i + 1] + W[(i + 1) % 16]);
      round(g, h, a, b, c, d, e, f, K[i + 2] + W[(i + 2) % 16]);
      round(f, g, h, a, b, c, d, e, K[i + 3] + W[(i + 3) % 16]);
      round(e, f, g, h, a, b, c, d, K[i + 4] + W[(i + 4) % 16]);
      round(d, e, f, g, h, a, b, c, K[i + 5] + W[(i + 5) % 16]);
      round(c, d, e, f, g, h, a, b, K[i + 6] + W[(i + 6) % 16]);
      round(b, c, d, e, f, g, h, a, K[i + 7] + W[(i + 7) % 16]);
    }
  }
  const uint32_t sums[] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) H[i] += sums[i];
}

void compress_blocks(uint32_t (&H)[8], const uint8_t* data, uint64_t blocks) {
  // A plan's checksum is most of the time that loading it takes.
  static const bool has_instructions = arch::kSha256 && machine_has(arch::kSha256);
  if (has_instructions) return arch::sha256_blocks(H, data, blocks, K);
  for (; blocks > 0; --blocks, data += 64) compress(H, data);
}

}  // namespace

void Sha256::add(const uint8_t* data, uint64_t bytes) {
  const uint64_t held = bytes_ % 64;
  bytes_ += bytes;
  if (held) {
    const uint64_t taken = bytes < 64 - held ? bytes : 64 - held;
    memcpy(block_ + held, data, (size_t)taken);
    data += taken;
    bytes -= taken;
    if (held + taken < 64) return;
    compress_blocks(H_, block_, 1);
  }
  const uint64_t blocks = bytes / 64;
  compress_blocks(H_, data, blocks);
  memcpy(block_, data + blocks * 64, (size_t)(bytes % 64));
}

void Sha256::digest(uint8_t* to) {
  const uint64_t bits = bytes_ * 8, held = bytes_ % 64;
  uint8_t tail[72] = {0x80};
  const uint64_t zeros = (held < 56 ? 56 : 120) - held;
  for (int i = 0; i < 8; ++i) tail[zeros + 7 - (uint64_t)i] = (uint8_t)(bits >> (8 * i));
  add(tail, zeros + 8);
  for (int i = 0; i < 32; ++i) to[i] = (uint8_t)(H_[i / 4] >> (24 - i % 4 * 8));
}

void Sha256::hex(char* to) {
  uint8_t raw[32];
  digest(raw);
  for (int i = 0; i < 32; ++i) snprintf(to + 2 * i, 3, "%02x", raw[i]);
}

}  // namespace bnn
