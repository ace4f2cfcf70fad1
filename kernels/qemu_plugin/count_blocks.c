// QEMU TCG plugin: instructions of each timed block, one decimal number per line in the file that `out=` names.
//
// An engine started with BNNBENCH_MARKS=1 makes the system call prctl(0x626e6e62, 1) before a block and (…, 2) after
// it; the kernel refuses it, and the plugin sees it. A translation block ends with the system call that it holds, so
// the counts at the two calls are exact, and their difference repeats to the digit.
//
// INTERFACE is the version of QEMU's plugin interface that it is compiled for: 1 (QEMU 4 to 8) counts into one number, 2
// (QEMU 9 to 11.0) into one per virtual CPU. The declarations are those of its header.
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum op { ADD_U64 };  // the first in both
typedef void (*translated)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*called)(qemu_plugin_id_t, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, translated);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t, called);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

PUBLIC int qemu_plugin_version = INTERFACE;

static const uint64_t kMark = 0x626e6e62;
static uint64_t begun;
static int out = -1;

#if INTERFACE == 1
static uint64_t counted;
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum op, void *, uint64_t);

static int prepare(void) { return 1; }
static uint64_t executed(void) { return counted; }
static void count(struct qemu_plugin_tb *block, uint64_t instructions) {
  qemu_plugin_register_vcpu_tb_exec_inline(block, ADD_U64, &counted, instructions);
}
#elif INTERFACE == 2
struct entry {
  struct qemu_plugin_scoreboard *score;
  size_t offset;
};
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *, enum op, struct entry, uint64_t);
uint64_t qemu_plugin_u64_sum(struct entry);

static struct entry counted;

static int prepare(void) { return (counted.score = qemu_plugin_scoreboard_new(sizeof(uint64_t))) != NULL; }
static uint64_t executed(void) { return qemu_plugin_u64_sum(counted); }
static void count(struct qemu_plugin_tb *block, uint64_t instructions) {
  qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, ADD_U64, counted, instructions);
}
#else
#error "the plugin has no code for this interface"
#endif

static void on_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block) {
  (void)id;
  count(block, qemu_plugin_tb_n_insns(block));
}

static void on_call(qemu_plugin_id_t id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                    uint64_t e, uint64_t f, uint64_t g, uint64_t h) {
  (void)id, (void)cpu, (void)number, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
  if (a != kMark) return;
  if (b == 1) begun = executed();
  if (b == 2) {
    char line[32];
    const int length = snprintf(line, sizeof line, "%llu\n", (unsigned long long)(executed() - begun));
    if (write(out, line, (size_t)length) != length) _exit(125);
  }
}

PUBLIC int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int count, char **arguments) {
  (void)info;
  for (int i = 0; i < count; ++i)
    if (!strncmp(arguments[i], "out=", 4)) out = open(arguments[i] + 4, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0 || !prepare()) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translated);
  qemu_plugin_register_vcpu_syscall_cb(id, on_call);
  return 0;
}
