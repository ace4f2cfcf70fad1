// Counting bits on NEON without dot products, two vectors of channels and two pixels at a time.
//
// In the order that is written here: a core that runs in order then waits for none of its results, even if each takes
// six cycles. The compiler's own order keeps more vectors at once than there are registers.
#pragma once
#include "level/counting.h"

namespace {

// Counts of two pixels that are not yet in their totals, two vectors of channels for each.
struct Pending {
  Words of[4] = {};
};

// x ^ a and y ^ a of two pixels are counted while those that are pending are added to their totals; then they are.
#define BNN_COUNT_TWO_PIXELS(n2, n3, x1, y1)       \
  "eor\t%0.16b, %[x].16b, %[a].16b\n\t"            \
  "eor\t%1.16b, %[y].16b, %[a].16b\n\t"            \
  "eor\t" n2 ".16b, " x1 ".16b, %[b].16b\n\t"      \
  "eor\t" n3 ".16b, " y1 ".16b, %[b].16b\n\t"      \
  "addp\t%[p].16b, %[p].16b, %[p1].16b\n\t"        \
  "addp\t%[q].16b, %[q].16b, %[q1].16b\n\t"        \
  "cnt\t%0.16b, %0.16b\n\t"                        \
  "cnt\t%1.16b, %1.16b\n\t"                        \
  "cnt\t" n2 ".16b, " n2 ".16b\n\t"                \
  "cnt\t" n3 ".16b, " n3 ".16b\n\t"                \
  "uadalp\t%[t].8h, %[p].16b\n\t"                  \
  "uadalp\t%[u].8h, %[q].16b"

__attribute__((always_inline)) inline void count_two_pixels(Pending& pending, Words& t, Words& u, Words x, Words y,
                                                            Words a, Words b) {
  Words *p = pending.of, n0, n1, n2, n3;
  asm volatile(BNN_COUNT_TWO_PIXELS("%2", "%3", "%[x]", "%[y]")
               : "=&w"(n0), "=&w"(n1), "=&w"(n2), "=&w"(n3), [t] "+w"(t), [u] "+w"(u), [p] "+w"(p[0]), [q] "+w"(p[2])
               : [p1] "w"(p[1]), [q1] "w"(p[3]), [x] "w"(x), [y] "w"(y), [a] "w"(a), [b] "w"(b));
  pending = {{n0, n1, n2, n3}};
}

// The same for the last pixels that meet these weights, in whose registers it counts.
__attribute__((always_inline)) inline void count_last_pixels(Pending& pending, Words& t, Words& u, Words x, Words y,
                                                             Words a, Words b) {
  Words *p = pending.of, n0, n1;
  asm volatile(BNN_COUNT_TWO_PIXELS("%[x]", "%[y]", "%[x]", "%[y]")
               : "=&w"(n0), "=&w"(n1), [x] "+w"(x), [y] "+w"(y), [t] "+w"(t), [u] "+w"(u), [p] "+w"(p[0]), [q] "+w"(p[2])
               : [p1] "w"(p[1]), [q1] "w"(p[3]), [a] "w"(a), [b] "w"(b));
  pending = {{n0, n1, x, y}};
}

#undef BNN_COUNT_TWO_PIXELS

template <int kOffset>
__attribute__((always_inline)) inline void load_two(const uint32_t* from, Words& x, Words& y) {
  asm volatile("ldp\t%q0, %q1, [%2, #%3]" : "=w"(x), "=w"(y) : "r"(from), "i"(kOffset * kBytes), "m"(*from));
}

__attribute__((always_inline)) inline void turn(Words& x) {
  asm volatile("ext\t%0.16b, %0.16b, %0.16b, #4" : "+w"(x));
}

__attribute__((always_inline)) inline Words with_bytes(Words total, Words x, Words y) {
  return (Words)vpadalq_u8((uint16x8_t)total, vpaddq_u8((uint8x16_t)x, (uint8x16_t)y));
}

// Counts into a tile's totals, which must be the same in all calls.
template <int M, int N>
struct Counter {
  static_assert(N % 2 == 0);
  typedef Words Total[M][N / 2];

  // The next words of all rows, and where they end.
  __attribute__((always_inline)) void four_words(const uint32_t*& weights, const uint32_t* (&row)[M], Total& total) {
    Words a[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) {
      a[i] = load<Words>(row[i]);
      row[i] += 4;
    }
    count<4>(weights, a, total);
  }
  __attribute__((always_inline)) void one_word(const uint32_t*& weights, const uint32_t* (&row)[M], Total& total) {
    Words a[M];
    BNN_UNROLL for (int i = 0; i < M; ++i) a[i] = broadcast(row[i]);
    count<1>(weights, a, total);
  }
  // Before the totals are read.
  __attribute__((always_inline)) void finish(Total& total) {
    if constexpr (M > 1) {
      Words &t = total[kLastPair][N / 2 - 1], &u = total[kLastPair + 1][N / 2 - 1];
      t = with_bytes(t, pending.of[0], pending.of[1]);
      u = with_bytes(u, pending.of[2], pending.of[3]);
      pending = {};
    }
  }

 private:
  static constexpr int kPaired = M / 2 * 2, kLastPair = M > 1 ? kPaired - 2 : 0;  // one pixel may be left
  Pending pending;

  // kWords words of each row, which are turned from one to the next, as the weights lie for them.
  template <int kWords>
  __attribute__((always_inline)) void count(const uint32_t*& weights, Words (&a)[M], Total& total) {
    Words x, y;
    load_two<0>(weights, x, y);
    count_from<kWords, 0>(weights, x, y, a, total);
    weights += kWords * N * kLanes;
  }
  // From a step on: two vectors of weights, and those of the next step are loaded meanwhile.
  template <int kWords, int kStep>
  __attribute__((always_inline)) void count_from(const uint32_t* weights, Words x, Words y, Words (&a)[M], Total& total) {
    constexpr int kSteps = N / 2, n = kStep % kSteps, kBefore = (n + kSteps - 1) % kSteps;
    constexpr bool kLast = kStep == kWords * kSteps - 1;
    Words next_x, next_y;
    if constexpr (!kLast && M < 4) load_two<2 * (kStep + 1)>(weights, next_x, next_y);
    BNN_UNROLL for (int i = 0; i < kPaired; i += 2) {
      const int p = i ? i - 2 : kLastPair, column = i ? n : kBefore;  // of those that are pending
      Words &t = total[p][column], &u = total[p + 1][column];
      if (i < M - 2) {
        count_two_pixels(pending, t, u, x, y, a[i], a[i + 1]);
      } else {
        count_last_pixels(pending, t, u, x, y, a[i], a[i + 1]);
      }
      if constexpr (!kLast && M >= 4) {
        if (i == 0) load_two<2 * (kStep + 1)>(weights, next_x, next_y);
      }
    }
    if constexpr (M > kPaired) {
      const auto bits = [&](Words w) { return (Words)vcntq_u8((uint8x16_t)(w ^ a[M - 1])); };
      total[M - 1][n] = with_bytes(total[M - 1][n], bits(x), bits(y));
    }
    if constexpr (!kLast) {
      if constexpr (n == kSteps - 1) BNN_UNROLL for (int i = 0; i < M; ++i) turn(a[i]);
      count_from<kWords, kStep + 1>(weights, next_x, next_y, a, total);
    }
  }
};

}  // namespace
