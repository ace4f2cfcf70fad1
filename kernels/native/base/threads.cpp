#include "base/threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arch.h"
#include "base/clock.h"

namespace bnn {

namespace {

constexpr int64_t kSpinNs = 80000;

// A number that threads wait for to change.
struct Signal {
  uint32_t value = 0, sleepers = 0;

  uint32_t read() const { return __atomic_load_n(&value, __ATOMIC_SEQ_CST); }
  void wait_past(uint32_t old) {
    const int64_t start = now_ns();
    for (int turn = 1; read() == old; ++turn) {
      arch::relax();
      if (turn % 64 || now_ns() - start < kSpinNs) continue;
      __atomic_add_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
      while (read() == old) syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
      __atomic_sub_fetch(&sleepers, 1, __ATOMIC_SEQ_CST);
    }
  }
  void advance() {
    __atomic_add_fetch(&value, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sleepers, __ATOMIC_SEQ_CST))
      syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr, 0);
  }
};

// Neighbours in a cache line would slow each other down.
struct alignas(128) Pool {
  int ready = 1;  // threads, with the caller
  uint32_t made_at = 0;  // `start` when the newest were made
  void (*task)(void*, const Team&);
  void* self;
  int threads;
  alignas(128) Signal start;
  alignas(128) Signal done;
  alignas(128) Signal passed;   // barriers
  alignas(128) uint32_t arrived = 0;
  alignas(128) uint32_t pending = 0;  // threads that have yet to finish or, not being in the team, to take note
};

Pool pool;

struct Cpus {
  cpu_set_t set;
  int count = 0;
  Cpus() {
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    count = CPU_COUNT(&set);
    if (count < 1) count = 1;
  }
};

const Cpus& cpus() {
  static const Cpus usable;
  return usable;
}

void pin(int index) {
  const int cpu = usable_cpu(index);
  if (cpu < 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  sched_setaffinity(0, sizeof one, &one);  // a core that has gone since: unpinned is as good as it gets
}

void* work(void* argument) {
  const int index = (int)(intptr_t)argument;
  pin(index);
  // Threads are made between teams: what was started before does not concern them.
  for (uint32_t seen = pool.made_at;;) {
    pool.start.wait_past(seen);
    seen = pool.start.read();
    const Team team = {index, pool.threads};
    if (index < team.threads) pool.task(pool.self, team);
    if (__atomic_sub_fetch(&pool.pending, 1, __ATOMIC_SEQ_CST) == 0) pool.done.advance();
  }
  return nullptr;
}

}  // namespace

int usable_cpus() { return cpus().count; }

int usable_cpu(int index) {
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &cpus().set) && index-- == 0) return cpu;
  return -1;
}

void Team::barrier() const {
  if (threads == 1) return;
  const uint32_t generation = pool.passed.read();
  if (__atomic_add_fetch(&pool.arrived, 1, __ATOMIC_SEQ_CST) == (uint32_t)threads) {
    __atomic_store_n(&pool.arrived, 0, __ATOMIC_SEQ_CST);
    pool.passed.advance();
  } else {
    pool.passed.wait_past(generation);
  }
}

bool prepare_threads(int threads, Error& error) {
  if (threads < 2) return true;
  pin(0);
  pool.made_at = pool.start.read();
  for (; pool.ready < threads; ++pool.ready) {
    pthread_t thread;
    const intptr_t index = pool.ready;
    const int status = pthread_create(&thread, nullptr, work, (void*)index);
    if (status) return error.set("no thread could be started: %s", strerror(status));
    pthread_detach(thread);
  }
  return true;
}

void run_team(int threads, void (*task)(void* self, const Team&), void* self) {
  if (threads < 2) return task(self, Team{0, 1});
  pool.task = task;
  pool.self = self;
  pool.threads = threads;
  __atomic_store_n(&pool.pending, (uint32_t)pool.ready - 1, __ATOMIC_SEQ_CST);
  const uint32_t before = pool.done.read();
  pool.start.advance();
  task(self, Team{0, threads});
  pool.done.wait_past(before);
}

}  // namespace bnn
