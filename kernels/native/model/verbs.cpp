// What the protocol asks of models beside running them: their inputs, many inferences, every step's output or time.
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/threads.h"
#include "model/model.h"

namespace bnn {

void describe_tensor(const PlanTensor& t, Json& reply) {
  constexpr const char* kNames[] = {"f32", "i8", "u32", "i32", "u8"};
  const int32_t dims[] = {t.n, t.h, t.w};
  reply.text("name", t.name).open('[', "shape");
  if (t.rank == 2) reply.integer(nullptr, t.n);
  for (int i = 4 - t.rank; t.rank > 2 && i < 3; ++i) reply.integer(nullptr, dims[i]);
  reply.integer(nullptr, t.elements()).close(']').text("dtype", kNames[(uint32_t)t.dtype]);
}

void describe_list(const char* name, const PlanTensor* const* tensors, int32_t count, Json& reply) {
  reply.open('[', name);
  for (int32_t i = 0; i < count; ++i) {
    reply.open('{');
    describe_tensor(*tensors[i], reply);
    reply.close('}');
  }
  reply.close(']');
}

namespace {

constexpr int64_t kHour = 3600ll * 1000000000;

struct Limits {
  int64_t threads, limit_ns;
  bool parse(const Request& request, Error& error) {
    return request.integer_or("threads", 1, 1, usable_cpus(), &threads, error) &&
           request.integer_or("limit_ns", kHour, 1, kHour, &limit_ns, error);
  }
};

bool input(const Request& request, Workload& workload, Json&, Error& error) {
  Model& model = (Model&)workload;
  const char* path;
  int64_t index, bytes;
  if (!request.text("path", &path, error) ||
      !request.integer_or("index", 0, 0, model.plan.inputs - 1, &index, error) || !request.all_known(error))
    return false;
  const int64_t needed = model.plan.input[index]->bytes();
  const int file = open_to_read(path, &bytes, error);
  if (file < 0) return false;
  if (bytes != needed) {
    error.set("%.200s has %lld bytes where the input needs %lld", path, (long long)bytes, (long long)needed);
  } else {
    read_bytes(file, path, model.input[index], needed, error);
  }
  close(file);
  return !error.failed();
}

// How a file's bytes become a model's inputs.
struct Conversion {
  bool from_u8 = false;
  double scale = 1, offset = 0;

