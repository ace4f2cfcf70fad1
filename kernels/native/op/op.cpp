#include "op/op.h"

#include <string.h>

namespace bnn {

namespace {

constexpr int64_t kMaxBytes = INT32_MAX;  // of any one array: 32-bit boards address no more

bool choice(const Request& request, const char* key, const char* const* names, int* index, Error& error) {
  const char* value;
  if (!request.text(key, &value, error)) return false;
  for (*index = 0; names[*index]; ++*index)
    if (!strcmp(value, names[*index])) return true;
  return error.set("%s=%.60s is unknown", key, value);
}

bool size(const Request& request, const char* key, int32_t* value, Error& error) {
  int64_t number;
  if (!request.integer(key, 1, INT32_MAX, &number, error)) return false;
  *value = (int32_t)number;
  return true;
}

bool size_or_one(const Request& request, const char* key, int32_t* value, Error& error) {
  *value = 1;
  return !request.find(key) || size(request, key, value, error);
}

// a * b * c * d * element bytes, or an error past the limit.
bool bytes_of(const char* array, int64_t a, int64_t b, int64_t c, int64_t d, int64_t element, int64_t* bytes,
              Error& error) {
  int64_t product = element;
  const int64_t factors[] = {a, b, c, d};
  for (int64_t factor : factors) {
    if (factor > kMaxBytes || __builtin_mul_overflow(product, factor, &product) || product > kMaxBytes)
      return error.set("the array '%s' would take more than 2 GiB", array);
  }
  *bytes = product;
  return true;
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// TensorFlow's SAME and VALID along one axis.
bool window(const Op& op, int64_t in, int64_t kernel, int64_t stride, int64_t dilation, int32_t* out, int32_t* before,
            Error& error) {
  const int64_t extent = (kernel - 1) * dilation + 1;
  const int64_t count = op.same ? ceil_div(in, stride) : (in - extent) / stride + 1;
  if (!op.same && extent > in) return error.set("a window of %lld does not fit %lld", (long long)extent, (long long)in);
  const int64_t total = (count - 1) * stride + extent - in;
  if (total > INT32_MAX) return error.set("the padding is too large");
  *out = (int32_t)count;
  *before = op.same && total > 0 ? (int32_t)(total / 2) : 0;
  return true;
}

bool parse_windows(const Request& request, Op& op, Error& error) {
  const char* pads[] = {"valid", "same", nullptr};
  int pad;
  if (!size_or_one(request, "n", &op.n, error) || !size(request, "h", &op.h, error) ||
      !size(request, "w", &op.w, error) || !size(request, "c", &op.c, error) || !size(request, "kh", &op.kh, error) ||
      !size(request, "kw", &op.kw, error) || !size_or_one(request, "sh", &op.sh, error) ||
      !size_or_one(request, "sw", &op.sw, error) ||
      (op.kind == OpKind::kBconv2d &&
       (!size_or_one(request, "dh", &op.dh, error) || !size_or_one(request, "dw", &op.dw, error))) ||
      !choice(request, "pad", pads, &pad, error))
    return false;
  op.same = pad == 1;
  return window(op, op.h, op.kh, op.sh, op.dh, &op.out_h, &op.pad_top, error) &&
         window(op, op.w, op.kw, op.sw, op.dw, &op.out_w, &op.pad_left, error);
}

bool parse_output(const Request& request, Op& op, Error& error) {
  const char* outputs[] = {"i32", "f32", "bits", nullptr};
  int output;
  if (!choice(request, "out", outputs, &output, error)) return false;
  op.output = (Output)output;
  return true;
}

bool parse_bgemm(const Request& request, Op& op, Error& error) {
  if (!size(request, "m", &op.n, error) || !size(request, "n", &op.oc, error) || !size(request, "k", &op.c, error) ||
      !parse_output(request, op, error))
    return false;
  if (op.output == Output::kBits) return error.set("bgemm has no out=bits");
  return true;
}

bool parse_bconv2d(const Request& request, Op& op, Error& error) {
  const char* acts[] = {"none", "relu", "relu6", "relu_n1_to_1", nullptr};
  const int32_t lows[] = {INT32_MIN, 0, 0, -1}, highs[] = {INT32_MAX, INT32_MAX, 6, 1};
  int act = 0;
  int64_t pad_value;
  if (!parse_windows(request, op, error) || !size(request, "oc", &op.oc, error) ||
      !size_or_one(request, "groups", &op.groups, error) || !parse_output(request, op, error) ||
      !request.integer_or("pad_value", 1, 0, 1, &pad_value, error) ||
      (request.find("act") && !choice(request, "act", acts, &act, error)))
    return false;
  op.pad_value = (int32_t)pad_value;
  op.clamp_low = lows[act];
  op.clamp_high = highs[act];
  if (act && op.output == Output::kBits) return error.set("act= does nothing for out=bits");
  if (op.groups > 1 && op.c % (32 * (int64_t)op.groups)) return error.set("c is not a multiple of 32 * groups");
  if (op.oc % op.groups) return error.set("oc is not a multiple of groups");
  return true;
}

bool parse_bitpack(const Request& request, Op& op, Error& error) {
  const char* types[] = {"f32", "i8", nullptr};
  int type;
  int64_t zero_point;
  if (!size(request, "n", &op.n, error) || !size(request, "c", &op.c, error) ||
      !choice(request, "dtype", types, &type, error) ||
      !request.integer_or("zero_point", 0, -128, 127, &zero_point, error))
    return false;
  op.i8 = type == 1;
  op.zero_point = (int32_t)zero_point;
  if (!op.i8 && zero_point) return error.set("zero_point needs dtype=i8");
  return true;
}

struct OpRow {
  const char* name;
  OpKind kind;
  bool (*parse)(const Request&, Op&, Error&);
};

constexpr OpRow kOps[] = {
    {"bgemm", OpKind::kBgemm, parse_bgemm},
    {"bconv2d", OpKind::kBconv2d, parse_bconv2d},
    {"bitpack", OpKind::kBitpack, parse_bitpack},
    {"bmaxpool2d", OpKind::kBmaxpool2d, parse_windows},
};

bool derive_sizes(Op& op, Error& error) {
  op.words = (int32_t)ceil_div(op.c, 32);
  const bool packs = op.kind == OpKind::kBitpack, multiplies = op.kind <= OpKind::kBconv2d;
  const int64_t element = !packs ? 4 : op.i8 ? 1 : 4, columns = packs ? op.c : op.words;
  const bool words_out = !multiplies || op.output == Output::kBits;
  const int64_t out_columns = !words_out ? op.oc : multiplies ? ceil_div(op.oc, 32) : op.words;
  int64_t dot;  // its value fits int32 when the number of bits does
  return bytes_of("x", op.n, op.h, op.w, columns, element, &op.x_bytes, error) &&
         bytes_of("out", op.n, op.out_h, op.out_w, out_columns, 4, &op.out_bytes, error) &&
         (!multiplies ||
          (bytes_of("filter", op.oc, op.kh, op.kw, op.words / op.groups, 4, &op.filter_bytes, error) &&
           bytes_of("a dot product", op.kh, op.kw, op.c / op.groups, 1, 1, &dot, error)));
}

}  // namespace

int64_t Op::data_bytes() const {
  if (kind > OpKind::kBconv2d) return x_bytes;
  const int64_t per_channel = output == Output::kFloat ? 8 : output == Output::kBits ? 4 : 0;
  return x_bytes + filter_bytes + per_channel * oc;
}

bool parse_op(const Request& request, Op& op, Error& error) {
  const char* name;
  if (!request.text("op", &name, error)) return false;
  for (const OpRow& row : kOps) {
    if (strcmp(name, row.name)) continue;
    op.kind = row.kind;
    if (request.find("kernel") && !request.text("kernel", &op.kernel, error)) return false;
    return row.parse(request, op, error) && derive_sizes(op, error);
  }
  return error.set("the op '%.60s' is unknown", name);
}

namespace {

void describe(const char* list, const char* name, const char* dtype, const Op& op, bool image, int64_t h, int64_t w,
              int64_t columns, Json& reply) {
  reply.open('[', list).open('{').text("name", name).open('[', "shape").integer(nullptr, op.n);
  if (image) reply.integer(nullptr, h).integer(nullptr, w);
  reply.integer(nullptr, columns).close(']').text("dtype", dtype).close('}').close(']');
}

}  // namespace

void describe_arrays(const Op& op, Json& reply) {
  const bool image = op.kind == OpKind::kBconv2d || op.kind == OpKind::kBmaxpool2d;
  const bool packs = op.kind == OpKind::kBitpack, words_out = op.kind > OpKind::kBconv2d;
  const char* dtype = words_out || op.output == Output::kBits ? "u32" : op.output == Output::kFloat ? "f32" : "i32";
  const int64_t element = packs && op.i8 ? 1 : 4, rows = (int64_t)op.n * op.h * op.w;
  describe("inputs", "x", !packs ? "u32" : op.i8 ? "i8" : "f32", op, image, op.h, op.w, op.x_bytes / element / rows,
           reply);
  describe("outputs", "out", dtype, op, image, op.out_h, op.out_w, op.out_bytes / 4 / op.pixels(), reply);
}

const char* op_name(int index) { return index < (int)(sizeof kOps / sizeof *kOps) ? kOps[index].name : nullptr; }

}  // namespace bnn
