// `exec`: starts a program so that nothing of it can outlive the harness or its deadline.
//
// The program runs in a process group of its own, pinned to the CPUs asked for. The group is killed when the deadline
// passes, when this launcher is told to end, or a grace period after stdin's other end is gone; should the launcher
// itself be killed, the program dies with it. What left the group (setsid) becomes a child of this launcher when its
// parent ends, and is ended after the program. The last line on stderr is JSON: exit status and resource usage.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "process/roles.h"

namespace bnn {

namespace {

constexpr int64_t kGraceNs = 2000000000;  // for an engine to see its stdin's end and leave by itself
constexpr int64_t kSweepNs = 3000000000;  // for what is left behind to be gone after it was killed
constexpr int kCannotStart = 126, kDeadline = 124, kMostCounted = 1024;

struct Options {
  cpu_set_t cpus;
  bool pins = false;
  int64_t deadline_ns = INT64_MAX;
  char** command = nullptr;
};

bool parse_cpus(const char* list, cpu_set_t& cpus) {
  CPU_ZERO(&cpus);
  for (const char* p = list; *p;) {
    char* end;
    const long first = strtol(p, &end, 10);
    long last = first;
    if (end == p || first < 0) return false;
    if (*end == '-') {
      p = end + 1;
      last = strtol(p, &end, 10);
      if (end == p) return false;
    }
    if (last < first || last >= CPU_SETSIZE || (*end && *end != ',') || (*end == ',' && !end[1])) return false;
    for (long cpu = first; cpu <= last; ++cpu) CPU_SET((int)cpu, &cpus);
    p = *end ? end + 1 : end;
  }
  return CPU_COUNT(&cpus) > 0;
}

bool parse(int count, char** arguments, Options& options) {
  for (int i = 0; i < count; ++i) {
    if (!strcmp(arguments[i], "--") && i + 1 < count) {
      options.command = arguments + i + 1;
      return true;
    }
    if (!strcmp(arguments[i], "--cpus") && i + 1 < count) {
      if (!parse_cpus(arguments[++i], options.cpus)) return false;
      options.pins = true;
    } else if (!strcmp(arguments[i], "--deadline-s") && i + 1 < count) {
      char* end;
      const double seconds = strtod(arguments[++i], &end);
      if (*end || !(seconds > 0 && seconds < 1e8)) return false;
      options.deadline_ns = now_ns() + (int64_t)(seconds * 1e9);
    } else {
      return false;
    }
  }
  return false;
}

[[noreturn]] void become(const Options& options, pid_t launcher) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != launcher) _exit(kCannotStart);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (options.pins) {
    cpu_set_t got;
    // A cpuset may silently give less than was asked for.
    if (sched_setaffinity(0, sizeof options.cpus, &options.cpus) || sched_getaffinity(0, sizeof got, &got) ||
        !CPU_EQUAL(&got, &options.cpus)) {
      fprintf(stderr, "the CPUs asked for cannot be had: %s\n", errno ? strerror(errno) : "only some of them are allowed");
      _exit(kCannotStart);
    }
  }
  execvp(options.command[0], options.command);
  fprintf(stderr, "cannot start %s: %s\n", options.command[0], strerror(errno));
  _exit(kCannotStart);
}

int64_t time_ns(const timeval& time) { return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000; }

// The program may have moved to another group than its own.
void end_program(pid_t child) {
  kill(-child, SIGKILL);
  kill(child, SIGKILL);
}

// Whether the program has ended, which is left as a zombie: till its group is killed its number cannot be another
// group's. Orphans that have ended by themselves are cleared away.
bool has_ended(pid_t child) {
  while (true) {
    siginfo_t ended = {};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) || ended.si_pid == child) return true;
    if (!ended.si_pid) return false;
    waitpid(ended.si_pid, nullptr, WNOHANG);
  }
}

// Parent and group of a live process.
bool look_up(const char* pid, pid_t* parent, pid_t* group) {
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t count = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  text[count > 0 ? count : 0] = 0;
  const char* after = strrchr(text, ')');  // the program's name may hold anything
  char state;
  return after && sscanf(after + 1, " %c %d %d", &state, parent, group) == 3 && state != 'Z';
}

struct Left {
  pid_t pids[kMostCounted];
  int count = 0;
};

