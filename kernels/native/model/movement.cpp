// Steps that move values as they are, and those of bits that need no sums.
#include <stdio.h>
#include <string.h>

#include "model/step.h"

namespace bnn {

namespace {

// Elements are bytes, f32 and i32 numbers, or words of bits.
struct Shape {
  int64_t n, h, w, c;
};

Shape shape_of(const PlanTensor& t) { return {t.n, t.h, t.w, t.elements()}; }

struct MoveStep : Step {
  const uint8_t* x;
  uint8_t* out;
  Shape from, to;            // of x, of out
  int64_t element;           // bytes
  int64_t start[4];
  bool fills;
  uint32_t value;
  uint32_t tail;             // slice of bits: those of the last word that are channels
  int64_t stride[4];         // transpose: elements of x along out's axes
};

void fill(const MoveStep& self, uint8_t* to, int64_t elements) {
  if (self.element == 1) {
    memset(to, (int)(self.value & 0xff), (size_t)elements);
  } else {
    for (int64_t i = 0; i < elements; ++i) memcpy(to + i * 4, &self.value, 4);
  }
}

// Rows [first, last) of out when it is filled, else of x.
void place(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const MoveStep& self = (const MoveStep&)step;
  const Shape &from = self.from, &to = self.to;
  const int64_t pixel = to.c * self.element, row = to.w * pixel, part = from.c * self.element;
  for (int64_t r = first; r < last; ++r) {
    const int64_t height = self.fills ? to.h : from.h;
    const int64_t n = r / height - (self.fills ? self.start[0] : 0), y = r % height - (self.fills ? self.start[1] : 0);
    uint8_t* begin = self.out + ((n + self.start[0]) * to.h + y + self.start[1]) * row;
    if (n < 0 || n >= from.n || y < 0 || y >= from.h) {
      fill(self, begin, to.w * to.c);
      continue;
    }
    const uint8_t* x = self.x + (n * from.h + y) * from.w * part;
    const int64_t left = self.start[2], right = left + from.w, before = self.start[3], after = before + from.c;
    if (self.fills) {
      fill(self, begin, left * to.c);
      fill(self, begin + right * pixel, (to.w - right) * to.c);
    }
    if (part == pixel) {
      memmove(begin + left * pixel, x, (size_t)(from.w * part));
      continue;
    }
    uint8_t* at = begin + left * pixel;
    for (int64_t p = 0; p < from.w; ++p, at += pixel, x += part) {
      if (self.fills) {
        fill(self, at, before);
        fill(self, at + after * self.element, to.c - after);
      }
      memmove(at + before * self.element, x, (size_t)part);
    }
  }
}

// Rows of out.
void slice(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const MoveStep& self = (const MoveStep&)step;
  const Shape &from = self.from, &to = self.to;
  const int64_t pixel = from.c * self.element, part = to.c * self.element;
  for (int64_t r = first; r < last; ++r) {
    const int64_t n = r / to.h + self.start[0], y = r % to.h + self.start[1];
    const uint8_t* x = self.x + ((n * from.h + y) * from.w + self.start[2]) * pixel + self.start[3] * self.element;
    uint8_t* out = self.out + r * to.w * part;
    for (int64_t p = 0; p < to.w; ++p, x += pixel, out += part) {
      memmove(out, x, (size_t)part);
      if (self.tail == UINT32_MAX) continue;
      uint32_t word;
      memcpy(&word, out + part - 4, 4);
      word &= self.tail;
      memcpy(out + part - 4, &word, 4);
    }
  }
}

template <class T>
void gather(const MoveStep& self, const T* x, T* out, int64_t first, int64_t last) {
  const Shape& to = self.to;
  out += first * to.c;
  for (int64_t p = first; p < last; ++p) {
    const T* from = x + p % to.w * self.stride[2] + p / to.w % to.h * self.stride[1] + p / to.w / to.h * self.stride[0];
    for (int64_t c = 0; c < to.c; ++c) *out++ = from[c * self.stride[3]];
  }
}

// Pixels of out.
void transpose(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const MoveStep& self = (const MoveStep&)step;
  if (self.element == 1) {
    gather(self, self.x, self.out, first, last);
  } else {
    gather(self, (const uint32_t*)self.x, (uint32_t*)self.out, first, last);
  }
}

struct GatherStep : Step {
  const uint8_t* x;
  uint8_t* out;
  Shape from, to;
  int64_t element;
  const int32_t* places[4];  // of n h w c
  bool whole;                // channels that lie together: the first place of them is the only one that matters
};

// Pixels of out.
void gather_places(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const GatherStep& self = (const GatherStep&)step;
  const Shape &from = self.from, &to = self.to;
  const int32_t* channel = self.places[3];
  uint8_t* out = self.out + first * to.c * self.element;
  for (int64_t p = first; p < last; ++p) {
    const int64_t x = self.places[2][p % to.w], y = self.places[1][p / to.w % to.h], n = self.places[0][p / to.w / to.h];
    const uint8_t* pixel = self.x + ((n * from.h + y) * from.w + x) * from.c * self.element;
    if (self.whole) {
      memmove(out, pixel + channel[0] * self.element, (size_t)(to.c * self.element));
      out += to.c * self.element;
      continue;
    }
    for (int64_t c = 0; c < to.c; ++c, out += self.element)
      memmove(out, pixel + channel[c] * self.element, (size_t)self.element);
  }
}

Step* build_gather(const PlanStep& step, StepBuilder& builder) {
  GatherStep* self = builder.arena.array<GatherStep>(1, builder.error);
  if (!self) return nullptr;
  const PlanTensor& out = *step.out;
  const int32_t counts[] = {out.n, out.h, out.w, out.c};
  for (int i = 0; i < 4; ++i) self->places[i] = builder.padded_constant<int32_t>(step.places[i], counts[i]);
  if (builder.error.failed()) return nullptr;
  self->x = builder.place(*step.x);
  self->out = builder.place(out);
  self->from = shape_of(*step.x);
  self->to = shape_of(out);
  self->element = out.element_bytes();
  self->whole = true;
  for (int32_t c = 1; c < out.c; ++c) self->whole &= self->places[3][c] == self->places[3][0] + c;
  self->run = gather_places;
  self->units = out.pixels();
  self->cost_ns = 0.2 * (double)out.bytes() + 2 * (double)out.pixels();
  snprintf(self->label, sizeof self->label, "%s", step.kind_name);
  return self;
}

// Values that were in the file.
void put(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const MoveStep& self = (const MoveStep&)step;
  memcpy(self.out + first, self.x + first, (size_t)(last - first));
}

struct BitStep : Step {
  const KernelSet* kernels;
  const uint8_t* x;
  uint32_t* out;
  int32_t c, words, zero_point;
  BitPool pool;
};

void pack(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const BitStep& self = (const BitStep&)step;
  self.kernels->bitpack_i8((const int8_t*)self.x + first * self.c, (int8_t)self.zero_point, last - first, self.c,
                           self.out + first * self.words);
}

// Rows of out.
void bmaxpool(const Step& step, uint8_t*, int64_t first, int64_t last) {
  const BitStep& self = (const BitStep&)step;
  self.kernels->max_pool(self.pool, first, last, self.out);
}

Step* build_bits(const PlanStep& step, StepBuilder& builder) {
  BitStep* self = builder.arena.array<BitStep>(1, builder.error);
  if (!self) return nullptr;
  const PlanTensor &x = *step.x, &out = *step.out;
  self->kernels = builder.kernels.binary;
  self->x = builder.place(x);
  self->out = (uint32_t*)builder.place(out);
  self->c = x.c;
  self->words = out.elements();
  self->zero_point = x.zero_point;
  if (step.kind == StepKind::kPack) {
    self->run = pack;
    self->units = out.pixels();
    self->cost_ns = 0.03 * (double)x.pixels() * x.c;
  } else {
    self->pool = {(const uint32_t*)self->x, x.h, x.w, self->words, out.h, out.w, step.window};
    self->run = bmaxpool;
    self->units = (int64_t)out.n * out.h;
    self->cost_ns = 0.1 * (double)(x.bytes() + out.bytes());
  }
  snprintf(self->label, sizeof self->label, "%s", step.kind == StepKind::kPack ? "bitpack i8" : "max_pool bits");
  return self;
}

Step* build_constant(const PlanStep& step, StepBuilder& builder) {
  MoveStep* self = builder.arena.array<MoveStep>(1, builder.error);
  uint8_t* values = (uint8_t*)builder.arena.allocate(step.out->bytes(), builder.error);
  if (builder.error.failed()) return nullptr;
  memcpy(values, step.weights, (size_t)step.out->bytes());
  self->x = values;
  self->out = builder.place(*step.out);
  self->run = put;
  self->units = step.out->bytes();
  snprintf(self->label, sizeof self->label, "%s", step.kind_name);
  return self;
}

}  // namespace

Step* build_movement(const PlanStep& step, StepBuilder& builder) {
  if (step.kind == StepKind::kConstant) return build_constant(step, builder);
  if (step.kind == StepKind::kGather) return build_gather(step, builder);
  if (step.kind == StepKind::kPack || step.kind == StepKind::kBmaxpool) return build_bits(step, builder);
  MoveStep* self = builder.arena.array<MoveStep>(1, builder.error);
  if (!self) return nullptr;
  const PlanTensor &x = *step.x, &out = *step.out;
  const bool bits = x.dtype == DType::kBits;
  self->x = builder.place(x);
  self->out = builder.place(out);
  self->from = shape_of(x);
  self->to = shape_of(out);
  self->element = x.element_bytes();
  for (int i = 0; i < 4; ++i) self->start[i] = step.start[i];
  if (bits) self->start[3] /= 32;
  self->fills = step.fills;
  self->value = step.value;
  self->tail = UINT32_MAX;
  const Shape &from = self->from, &to = self->to;
  self->cost_ns = 0.2 * (double)out.bytes() + (double)out.pixels();
  if (step.kind == StepKind::kPlace) {
    self->run = place;
    self->units = self->fills ? to.n * to.h : from.n * from.h;
  } else if (step.kind == StepKind::kSlice) {
    self->run = slice;
    self->units = to.n * to.h;
    if (bits && out.c % 32) self->tail = (1u << (out.c % 32)) - 1;
  } else {
    const int64_t strides[] = {from.h * from.w * from.c, from.w * from.c, from.c, 1};
    for (int i = 0; i < 4; ++i) self->stride[i] = strides[step.perm[i]];
    self->run = transpose;
    self->units = to.n * to.h * to.w;
  }
  snprintf(self->label, sizeof self->label, "%s", step.kind_name);
  return self;
}

}  // namespace bnn
