// Steps that read x by tables of places along its axes.
#include "plan/arguments.h"

namespace bnn {

namespace {

// `count` places, each of them on an axis of `size`.
const uint8_t* take_places(Arguments& a, int32_t count, int32_t size, Error& error) {
  const uint8_t* table = a.constant("the places", product(count, 4, 1, 1, 1));
  const int32_t* place = (const int32_t*)table;
  for (int32_t i = 0; table && i < count; ++i) {
    if (place[i] >= 0 && place[i] < size) continue;
    error.set("place %d of %d is %d", i, size, place[i]);
    return nullptr;
  }
  return table;
}

// low, high and share of each of `count` positions.
bool take_between(Arguments& a, int32_t count, int32_t size, const uint8_t** places, Error& error) {
  places[0] = take_places(a, count, size, error);
  places[1] = take_places(a, count, size, error);
  places[2] = a.constant("the shares", product(count, 4, 1, 1, 1));
  return !error.failed();
}

}  // namespace

bool parse_interpolate(PlanStep& s, Arguments& a, Error& error) {
  if (!(s.x = a.tensor("x", kMaskF32))) return false;
  s.n = s.x->n;
  s.h = a.size("out_h");
  s.w = a.size("out_w");
  s.c = s.x->c;
  return !error.failed() && take_between(a, s.h, s.x->h, s.places, error) &&
         take_between(a, s.w, s.x->w, s.places + 3, error);
}

bool parse_gather(PlanStep& s, Arguments& a, Error& error) {
  constexpr uint32_t kTypes = kMaskF32 | kMaskI8 | kMaskI32;
  s.x = a.tensor("x", kTypes);
  s.out = a.tensor("out", kTypes);
  if (!s.x || !s.out) return false;
  if (s.x->dtype != s.out->dtype) return error.set("x and out differ in dtype");
  const int32_t in[] = {s.x->n, s.x->h, s.x->w, s.x->c}, out[] = {s.out->n, s.out->h, s.out->w, s.out->c};
  for (int i = 0; i < 4 && !error.failed(); ++i) s.places[i] = take_places(a, out[i], in[i], error);
  return !error.failed();
}

}  // namespace bnn
