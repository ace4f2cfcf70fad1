#include "measure/peak.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/threads.h"

namespace bnn {

namespace {

constexpr int64_t kBlockNs = 5000000;  // long against the clock's own cost
constexpr int kMostBlocks = 20, kMostThreads = 256;

// One thing that all threads do at once, `rounds` times each; how much was done in all.
struct Task {
  const Kernels& kernels;
  int64_t (*work)(const Task&, int thread, int64_t rounds);
  int64_t bytes;          // of a thread's buffer
  uint8_t* const* buffer;
  int64_t rounds, amount;
};

int64_t count_bits(const Task& task, int, int64_t rounds) { return task.kernels.binary->popcount_roof(rounds); }
int64_t multiply(const Task& task, int, int64_t rounds) { return task.kernels.model->fma_roof(rounds); }
int64_t multiply_i8(const Task& task, int, int64_t rounds) { return task.kernels.integers->product_roof(rounds); }

int64_t read(const Task& task, int thread, int64_t rounds) {
  uint64_t all = 0;
  for (int64_t r = 0; r < rounds; ++r) all += task.kernels.model->read_all(task.buffer[thread], task.bytes);
  asm volatile("" : : "r"(all));
  return rounds * task.bytes;
}

void work(void* argument, const Team& team) {
  Task& task = *(Task*)argument;
  __atomic_add_fetch(&task.amount, task.work(task, team.index, task.rounds), __ATOMIC_RELAXED);
}

int64_t time_task(Task& task, int threads) {
  task.amount = 0;
  const int64_t start = now_ns();
  run_team(threads, work, &task);
  return now_ns() - start;
}

// Amount per ns. A roof is what was reached once: others on the machine only ever lower it.
double measure(Task task, int threads, int64_t deadline) {
  for (task.rounds = 1; time_task(task, threads) < kBlockNs / 2 && now_ns() < deadline;) task.rounds *= 2;
  double best = 0;
  for (int block = 0; block < kMostBlocks && (block == 0 || now_ns() < deadline); ++block) {
    const int64_t ns = time_task(task, threads);
    const double rate = (double)task.amount / (double)(ns + 1);
    if (rate > best) best = rate;
  }
  return best;
}

int64_t free_memory() {
  const int64_t pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  return pages > 0 && page > 0 ? pages * page : 0;
}

struct Buffers {
  uint8_t* at[kMostThreads] = {};
  int count = 0;
  ~Buffers() {
    for (int i = 0; i < count; ++i) free(at[i]);
  }
  bool allocate(int threads, int64_t bytes) {
    for (; count < threads; ++count) {
      void* memory = nullptr;
      if (posix_memalign(&memory, 64, (size_t)bytes)) return false;
      memset(memory, 1, (size_t)bytes);  // pages of its own, not the one of zeros
      at[count] = (uint8_t*)memory;
    }
    return true;
  }
};

struct Level {
  const char* name;
  int64_t bytes;
  bool shared;
};

bool measure_reads(const Kernels& kernels, int threads, int64_t deadline, Json& reply, Error& error) {
  int64_t large = 256 << 20;
  if (large > free_memory() / 8) large = free_memory() / 8;
  if (large < 16 << 20) large = 16 << 20;
  const Level levels[] = {{"l1", 16 << 10, false}, {"l2", 128 << 10, false}, {"llc", 2 << 20, true}, {"dram", large, true}};
  reply.open('{', "read_gb_s");
  for (int i = 0; i < 4; ++i) {
    Buffers buffers;
    const int64_t bytes = (levels[i].shared ? levels[i].bytes / threads : levels[i].bytes) / 4096 * 4096;
    if (!buffers.allocate(threads, bytes)) return error.set("no memory to read from");
    const int64_t now = now_ns(), until = now + (deadline - now) / (4 - i);
    reply.number(levels[i].name, measure({kernels, read, bytes, buffers.at, 0, 0}, threads, until));
  }
  reply.close('}');
  return true;
}

}  // namespace

bool measure_peak(const Request& request, const Kernels& kernels, Json& reply, Error& error) {
  int64_t threads, limit_ns;
  const int most = usable_cpus() < kMostThreads ? usable_cpus() : kMostThreads;
  if (!request.integer_or("threads", 1, 1, most, &threads, error) ||
      !request.integer_or("limit_ns", 1000000000, 1000000, 3600ll * 1000000000, &limit_ns, error) ||
      !request.all_known(error) || !prepare_threads((int)threads, error))
    return false;
  const int64_t start = now_ns();
  const Task bits = {kernels, count_bits, 0, nullptr, 0, 0}, products = {kernels, multiply, 0, nullptr, 0, 0};
  const Task integers = {kernels, multiply_i8, 0, nullptr, 0, 0};
  reply.number("popcount_gops", 2 * measure(bits, (int)threads, start + limit_ns / 4));
  reply.number("fma_gflops", measure(products, (int)threads, start + limit_ns * 3 / 8));
  reply.number("int8_gops", measure(integers, (int)threads, start + limit_ns / 2));
  if (!measure_reads(kernels, (int)threads, start + limit_ns, reply, error)) return false;
  reply.number("clock_hz", measure_clock_hz(2000000));
  return true;
}

}  // namespace bnn
