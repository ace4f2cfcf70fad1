#include "plan/plan_file.h"

#include <math.h>
#include <string.h>

#include "base/sha256.h"

namespace bnn {

namespace {

constexpr uint32_t kVersion = 3;
constexpr int64_t kHeader = 64, kMaxBytes = INT32_MAX, kMaxCount = 65536, kTensorWords = 12;
constexpr uint32_t kMaxName = 200;

template <class T>
T load(const uint8_t* from) {
  T value;
  memcpy(&value, from, sizeof value);
  return value;
}

bool all_zero(const uint8_t* from, int64_t bytes) {
  for (int64_t i = 0; i < bytes; ++i)
    if (from[i]) return false;
  return true;
}

bool check_envelope(const uint8_t* bytes, int64_t count, Error& error) {
  if (count < 8 || memcmp(bytes, "BNNPLAN", 8)) return error.set("the file is not a plan");
  if (count < 2 * kHeader) return error.set("the plan is cut off");
  if (load<uint32_t>(bytes + 8) != kVersion)
    return error.set("the plan has version %u where this engine reads version %u", load<uint32_t>(bytes + 8), kVersion);
  if (load<uint64_t>(bytes + 16) != (uint64_t)(count - kHeader))
    return error.set("the plan's header promises %llu bytes where %lld follow",
                     (unsigned long long)load<uint64_t>(bytes + 16), (long long)(count - kHeader));
  if (load<uint32_t>(bytes + 12) || !all_zero(bytes + 56, 8)) return error.set("the plan's header is damaged");
  uint8_t digest[32];
  Sha256 body;
  body.add(bytes + kHeader, (uint64_t)(count - kHeader));
  body.digest(digest);
  if (memcmp(digest, bytes + 24, 32)) return error.set("the plan is damaged: its checksum is wrong");
  return true;
}

bool check_size(PlanTensor& t, int32_t index, const uint32_t* word, int64_t arena_bytes, Error& error) {
  const uint32_t dims[] = {word[2], word[3], word[4], word[5]};
  for (uint32_t dim : dims)
    if (dim < 1 || dim > INT32_MAX) return error.set("tensor %d has a dimension of %u", index, dim);
  t.n = (int32_t)dims[0];
  t.h = (int32_t)dims[1];
  t.w = (int32_t)dims[2];
  t.c = (int32_t)dims[3];
  if ((t.rank < 4 && (t.rank != 2 ? t.n : t.h) > 1) || (t.rank < 3 && (t.h > 1 || t.w > 1)))
    return error.set("tensor %d has more dimensions than its rank %d", index, t.rank);
  int64_t bytes = t.element_bytes();
  const int64_t factors[] = {t.n, t.h, t.w, t.elements()};
  for (int64_t factor : factors)
    if (__builtin_mul_overflow(bytes, factor, &bytes) || bytes > kMaxBytes)
      return error.set("tensor %d would take more than 2 GiB", index);
  const uint64_t offset = (uint64_t)word[7] << 32 | word[6];
  if (offset % 64 || offset > (uint64_t)arena_bytes || bytes > arena_bytes - (int64_t)offset)
    return error.set("tensor %d does not lie in the arena", index);
  t.offset = (int64_t)offset;
  return true;
}

bool parse_tensor(const PlanFile& plan, PlanTensor& t, int32_t index, const uint32_t* word, Arena& arena,
                  Error& error) {
  if (word[0] > 4) return error.set("tensor %d has the unknown dtype %u", index, word[0]);
  if (word[1] < 1 || word[1] > 4) return error.set("tensor %d has rank %u", index, word[1]);
  t.dtype = (DType)word[0];
  t.rank = (int32_t)word[1];
  if (!check_size(t, index, word, plan.arena_bytes, error)) return false;
  memcpy(&t.scale, word + 8, 4);
  t.zero_point = (int32_t)word[9];
  if (t.dtype == DType::kI8 || t.dtype == DType::kU8) {
    const int32_t least = t.dtype == DType::kI8 ? -128 : 0;
    if (!isfinite(t.scale) || t.scale <= 0) return error.set("tensor %d has an invalid scale", index);
    if (t.zero_point < least || t.zero_point > least + 255)
      return error.set("tensor %d has the zero point %d", index, t.zero_point);
  }
  t.name = copy_name(plan, word[10], word[11], arena, error);
  return t.name;
}

bool parse_list(const PlanFile& plan, const uint32_t* word, int32_t count, const char* what,
                const PlanTensor** list, Error& error) {
  for (int32_t i = 0; i < count; ++i) {
    if (word[i] >= (uint32_t)plan.tensors) return error.set("%s %d is tensor %u, which does not exist", what, i, word[i]);
    list[i] = &plan.tensor[word[i]];
  }
  return true;
}

}  // namespace

const char* copy_name(const PlanFile& plan, uint32_t place, uint32_t length, Arena& arena, Error& error) {
  if ((int64_t)place + length > plan.data_bytes) {
    error.set("a name lies beyond the plan's data");
    return nullptr;
  }
  const uint32_t kept = length < kMaxName ? length : kMaxName;
  char* name = arena.array<char>(kept + 1, error);
  for (uint32_t i = 0; name && i < kept; ++i) {
    const uint8_t byte = plan.data[place + i];
    name[i] = byte < ' ' || byte == 0x7f ? '?' : (char)byte;  // it stands in sentences
  }
  return name;
}

bool parse_plan(const uint8_t* bytes, int64_t count, Arena& arena, PlanFile& plan, Error& error) {
  if (!check_envelope(bytes, count, error)) return false;
  const uint8_t* body = bytes + kHeader;
  const int64_t body_bytes = count - kHeader;
  const uint64_t arena_bytes = load<uint64_t>(body), data_bytes = load<uint64_t>(body + 8);
  uint32_t counts[5];  // tensors, inputs, outputs, steps, words
  memcpy(counts, body + 16, sizeof counts);
  if (arena_bytes > (uint64_t)kMaxBytes) return error.set("the plan's arena would take more than 2 GiB");
  for (int i = 0; i < 4; ++i)
    if (counts[i] > kMaxCount) return error.set("the plan has more than 65536 tensors or steps");
  const int64_t program_bytes = ((int64_t)counts[4] * 4 + 63) / 64 * 64;
  const int64_t left = body_bytes - kHeader - program_bytes;
  if (!all_zero(body + 36, 28) || left < 0 || data_bytes != (uint64_t)left)
    return error.set("the plan's program and data do not fill its body");
  plan.arena_bytes = (int64_t)arena_bytes;
  plan.data_bytes = left;
  plan.data = body + kHeader + program_bytes;
  plan.tensors = (int32_t)counts[0];
  plan.inputs = (int32_t)counts[1];
  plan.outputs = (int32_t)counts[2];
  plan.steps = (int32_t)counts[3];
  const int64_t before_steps = plan.tensors * kTensorWords + plan.inputs + plan.outputs;
  if (before_steps > counts[4]) return error.set("the plan's program is too short for its tensors");
  if (!plan.inputs || !plan.outputs) return error.set("the plan has no input or no output");
  const uint32_t *word = (const uint32_t*)(body + kHeader), *end = word + counts[4];
  plan.tensor = arena.array<PlanTensor>(plan.tensors, error);
  plan.input = arena.array<const PlanTensor*>(plan.inputs, error);
  plan.output = arena.array<const PlanTensor*>(plan.outputs, error);
  if (error.failed()) return false;
  for (int32_t i = 0; i < plan.tensors; ++i, word += kTensorWords)
    if (!parse_tensor(plan, plan.tensor[i], i, word, arena, error)) return false;
  return parse_list(plan, word, plan.inputs, "input", plan.input, error) &&
         parse_list(plan, word + plan.inputs, plan.outputs, "output", plan.output, error) &&
         parse_steps(word + plan.inputs + plan.outputs, end, arena, plan, error);
}

}  // namespace bnn