// Kills this process's children, and counts those that were not in the program's group: it has been killed before.
void kill_children(pid_t program_group, Left& left) {
  DIR* processes = opendir("/proc");
  if (!processes) return;
  const pid_t self = getpid();
  while (const dirent* entry = readdir(processes)) {
    const pid_t pid = (pid_t)atoi(entry->d_name);
    pid_t parent, group;
    if (pid <= 0 || !look_up(entry->d_name, &parent, &group) || parent != self) continue;
    if (kill(pid, SIGKILL) || group == program_group || left.count == kMostCounted) continue;
    bool is_known = false;
    for (int i = 0; i < left.count; ++i) is_known = is_known || left.pids[i] == pid;
    if (!is_known) left.pids[left.count++] = pid;
  }
  closedir(processes);
}

// Ends all that descends from the program, whatever group or session it is in; how many processes had to be ended.
// A process whose parent ends becomes our child, so it goes on until there is none.
int end_what_is_left(pid_t program_group) {
  static Left left;
  const int64_t stop_at = now_ns() + kSweepNs;
  while (now_ns() < stop_at) {
    pid_t ended;
    while ((ended = waitpid(-1, nullptr, WNOHANG | __WALL)) > 0) continue;
    if (ended < 0 && errno == ECHILD) break;
    kill_children(program_group, left);
    usleep(1000);
  }
  return left.count;
}

// Waits for the program's end or a reason to end it; the reason, or null.
const char* supervise(pid_t child, int signals, const Options& options) {
  const char* reason = nullptr;
  int64_t kill_at = options.deadline_ns;
  const char* due = "deadline";
  pollfd watched[2] = {{signals, POLLIN, 0}, {STDIN_FILENO, POLLRDHUP, 0}};
  nfds_t count = 2;
  while (true) {
    if (has_ended(child)) return reason;
    const int64_t left = kill_at - now_ns();
    if (!reason && left <= 0) {
      reason = due;
      end_program(child);
      kill_at = INT64_MAX;
      continue;
    }
    const int64_t wait_ms = left / 1000000 + 1;
    if (poll(watched, count, wait_ms > 60000 ? 60000 : (int)wait_ms) <= 0) continue;
    if (watched[0].revents) {
      signalfd_siginfo info;
      if (read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD && !reason) {
        reason = "signal";
        end_program(child);
      }
    }
    if (count == 2 && watched[1].revents) {
      count = 1;  // it stays readable as "gone" for ever
      const int64_t grace_ends = now_ns() + kGraceNs;
      if (grace_ends < kill_at) {
        kill_at = grace_ends;
        due = "stdin";
      }
    }
  }
}

}  // namespace

int launch(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) {
    fprintf(stderr, "usage: engine exec [--cpus 2,3] [--deadline-s 60] -- COMMAND [ARGUMENT]...\n");
    return 2;
  }
  // A stream that is closed would give its number to a file of ours.
  for (int file = 0; file >= 0 && file <= STDERR_FILENO;) file = open("/dev/null", O_RDWR | O_CLOEXEC);
  signal(SIGCHLD, SIG_DFL);  // were it ignored, as some parents leave it, the program's end would go unseen
  sigset_t handled;
  sigemptyset(&handled);
  const int ends[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
  for (int signal : ends) sigaddset(&handled, signal);
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  const int signals = signalfd(-1, &handled, SFD_CLOEXEC);
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // orphans come to us, not to init
  const pid_t self = getpid(), child = fork();
  if (signals < 0 || child < 0) {
    fprintf(stderr, "cannot start a process: %s\n", strerror(errno));
    return kCannotStart;
  }
  if (child == 0) become(options, self);
  setpgid(child, child);  // whoever comes first
  // Only the program may keep its stdout open: its reader must see the end when it ends.
  close(STDOUT_FILENO);
  int status = 0;
  rusage usage = {};
  const char* reason = supervise(child, signals, options);
  kill(-child, SIGKILL);  // what the program left behind
  if (wait4(child, &status, 0, &usage) != child) {
    fprintf(stderr, "the program's end was missed: %s\n", strerror(errno));
    return kCannotStart;
  }
  const int left_behind = end_what_is_left(child);

  const bool by_signal = WIFSIGNALED(status);
  const int code = by_signal ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  Json line;
  line.open('{');
  by_signal ? line.null("exit").integer("signal", WTERMSIG(status)) : line.integer("exit", code).null("signal");
  reason ? line.text("killed", reason) : line.null("killed");
  line.integer("user_ns", time_ns(usage.ru_utime)).integer("system_ns", time_ns(usage.ru_stime));
  line.integer("peak_rss_bytes", (int64_t)usage.ru_maxrss * 1024);
  line.integer("involuntary_switches", usage.ru_nivcsw).integer("left_behind", left_behind);
  line.close('}').print(STDERR_FILENO);
  return reason && !strcmp(reason, "deadline") ? kDeadline : code;
}

}  // namespace bnn
