// The protocol loop: one request a line on stdin, one line of JSON each on stdout.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "measure.h"
#include "roles.h"
#include "sha256.h"
#include "workload.h"

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

// The whole file, which must have exactly `bytes`. Null sets the error.
uint8_t* read_file(const char* path, int64_t bytes, Error& error) {
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not make us wait
  struct stat status;
  uint8_t* data = nullptr;
  if (file < 0 || fstat(file, &status)) {
    error.set("cannot read %.200s: %s", path, strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    error.set("%.200s is no regular file", path);
  } else if (status.st_size != bytes) {
    error.set("%.200s has %lld bytes where the op needs %lld", path, (long long)status.st_size, (long long)bytes);
  } else if (!(data = (uint8_t*)malloc((size_t)bytes))) {
    error.set("no memory for %lld bytes", (long long)bytes);
  } else {
    for (int64_t done = 0; done < bytes;) {
      const ssize_t count = read(file, data + done, (size_t)(bytes - done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        error.set("cannot read %.200s: %s", path, count ? strerror(errno) : "it ended early");
        free(data), data = nullptr;
        break;
      }
      done += count;
    }
  }
  if (file >= 0) close(file);
  return data;
}

bool hello(const Request&, Json& reply, Error&) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  sched_getaffinity(0, sizeof cpus, &cpus);
  reply.integer("protocol", 1).text("engine", backend().engine).text("version", BNN_VERSION).text("build", BNN_BUILD);
  reply.text("isa", selected_isa).open('[', "isas");
  for (int i = 0; backend().isas[i]; ++i) reply.text(nullptr, backend().isas[i]);
  reply.close(']').open('[', "accepts").text(nullptr, "op").close(']').open('[', "ops");
  for (int i = 0; op_name(i); ++i) reply.text(nullptr, op_name(i));
  reply.close(']').open('[', "cpus");
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &cpus)) reply.integer(nullptr, cpu);
  reply.close(']').integer("max_threads", 1).open('[', "counters").close(']');
  reply.number("clock_hz", measure_clock_hz(200000)).integer("pid", getpid());
  return true;
}

bool load(const Request& request, Json& reply, Error& error) {
  const int64_t start = now_ns();
  const char *id, *path;
  Op op;
  if (!request.text("id", &id, error)) return false;
  if (strlen(id) >= sizeof Loaded::id) return error.set("the id is longer than %zu characters", sizeof Loaded::id - 1);
  if (*find_slot(id)) return error.set("the id '%s' is taken: unload it first", id);
  if (request.find("plan") || request.find("model")) return error.set("this engine loads ops only");
  if (!parse_op(request, op, error) || !request.text("data", &path, error) || !request.all_known(error)) return false;
  uint8_t* data = read_file(path, op.data_bytes(), error);
  if (!data) return false;
  Loaded* entry = (Loaded*)calloc(1, sizeof(Loaded));
  if (!entry) return free(data), error.set("no memory");
  strcpy(entry->id, id);
  entry->workload = backend().load(op, data, entry->arena, error);
  free(data);
  if (!entry->workload) {
    entry->arena.release();
    free(entry);
    return error.set("the op could not be loaded");
  }
  entry->next = loaded, loaded = entry;
  describe_arrays(op, reply);
  reply.integer("arena_bytes", entry->arena.bytes());
  reply.integer("load_ns", now_ns() - start);
  return true;
}

bool run(const Request& request, Json& reply, Error& error) {
  Loaded* entry = require(request, error);
  return entry && run_request(request, *entry->workload, reply, error);
}

bool write_file(const char* path, const uint8_t* data, int64_t bytes, Error& error) {
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return error.set("cannot write %.200s: %s", path, strerror(errno));
  for (int64_t done = 0; done < bytes;) {
    const ssize_t count = write(file, data + done, (size_t)(bytes - done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      error.set("cannot write %.200s: %s", path, strerror(errno));
      break;
    }
    done += count;
  }
  if (close(file)) error.set("cannot write %.200s: %s", path, strerror(errno));
  return !error.failed();
}

bool output(const Request& request, Json& reply, Error& error) {
  Loaded* entry = require(request, error);
  if (!entry) return false;
  const Workload& workload = *entry->workload;
  const char* path = request.find("path");
  if (!request.all_known(error)) return false;
  if (path && !write_file(path, workload.output, workload.op.out_bytes, error)) return false;
  char digest[65];
  sha256_hex(workload.output, (uint64_t)workload.op.out_bytes, digest);
  reply.integer("bytes", workload.op.out_bytes).text("sha256", digest);
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
  const bool done = peak_request(request, reply, error);
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
