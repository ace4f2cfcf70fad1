#include "measure/measure.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counters.h"

namespace bnn {

namespace {

constexpr int64_t kMaxSamples = 100000, kClockChainNs = 20000;

struct Samples {
  double* ns = nullptr;
  double* clock_hz = nullptr;
  int64_t count = 0, capacity = 0;
  ~Samples() {
    free(ns);
    free(clock_hz);
  }
  bool add(double sample_ns, double hz) {
    if (count == capacity) {
      capacity = capacity * 2 + 64;
      ns = (double*)realloc(ns, (size_t)capacity * sizeof(double));
      clock_hz = (double*)realloc(clock_hz, (size_t)capacity * sizeof(double));
      if (!ns || !clock_hz) return false;
    }
    ns[count] = sample_ns;
    clock_hz[count++] = hz;
    return true;
  }
};

struct Timing {
  int64_t threads, samples, warmup_ns, limit_ns, min_sample_ns, iterations, extra_ppm, period_ns;
};

bool parse_timing(const Request& request, Timing& t, Error& error) {
  constexpr int64_t kHour = 3600ll * 1000000000;
  const int64_t most = backend().max_threads ? backend().max_threads() : 1;
  if (!request.integer_or("threads", 1, 1, most, &t.threads, error) ||
      !request.integer("samples", 1, kMaxSamples, &t.samples, error) ||
      !request.integer_or("warmup_ns", 0, 0, kHour, &t.warmup_ns, error) ||
      !request.integer_or("limit_ns", kHour, 1, kHour, &t.limit_ns, error) ||
      !request.integer_or("extra_ppm", 0, 0, 10000000, &t.extra_ppm, error) ||
      !request.integer_or("period_ns", 0, 0, kHour, &t.period_ns, error) ||
      !request.integer_or("min_sample_ns", 0, 1, kHour, &t.min_sample_ns, error) ||
      !request.integer_or("iterations", 0, 1, 1000000000, &t.iterations, error))
    return false;
  if (!t.iterations == !t.min_sample_ns) return error.set("run takes either min_sample_ns= or iterations=");
  return true;
}

// Ticks of a camera: a block begins at the next one. One that is over before the block could begin is missed.
struct Ticks {
  int64_t period, next = 0, missed = 0;
  void wait() {
    if (!period) return;
    const int64_t now = now_ns();
    if (!next) next = now;
    if (now > next + period) {
      const int64_t over = (now - next) / period;
      missed += over;
      next += over * period;
    }
    while (now_ns() < next) {
      const int64_t left = next - now_ns();
      const timespec pause = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
      if (left > 0) nanosleep(&pause, nullptr);
    }
    next += period;
  }
};

// Tells an emulator that counts instructions where a block begins (1) and ends (2); see qemu_plugin/count_blocks.c. No kernel
// has this request. Only when asked for: elsewhere it would be one more system call.
void mark(int where) {
  static const bool wanted = getenv("BNNBENCH_MARKS") != nullptr;
  if (wanted) prctl(0x626e6e62, where, 0, 0, 0);
}

// `extra_ppm` really runs that many more, so that the harness can be shown a known slow-down.
int64_t time_block(Workload& workload, int64_t threads, int64_t iterations, int64_t extra) {
  mark(1);
  const int64_t start = now_ns();
  for (int64_t i = 0; i < iterations + extra; ++i) workload.run(workload, (int)threads);
  const int64_t ns = now_ns() - start;
  mark(2);
  return ns;
}

void list_cpus(const cpu_set_t& cpus, Json& reply) {
  reply.open('[', "cpus_used");
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &cpus)) reply.integer(nullptr, cpu);
  reply.close(']');
}

void note_cpu(cpu_set_t& cpus) {
  const int cpu = sched_getcpu();
  if (cpu >= 0) CPU_SET(cpu, &cpus);
}

// Small files named by `watch=` (throttle words, frequencies), read before and after the samples.
struct Watch {
  static constexpr int kMaxFiles = 16, kMaxBytes = 256;
  char paths[2048] = "";
  int files = 0;
  const char* path[kMaxFiles];
  char before[kMaxFiles][kMaxBytes], after[kMaxFiles][kMaxBytes];

