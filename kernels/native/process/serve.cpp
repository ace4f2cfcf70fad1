// The protocol loop: one request a line on stdin, one line of JSON each on stdout.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/counters.h"
#include "measure/measure.h"
#include "op/workload.h"
#include "process/roles.h"

#ifndef BNN_BUILD
#error "compile through toolchain.py, which says what the build is made of"
#endif

namespace bnn {

namespace {

struct Loaded {
  char id[64];
  Arena arena;
  Workload* workload;
  Loaded* next;
};

Loaded* loaded = nullptr;
const char* selected_isa = "";

Loaded** find_slot(const char* id) {
  Loaded** slot = &loaded;
  while (*slot && strcmp((*slot)->id, id)) slot = &(*slot)->next;
  return slot;
}

Loaded* require(const Request& request, Error& error) {
  const char* id;
  if (!request.text("id", &id, error)) return nullptr;
  Loaded* found = *find_slot(id);
  if (!found) error.set("nothing is loaded as '%.60s'", id);
  return found;
}

bool hello(const Request&, Json& reply, Error&) {
  // The CPUs as they were at the start: a team of threads pins this one too.
  static cpu_set_t cpus;
  if (!CPU_COUNT(&cpus)) sched_getaffinity(0, sizeof cpus, &cpus);
  reply.integer("protocol", 1).text("engine", backend().engine).text("version", BNN_VERSION).text("build", BNN_BUILD);
  reply.text("isa", selected_isa).open('[', "isas");
  for (int i = 0; backend().isas[i]; ++i) reply.text(nullptr, backend().isas[i]);
  reply.close(']').open('[', "accepts").text(nullptr, "op");
  if (backend().load_plan) reply.text(nullptr, "plan");
  reply.close(']').open('[', "ops");
  for (int i = 0; op_name(i); ++i) reply.text(nullptr, op_name(i));
  reply.close(']').open('[', "cpus");
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &cpus)) reply.integer(nullptr, cpu);
  reply.close(']').integer("max_threads", backend().max_threads ? backend().max_threads() : 1);
  list_counters(reply);
  reply.number("clock_hz", measure_clock_hz(200000)).integer("pid", getpid());
  return true;
}

Workload* load_op(const Request& request, Arena& arena, Json& reply, Error& error) {
  Op op;
  const char* path;
  if (!parse_op(request, op, error) || !request.text("data", &path, error) || !request.all_known(error))
    return nullptr;
  int64_t bytes = op.data_bytes();
  uint8_t* data = read_file(path, &bytes, error);
  if (!data) return nullptr;
  Workload* workload = backend().load(op, data, arena, error);
  free(data);
  if (!workload) return nullptr;
  describe_arrays(op, reply);
  reply.integer("arena_bytes", arena.bytes());
  return workload;
}

Workload* load_plan(const Request& request, Arena& arena, Json& reply, Error& error) {
  const char* path;
  if (!request.text("plan", &path, error) || !request.all_known(error)) return nullptr;
  int64_t bytes = -1;
  uint8_t* plan = read_file(path, &bytes, error);
  if (!plan) return nullptr;
  Workload* workload = backend().load_plan(plan, bytes, arena, reply, error);
  free(plan);
  return workload;
}

bool load(const Request& request, Json& reply, Error& error) {
  const int64_t start = now_ns();
  const char* id;
  if (!request.text("id", &id, error)) return false;
  if (strlen(id) >= sizeof Loaded::id) return error.set("the id is longer than %zu characters", sizeof Loaded::id - 1);
  if (*find_slot(id)) return error.set("the id '%s' is taken: unload it first", id);
  const bool is_plan = request.find("plan") && backend().load_plan;
  if (!is_plan && (request.find("plan") || request.find("model")))
    return error.set("this engine loads %s only", backend().load_plan ? "ops and plans" : "ops");
  Loaded* entry = (Loaded*)calloc(1, sizeof(Loaded));
  if (!entry) return error.set("no memory");
  entry->arena = Arena();
  strcpy(entry->id, id);
  entry->workload = is_plan ? load_plan(request, entry->arena, reply, error)
                            : load_op(request, entry->arena, reply, error);
  if (!entry->workload) {
    entry->arena.release();
    free(entry);
    return error.set("it could not be loaded");
  }
  entry->next = loaded;
  loaded = entry;
  reply.integer("load_ns", now_ns() - start);
  return true;
}

