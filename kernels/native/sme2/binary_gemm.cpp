// Binary products by SME2's outer products of bits (BMOPA): a tile of ZA has a row for each of `lanes` pixels and a
// column for each of `lanes` channels, and one instruction adds 32 - popcount(x ^ w) of all their pairs to it. Four
// tiles are kept at once: 1 x 4, 2 x 2 or 4 x 1 of them, pixels x channels.
//
// Weights are laid out [word][channel], as for every level. Pixels are brought into that order, [word][pixel], through
// a tile: written row by row, read column by column.
//
// A vector's length is known at run time only. Streaming mode is entered once per call of implicit_gemm; in it NEON's
// instructions and calls of other functions are not allowed, so all of it is inlined.
#include <arm_sme.h>
#include <stdint.h>

#include "sme2/binary_gemm.h"

namespace {

using bnn::ChannelBlock;
using bnn::ImplicitGemm;
using bnn::Output;

// What runs in streaming mode and works on ZA.
#define BNN_OUTER __arm_streaming __arm_inout("za")
#define BNN_INLINE __attribute__((always_inline)) inline

constexpr int kTiles = 4, kMostLanes = 16;
constexpr int kPanelWords = 4096;  // 16 KiB: beside the weights in a first cache, and small on a thread's stack
constexpr int kTogether = 4;       // columns that one instruction reads; the last ones may lie beyond the words

// Where packing goes on: a word of a segment.
struct Position {
  int segment, word;
};

BNN_INLINE int least(int a, int b) __arm_streaming_compatible { return a < b ? a : b; }
BNN_INLINE int64_t least(int64_t a, int64_t b) __arm_streaming_compatible { return a < b ? a : b; }

// The next words of `rows` pixels to `panel`, [word][kDown * lanes]; `room` words at most. How many there were. Uses
// tile 0. Rows that are not there keep what they are: they end up in sums that nobody stores.
template <int kDown>
BNN_INLINE int pack(const ImplicitGemm& gemm, const uint32_t* input, const uint32_t* pixel, int rows, int room,
                    Position& at, uint32_t* panel) BNN_OUTER {
  const int lanes = (int)svcntw();
  const svbool_t all = svptrue_b32();
  int packed = 0;
  while (packed < room && at.segment < gemm.segments) {
    const int run = least(least(gemm.segment_words - at.word, lanes), room - packed);
    const svbool_t some = svwhilelt_b32(0, run);
    const uint32_t* from = input + gemm.segment_offset[at.segment] + at.word;
    uint32_t* to = panel + packed * kDown * lanes;
    for (int m = 0; m < kDown; ++m) {
      const int height = least(rows - m * lanes, lanes);
      _Pragma("clang loop unroll_count(4)") for (int i = 0; i < height; ++i)
          svld1_hor_za32(0, (uint32_t)i, some, from + pixel[m * lanes + i]);
      for (int j = 0; j < run; j += kTogether) {
        const svuint32x4_t columns = svread_ver_za32_u32_vg4(0, (uint32_t)j);
        uint32_t* row = to + (j * kDown + m) * lanes;
        svst1(all, row, svget4(columns, 0));
        svst1(all, row + kDown * lanes, svget4(columns, 1));
        svst1(all, row + 2 * kDown * lanes, svget4(columns, 2));
        svst1(all, row + 3 * kDown * lanes, svget4(columns, 3));
      }
    }
    packed += run;
    at.word += run;
    if (at.word == gemm.segment_words) at = {at.segment + 1, 0};
  }
  return packed;
}

// Tile 0 to memory and back, for packing amid a product.
BNN_INLINE void save_tile(uint32_t* to) BNN_OUTER {
  const int lanes = (int)svcntw();
  for (int i = 0; i < lanes; ++i) svst1_hor_za32(0, (uint32_t)i, svptrue_b32(), to + i * lanes);
}
BNN_INLINE void restore_tile(const uint32_t* from) BNN_OUTER {
  const int lanes = (int)svcntw();
  for (int i = 0; i < lanes; ++i) svld1_hor_za32(0, (uint32_t)i, svptrue_b32(), from + i * lanes);
}

// Adds the equal bits of `words` words to all tiles. `panel` is [word][kDown * lanes], `weights` [word][kAcross * lanes].
template <int kDown, int kAcross>
BNN_INLINE void multiply(const uint32_t* panel, const uint32_t* weights, int words) BNN_OUTER {
  static_assert(kDown * kAcross == kTiles);
  const int lanes = (int)svcntw();
  const svbool_t all = svptrue_b32();
  const svcount_t many = svptrue_c32();
  _Pragma("clang loop unroll_count(2)") for (; words > 0; --words) {
    if constexpr (kDown == 1) {
      const svuint32_t x = svld1_u32(all, panel);
      const svuint32x4_t w = svld1_u32_x4(many, weights);
      svbmopa_za32_u32_m(0, all, all, x, svget4(w, 0));
      svbmopa_za32_u32_m(1, all, all, x, svget4(w, 1));
      svbmopa_za32_u32_m(2, all, all, x, svget4(w, 2));
      svbmopa_za32_u32_m(3, all, all, x, svget4(w, 3));
    } else if constexpr (kDown == 2) {
      const svuint32x2_t x = svld1_u32_x2(many, panel), w = svld1_u32_x2(many, weights);
      svbmopa_za32_u32_m(0, all, all, svget2(x, 0), svget2(w, 0));
      svbmopa_za32_u32_m(1, all, all, svget2(x, 0), svget2(w, 1));
      svbmopa_za32_u32_m(2, all, all, svget2(x, 1), svget2(w, 0));
      svbmopa_za32_u32_m(3, all, all, svget2(x, 1), svget2(w, 1));
    } else {
      const svuint32x4_t x = svld1_u32_x4(many, panel);
      const svuint32_t w = svld1_u32(all, weights);
      svbmopa_za32_u32_m(0, all, all, svget4(x, 0), w);
      svbmopa_za32_u32_m(1, all, all, svget4(x, 1), w);
      svbmopa_za32_u32_m(2, all, all, svget4(x, 2), w);
      svbmopa_za32_u32_m(3, all, all, svget4(x, 3), w);
    }
    panel += kDown * lanes;
    weights += kAcross * lanes;
  }
}

// What the epilogues of one block's pixels have in common.
struct Epilogue {
  const ImplicitGemm& gemm;
  int64_t channel;  // of the block's first, in base, multiplier and bias
  int valid;        // lanes that are real channels
  int bits;         // of a product, those of unused channels, too
};

// Bits that differ between a pixel of tile kTile and its channels.
template <int kTile>
BNN_INLINE svint32_t mismatches(int row, int bits) BNN_OUTER {
  const svuint32_t equal = svread_hor_za32_u32_m(svundef_u32(), svptrue_b32(), kTile, (uint32_t)row);
  return svreinterpret_s32(svsubr_x(svptrue_b32(), equal, (uint32_t)bits));
}

// Vector kVector of a pixel's channels, and those after it, to `out`.
template <Output kOutput, int kAcross, int kFirst, int kVector = 0>
BNN_INLINE void write_values(const Epilogue& e, const uint32_t* base, int row, uint8_t* out) BNN_OUTER {
  if constexpr (kVector < kAcross) {
    const svbool_t all = svptrue_b32();
    const int lanes = (int)svcntw(), at = kVector * lanes;
    const svbool_t real = svwhilelt_b32(at, e.valid);
    const svint32_t differ = mismatches<kFirst + kVector>(row, e.bits);
    const int32_t low = e.gemm.clamp_low, high = e.gemm.clamp_high;
    if constexpr (kOutput == Output::kInt32) {
      const svint32_t dot = svsub_x(all, svld1_s32(all, (const int32_t*)base + at), svadd_x(all, differ, differ));
      svst1(real, (int32_t*)out + at, svmin_x(all, svmax_x(all, dot, low), high));
    } else {
      // Whole numbers up to kMaxExactFloat: exact, fused or not.
      svfloat32_t dot = svld1_f32(all, (const float*)base + at);
      dot = svmls_x(all, dot, svcvt_f32_x(all, differ), 2.0f);
      if (e.gemm.clamps_low || e.gemm.clamps_high) dot = svmin_x(all, svmax_x(all, dot, (float)low), (float)high);
      const int64_t channel = e.channel + at;
      const svfloat32_t scaled = svmul_x(all, dot, svld1_f32(all, e.gemm.multiplier + channel));
      svst1(real, (float*)out + at, svadd_x(all, scaled, svld1_f32(all, e.gemm.bias + channel)));
    }
    write_values<kOutput, kAcross, kFirst, kVector + 1>(e, base, row, out);
  }
}

template <int kTile, int kVector>
BNN_INLINE svbool_t exceeds(const Epilogue& e, const uint32_t* base, int row) BNN_OUTER {
  const svbool_t all = svptrue_b32();
  const svint32_t limit = svld1_s32(all, (const int32_t*)base + kVector * (int)svcntw());
  return svcmpgt(all, mismatches<kTile>(row, e.bits), limit);
}

// The lowest part of a word to `out`, and both moved on.
template <class Part>
BNN_INLINE void write_part(uint64_t& word, uint8_t*& out) BNN_OUTER {
  const Part part = (Part)word;
  __builtin_memcpy(out, &part, sizeof part);
  out += sizeof part;
  if constexpr (sizeof part < 8) word >>= 8 * sizeof part;
}

// A predicate has a bit for each byte of a vector: those of four vectors' words fill one.
template <int kAcross, int kFirst>
BNN_INLINE void write_bits(const Epilogue& e, const uint32_t* base, int row, uint8_t* out) BNN_OUTER {
  const svbool_t none = svpfalse_b();
  svbool_t low = exceeds<kFirst, 0>(e, base, row), high = none;
  if constexpr (kAcross == 1) {
    low = svuzp1_b16(low, none);
  } else {
    low = svuzp1_b16(low, exceeds<kFirst + 1, 1>(e, base, row));
  }
  if constexpr (kAcross == 4)
    high = svuzp1_b16(exceeds<kFirst + 2, 2>(e, base, row), exceeds<kFirst + 3, 3>(e, base, row));
  const svbool_t bits = svuzp1_b8(low, high);
  if (kAcross == 4 && e.valid == 4 * (int)svcntw()) {
    asm volatile("str %0, [%1]" : : "Upa"(bits), "r"(out) : "memory");
    return;
  }
  uint64_t word;  // as wide as the predicate of the widest vector
  asm volatile("str %1, [%2]" : "=m"(word) : "Upa"(bits), "r"(&word));
  const int bytes = (e.valid + 7) / 8;
  if (bytes & 8) return write_part<uint64_t>(word, out);
  if (bytes & 4) write_part<uint32_t>(word, out);
  if (bytes & 2) write_part<uint16_t>(word, out);
  if (bytes & 1) write_part<uint8_t>(word, out);
}

// The pixels of one row of tiles, and those of the rows below it.
template <Output kOutput, int kDown, int kAcross, int kRow = 0>
BNN_INLINE void finish(const Epilogue& e, const uint32_t* border, int rows, uint8_t* out) BNN_OUTER {
  if constexpr (kRow < kDown) {
    const ImplicitGemm& gemm = e.gemm;
    const int lanes = (int)svcntw(), height = least(rows, lanes);
    const int64_t row_of_base = (int64_t)gemm.groups * gemm.padded_channels;
    for (int i = 0; i < height; ++i, out += gemm.out_stride_bytes) {
      const uint32_t* base = gemm.base + e.channel + (border ? (int64_t)border[i] * row_of_base : 0);
      if constexpr (kOutput == Output::kBits) {
        write_bits<kAcross, kRow * kAcross>(e, base, i, out);
      } else {
        write_values<kOutput, kAcross, kRow * kAcross>(e, base, i, out);
      }
    }
    if (rows > lanes)
      finish<kOutput, kDown, kAcross, kRow + 1>(e, border ? border + lanes : border, rows - lanes, out);
  }
}

template <Output kOutput, int kDown>
BNN_INLINE void panels(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last) BNN_OUTER {
  constexpr int kAcross = kTiles / kDown;
  uint32_t panel[kPanelWords + (kTogether - 1) * kDown * kMostLanes], saved[kMostLanes * kMostLanes];
  const int lanes = (int)svcntw(), pixels = kDown * lanes, room = kPanelWords / pixels;
  const int64_t channel = (int64_t)block.group * gemm.channels + block.first;
  const Epilogue epilogue = {gemm, (int64_t)block.group * gemm.padded_channels + block.first, block.valid,
                             32 * gemm.words};
  const uint32_t* input = gemm.input + (int64_t)block.group * gemm.group_words;
  uint8_t* out = gemm.out + first * gemm.out_stride_bytes + (kOutput == Output::kBits ? channel / 8 : channel * 4);
  for (int64_t p = first; p < last; p += pixels, out += pixels * gemm.out_stride_bytes) {
    const int rows = (int)least(last - p, (int64_t)pixels);
    const uint32_t* weights = block.weights;
    Position at = {0, 0};
    for (int done = 0; done < gemm.words;) {
      if (done) save_tile(saved);
      const int words = pack<kDown>(gemm, input, gemm.pixel_offset + p, rows, room, at, panel);
      if (done) {
        restore_tile(saved);
      } else {
        svzero_za();
      }
      multiply<kDown, kAcross>(panel, weights, words);
      weights += words * kAcross * lanes;
      done += words;
    }
    finish<kOutput, kDown, kAcross>(epilogue, gemm.pixel_border ? gemm.pixel_border + p : nullptr, rows, out);
  }
}

template <int kDown>
BNN_INLINE void panels_of(const ImplicitGemm& gemm, const ChannelBlock& block, int64_t first, int64_t last) BNN_OUTER {
  switch (gemm.output) {
    case Output::kInt32: return panels<Output::kInt32, kDown>(gemm, block, first, last);
    case Output::kFloat: return panels<Output::kFloat, kDown>(gemm, block, first, last);
    case Output::kBits: return panels<Output::kBits, kDown>(gemm, block, first, last);
    case Output::kStages: __builtin_trap();  // runs_stages is false
  }
}

__arm_new("za") __arm_locally_streaming void implicit_gemm(const ImplicitGemm& gemm, const ChannelBlock& block,
                                                           int64_t first, int64_t last) {
  switch (block.lanes / (int)svcntw()) {
    case 4: return panels_of<1>(gemm, block, first, last);
    case 2: return panels_of<2>(gemm, block, first, last);
    default: return panels_of<4>(gemm, block, first, last);
  }
}

// Outer products of registers alone.
__arm_new("za") __arm_locally_streaming int64_t popcount_roof(int64_t rounds) {
  const svbool_t all = svptrue_b32();
  const svuint32_t x = svdup_u32((uint32_t)rounds), w = svindex_u32(0x01234567u, 1);
  for (int64_t r = 0; r < rounds; ++r) {
    svbmopa_za32_u32_m(0, all, all, x, w);
    svbmopa_za32_u32_m(1, all, all, x, w);
    svbmopa_za32_u32_m(2, all, all, x, w);
    svbmopa_za32_u32_m(3, all, all, x, w);
  }
  return rounds * kTiles * (int64_t)(svcntw() * svcntw()) * 32;
}

}  // namespace

bnn::KernelSet BNN_PART(binary) = {
    BNN_ISA_NAME, 0, 0, true, {0, 0}, false, implicit_gemm,
    BNN_OTHER(bitpack_f32), BNN_OTHER(bitpack_i8), BNN_OTHER(bit_max_pool), popcount_roof,
};