  bool parse(const Request& request, Error& error) {
    const char* list = request.find("watch");
    if (!list) return true;
    if (strlen(list) >= sizeof paths) return error.set("watch= is too long");
    strcpy(paths, list);
    char* rest = nullptr;
    for (char* name = strtok_r(paths, ",", &rest); name; name = strtok_r(nullptr, ",", &rest)) {
      if (files == kMaxFiles) return error.set("watch= takes at most %d files", kMaxFiles);
      path[files++] = name;
    }
    return true;
  }
  void read_all(char (*text)[kMaxBytes]) {
    for (int i = 0; i < files; ++i) {
      const int file = open(path[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      const ssize_t count = file < 0 ? -1 : read(file, text[i], kMaxBytes - 1);
      if (file >= 0) close(file);
      text[i][count < 0 ? 0 : count] = 0;
      for (ssize_t end = count; end > 0 && text[i][end - 1] <= ' '; --end) text[i][end - 1] = 0;
    }
  }
  void print(Json& reply) {
    if (!files) return;
    reply.open('{', "watch");
    for (int i = 0; i < files; ++i)
      reply.open('[', path[i]).text(nullptr, before[i]).text(nullptr, after[i]).close(']');
    reply.close('}');
  }
};

// Of this program: rusage would also count what the process was before it became this program.
int64_t peak_rss() {
  char text[4096];
  const int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  const ssize_t count = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  text[count < 0 ? 0 : count] = 0;
  const char* line = strstr(text, "VmHWM:");
  if (line) return strtoll(line + 6, nullptr, 10) * 1024;
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (int64_t)usage.ru_maxrss * 1024;
}

void list_numbers(Json& reply, const char* name, const double* values, int64_t count) {
  reply.open('[', name);
  for (int64_t i = 0; i < count; ++i) reply.number(nullptr, values[i]);
  reply.close(']');
}

}  // namespace

bool run_request(const Request& request, Workload& workload, Json& reply, Error& error) {
  Timing t;
  Watch watch;
  Counters counters;
  if (!parse_timing(request, t, error) || !watch.parse(request, error) ||
      !counters.open(request.find("counters"), error) || !request.all_known(error))
    return false;
  if (t.threads > 1 && !backend().prepare_threads((int)t.threads, error)) return false;
  const int64_t start = now_ns(), deadline = start + t.limit_ns;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  note_cpu(cpus);
  for (int i = 1; i < t.threads; ++i) CPU_SET(backend().cpu_of_thread(i), &cpus);
  const int64_t first_ns = time_block(workload, t.threads, 1, 0);
  int64_t iterations = t.iterations ? t.iterations : 1;
  if (!t.iterations) {
    // Double until a block is long enough, then aim a little above the least length.
    int64_t block_ns = first_ns;
    while (block_ns < t.min_sample_ns && now_ns() < deadline) {
      const double growth = (double)t.min_sample_ns / (double)(block_ns + 1);
      iterations = growth < 2 ? (int64_t)((double)iterations * growth) + 1 : iterations * 2;
      block_ns = time_block(workload, t.threads, iterations, 0);
    }
    // A slow-down below one iteration could not be made: take as many as hold one whole.
    if (t.extra_ppm && iterations * t.extra_ppm < 1000000) iterations = (1000000 + t.extra_ppm - 1) / t.extra_ppm;
  }
  const int64_t extra = (iterations * t.extra_ppm + 500000) / 1000000;

  Samples warmup, samples;
  const int64_t warm = now_ns() + t.warmup_ns;
  for (; now_ns() < warm; note_cpu(cpus)) {
    if (now_ns() > deadline) return error.set("limit_ns was reached while warming up");
    const double ns = (double)time_block(workload, t.threads, iterations, extra) / (double)iterations;
    if (!warmup.add(ns, measure_clock_hz(kClockChainNs))) return error.set("no memory for the samples");
  }
  watch.read_all(watch.before);
  Ticks ticks{t.period_ns};
  while (samples.count < t.samples) {
    if (now_ns() > deadline)
      return error.set("limit_ns was reached after %lld of %lld samples", (long long)samples.count,
                       (long long)t.samples);
    ticks.wait();
    const double hz = measure_clock_hz(kClockChainNs);
    counters.start();
    const double ns = (double)time_block(workload, t.threads, iterations, extra) / (double)iterations;
    counters.stop();
    if (!samples.add(ns, hz)) return error.set("no memory for the samples");
    note_cpu(cpus);
  }
  watch.read_all(watch.after);

  reply.integer("iterations", iterations).integer("extra_iterations", extra).integer("first_ns", first_ns);
  list_numbers(reply, "samples_ns", samples.ns, samples.count);
  list_numbers(reply, "clock_hz", samples.clock_hz, samples.count);
  list_numbers(reply, "warmup_samples_ns", warmup.ns, warmup.count);
  list_numbers(reply, "warmup_clock_hz", warmup.clock_hz, warmup.count);
  reply.integer("start_ns", start).integer("end_ns", now_ns());
  list_cpus(cpus, reply);
  watch.print(reply);
  if (t.period_ns) reply.integer("missed", ticks.missed);
  counters.print(reply, (double)iterations * (double)samples.count);
  reply.integer("peak_rss_bytes", peak_rss());
  return true;
}

}  // namespace bnn