  bool parse(const Request& request, const Model& model, Error& error) {
    const char* dtype = request.find("dtype");
    if (!dtype) return true;
    if (strcmp(dtype, "u8")) return error.set("dtype=%.60s is not u8", dtype);
    for (int32_t i = 0; i < model.plan.inputs; ++i)
      if (model.plan.input[i]->dtype != DType::kF32) return error.set("dtype=u8 needs f32 inputs");
    from_u8 = true;
    return request.number("scale", &scale, error) && request.number("offset", &offset, error);
  }
  int64_t bytes(const PlanTensor& t) const { return from_u8 ? t.bytes() / 4 : t.bytes(); }
  void apply(const uint8_t* from, int64_t count, float* to) const {
    for (int64_t i = 0; i < count; ++i) to[i] = (float)from[i] * (float)scale + (float)offset;
  }
};

// The next inference's inputs.
bool read_inputs(Model& model, const Conversion& conversion, int file, const char* path, uint8_t* buffer,
                 Error& error) {
  for (int32_t i = 0; i < model.plan.inputs; ++i) {
    const int64_t bytes = conversion.bytes(*model.plan.input[i]);
    uint8_t* to = conversion.from_u8 ? buffer : model.input[i];
    if (!read_bytes(file, path, to, bytes, error)) return false;
    if (conversion.from_u8) conversion.apply(buffer, bytes, (float*)model.input[i]);
  }
  return true;
}

bool infer_all(Model& model, const Conversion& conversion, int64_t count, const Limits& limits, int in,
               const char* in_path, int out, const char* out_path, uint8_t* buffer, int64_t* ns, Error& error) {
  const int64_t deadline = now_ns() + limits.limit_ns;
  *ns = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (!read_inputs(model, conversion, in, in_path, buffer, error)) return false;
    const int64_t start = now_ns();
    if (start > deadline)
      return error.set("limit_ns was reached after %lld of %lld inputs", (long long)i, (long long)count);
    model.run(model, (int)limits.threads);
    *ns += now_ns() - start;
    for (int o = 0; o < model.outputs; ++o)
      if (!write_bytes(out, out_path, model.output[o].data, model.output[o].count, error)) return false;
  }
  return true;
}

bool infer(const Request& request, Workload& workload, Json& reply, Error& error) {
  Model& model = (Model&)workload;
  const char *in_path, *out_path;
  int64_t count, bytes, ns = 0, needed = 0, largest = 0;
  Limits limits;
  Conversion conversion;
  if (!request.text("input", &in_path, error) || !request.text("output", &out_path, error) ||
      !request.integer("count", 1, 1000000000, &count, error) || !limits.parse(request, error) ||
      !conversion.parse(request, model, error) || !request.all_known(error) ||
      !prepare_threads((int)limits.threads, error))
    return false;
  for (int32_t i = 0; i < model.plan.inputs; ++i) {
    const int64_t one = conversion.bytes(*model.plan.input[i]);
    needed += one;
    if (one > largest) largest = one;
  }
  const int in = open_to_read(in_path, &bytes, error);
  if (in < 0) return false;
  uint8_t* buffer = (uint8_t*)malloc(conversion.from_u8 ? (size_t)largest : 1);
  if (!buffer) error.set("no memory for an input");
  int64_t all;
  if (__builtin_mul_overflow(needed, count, &all) || bytes != all)
    error.set("%.200s has %lld bytes where %lld inputs need %lld each", in_path, (long long)bytes, (long long)count,
              (long long)needed);
  const int out = error.failed() ? -1 : open_to_write(out_path, error);
  if (out >= 0) {
    infer_all(model, conversion, count, limits, in, in_path, out, out_path, buffer, &ns, error);
    close_written(out, out_path, error);
  }
  close(in);
  free(buffer);
  if (error.failed()) return false;
  reply.integer("count", count).integer("ns", ns);
  return true;
}

bool trace(const Request& request, Workload& workload, Json& reply, Error& error) {
  Model& model = (Model&)workload;
  const char* path;
  if (!request.text("path", &path, error) || !request.all_known(error)) return false;
  const int file = open_to_write(path, error);
  if (file < 0) return false;
  restore_inputs(model);
  reply.open('[', "tensors");
  int64_t offset = 0;
  for (int32_t i = 0; i < model.plan.steps && !error.failed(); ++i) {
    run_step(model, i);
    const ModelStep& step = model.step[i];
    for (int32_t s = 0; s < step.stores; ++s) {
      const PlanTensor& t = *step.stored[s];
      if (!write_bytes(file, path, model.place(t), t.bytes(), error)) break;
      reply.open('{').integer("step", i);
      describe_tensor(t, reply);
      reply.integer("offset", offset).integer("bytes", t.bytes()).close('}');
      offset += t.bytes();
    }
  }
  reply.close(']');
  return close_written(file, path, error);
}

// The times and counts of many runs, for `profile`.
struct Profiled {
  int64_t runs, row;  // row: steps + 1
  int64_t* stamps;    // [runs][row]
  int64_t* total;     // [runs]
  uint64_t* counts;   // [runs][row][counters]
};

void list_counts(const Profiled& p, int64_t step, StepCounters& counters, Json& reply) {
  const int64_t width = counters.count();
  if (!width || counters.is_lost()) return;
  reply.open('{', "counters");
  for (int64_t c = 0; c < width; ++c) {
    uint64_t any = 0;
    for (int64_t r = 0; r < p.runs; ++r) any |= p.counts[(r * p.row + p.row - 1) * width + c];
    if (!any && !strcmp(counters.name((int)c), "cycles")) {
      counters.never_counted((int)c);
      continue;
    }
    reply.open('[', counters.name((int)c));
    for (int64_t r = 0; r < p.runs; ++r) {
      const uint64_t* at = p.counts + (r * p.row + step) * width + c;
      reply.integer(nullptr, (int64_t)(at[width] - at[0]));
    }
    reply.close(']');
  }
  reply.close('}');
}

void list_profile(const Model& model, const Profiled& p, StepCounters& counters, Json& reply) {
  reply.open('[', "ops");
  for (int64_t i = 0; i < p.row - 1; ++i) {
    const PlanStep& step = model.plan.step[i];
    reply.open('{').integer("index", i).text("op", step.kind_name).text("name", step.name);
    reply.text("kernel", model.step[i].step->label).open('[', "ns");
    for (int64_t r = 0; r < p.runs; ++r) reply.integer(nullptr, p.stamps[r * p.row + i + 1] - p.stamps[r * p.row + i]);
    reply.close(']');
    list_counts(p, i, counters, reply);
    reply.close('}');
  }
  reply.close(']').open('[', "total_ns");
  for (int64_t r = 0; r < p.runs; ++r) reply.integer(nullptr, p.total[r]);
  reply.close(']');
  counters.print_cost(reply);
  if (counters.why_not()) reply.text("counters_error", counters.why_not());
}

bool profile(const Request& request, Workload& workload, Json& reply, Error& error) {
  Model& model = (Model&)workload;
  int64_t runs;
  Limits limits;
  StepCounters counters;
  const char* asked = request.find("counters");
  if (!request.integer("runs", 1, 100000, &runs, error) || !limits.parse(request, error) ||
      !counters.open(asked, error) || !request.all_known(error) || !prepare_threads((int)limits.threads, error))
    return false;
  if (asked && limits.threads > 1) return error.set("counters= are of one thread: add threads=1");
  const int64_t row = model.plan.steps + 1, deadline = now_ns() + limits.limit_ns, width = counters.count();
  Profiled p = {runs, row, nullptr, nullptr, nullptr};
  p.stamps = (int64_t*)malloc((size_t)(runs * row) * sizeof(int64_t));
  p.total = (int64_t*)malloc((size_t)runs * sizeof(int64_t));
  p.counts = (uint64_t*)malloc((size_t)(runs * row * width + 1) * sizeof(uint64_t));
  if (!p.stamps || !p.total || !p.counts) error.set("no memory for the times");
  counters.start();
  for (int64_t r = 0; r < runs && !error.failed(); ++r) {
    const int64_t start = now_ns();
    run_model(model, (int)limits.threads,
              {p.stamps + r * row, width ? &counters : nullptr, p.counts + r * row * width});
    p.total[r] = now_ns() - start;
    if (start > deadline) error.set("limit_ns was reached after %lld of %lld runs", (long long)r, (long long)runs);
  }
  if (!error.failed()) list_profile(model, p, counters, reply);
  free(p.stamps);
  free(p.total);
  free(p.counts);
  return !error.failed();
}

// How the steps are cut for so many threads, which need not be there.
bool divide(const Request& request, Workload& workload, Json& reply, Error& error) {
  const Model& model = (const Model&)workload;
  int64_t threads;
  if (!request.integer("threads", 1, 1024, &threads, error) || !request.all_known(error)) return false;
  reply.open('[', "steps");
  for (int32_t i = 0; i < model.plan.steps; ++i) {
    const Step& step = *model.step[i].step;
    const bool alone = model.step[i].alone || threads == 1;
    reply.open('{').integer("units", step.units).integer("prepare_units", step.prepare ? step.prepare_units : 0);
    reply.integer("parts", alone ? 1 : parts_of(step.units, (int)threads)).close('}');
  }
  reply.close(']');
  return true;
}

}  // namespace

const ModelVerb kModelVerbs[] = {{"input", input},     {"infer", infer},   {"trace", trace},
                                 {"profile", profile}, {"divide", divide}, {nullptr, nullptr}};

}  // namespace bnn