bool run(const Request& request, Json& reply, Error& error) {
  Loaded* entry = require(request, error);
  return entry && run_request(request, *entry->workload, reply, error);
}

bool write_output(const Workload& workload, const char* path, Error& error) {
  const int file = open_to_write(path, error);
  if (file < 0) return false;
  for (int i = 0; i < workload.outputs; ++i)
    if (!write_bytes(file, path, workload.output[i].data, workload.output[i].count, error)) break;
  return close_written(file, path, error);
}

bool output(const Request& request, Json& reply, Error& error) {
  Loaded* entry = require(request, error);
  if (!entry) return false;
  const Workload& workload = *entry->workload;
  const char* path = request.find("path");
  if (!request.all_known(error)) return false;
  if (path && !write_output(workload, path, error)) return false;
  Sha256 digest;
  for (int i = 0; i < workload.outputs; ++i) digest.add(workload.output[i].data, (uint64_t)workload.output[i].count);
  char digits[65];
  digest.hex(digits);
  reply.integer("bytes", workload.output_bytes()).text("sha256", digits);
  return true;
}

bool unload(const Request& request, Json&, Error& error) {
  Loaded* entry = require(request, error);
  if (!entry) return false;
  *find_slot(entry->id) = entry->next;
  entry->arena.release();
  free(entry);
  return true;
}

bool peak(const Request& request, Json& reply, Error& error) {
  const char* isa = request.find("isa");
  if (!backend().peak) return error.set("the engine '%s' measures no roofs", backend().engine);
  if (isa && !backend().select(isa)) return error.set("isa=%.60s is not one of this machine's", isa);
  const bool done = backend().peak(request, reply, error);
  backend().select(selected_isa);
  return done;
}

struct Verb {
  const char* name;
  bool (*answer)(const Request&, Json&, Error&);
};

constexpr Verb kVerbs[] = {{"hello", hello},   {"load", load},     {"run", run},
                           {"output", output}, {"unload", unload}, {"peak", peak}};

bool answer(const Request& request, Json& reply, Error& error) {
  for (const Verb& verb : kVerbs)
    if (!strcmp(verb.name, request.verb())) return verb.answer(request, reply, error);
  for (const ModelVerb* verb = backend().verbs; verb && verb->name; ++verb) {
    if (strcmp(verb->name, request.verb())) continue;
    Loaded* entry = require(request, error);
    if (!entry) return false;
    if (!entry->workload->is_model) return error.set("'%s' is an op: %s takes a model", entry->id, verb->name);
    return verb->answer(request, *entry->workload, reply, error);
  }
  return error.set("the verb '%.60s' is unknown to protocol 1 of this engine", request.verb());
}

}  // namespace

int serve(int count, char** arguments) {
  const Backend& engine = backend();
  for (int i = 0; engine.isas[i]; ++i) selected_isa = engine.isas[i];
  for (int i = 0; i < count; ++i) {
    if (!strcmp(arguments[i], "--isa") && i + 1 < count) {
      selected_isa = arguments[++i];
    } else {
      fprintf(stderr, "unknown option '%s'; the options are: --isa NAME\n", arguments[i]);
      return 2;
    }
  }
  if (!*selected_isa || !engine.select(selected_isa)) {
    fprintf(stderr, "this CPU or this build has no ISA level '%s'\n", selected_isa);
    return 2;
  }
  char* line = nullptr;
  size_t capacity = 0;
  Json reply;
  for (ssize_t length; (length = getline(&line, &capacity, stdin)) >= 0;) {
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) line[--length] = 0;
    Error error;
    Request request;
    const bool is_text = strlen(line) == (size_t)length;
    if (is_text && !strcmp(line, "quit")) break;
    reply.clear();
    reply.open('{').boolean("ok", true);
    if (!is_text) error.set("a request may not hold a NUL byte");
    if (error.failed() || !request.parse(line, error) || !answer(request, reply, error)) {
      error.set("the request failed");
      reply.clear();
      reply.open('{').boolean("ok", false).text("error", error.text);
    }
    reply.close('}').print(STDOUT_FILENO);
  }
  free(line);
  return 0;
}

}  // namespace bnn
