// `start`: from the start of a program to its replies, on the device's own clock.
//
// The program gets all requests of a file at once. What is reported are the times from just before the fork to the end
// of each reply, and the replies. Files named by --drop are written back and taken out of the page cache before that,
// and how much of each was still there is reported: who maps a file keeps its pages, and some file systems keep all.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "process/roles.h"

namespace bnn {

namespace {

constexpr int kMostFiles = 32, kMostReplies = 16, kCannotStart = 126;
constexpr size_t kMostBytes = 1 << 20;  // of all replies together

struct Options {
  const char* drop[kMostFiles];
  int files = 0;
  const char* requests = nullptr;
  char** command = nullptr;
};

bool parse(int count, char** arguments, Options& options) {
  for (int i = 0; i + 1 < count; ++i) {
    if (!strcmp(arguments[i], "--")) {
      options.command = arguments + i + 1;
      return options.requests != nullptr;
    }
    if (!strcmp(arguments[i], "--drop") && options.files < kMostFiles)
      options.drop[options.files++] = arguments[++i];
    else if (!strcmp(arguments[i], "--requests"))
      options.requests = arguments[++i];
    else
      return false;
  }
  return false;
}

// Share of a file's pages that are in memory, from 0 to 1.
double resident(int file, int64_t bytes) {
  const int64_t page = sysconf(_SC_PAGESIZE), pages = (bytes + page - 1) / page;
  if (!pages) return 0;
  void* mapped = mmap(nullptr, (size_t)bytes, PROT_READ, MAP_SHARED, file, 0);
  unsigned char* in = mapped == MAP_FAILED ? nullptr : (unsigned char*)malloc((size_t)pages);
  int64_t there = 0;
  const bool known = in && !mincore(mapped, (size_t)bytes, in);
  for (int64_t i = 0; known && i < pages; ++i) there += in[i] & 1;
  free(in);
  if (mapped != MAP_FAILED) munmap(mapped, (size_t)bytes);
  return known ? (double)there / (double)pages : 1;
}

// Takes a file out of the page cache; the share of it that stayed. -1 sets the error.
double drop(const char* path, Error& error) {
  int64_t bytes;
  const int file = open_to_read(path, &bytes, error);
  if (file < 0) return -1;
  fsync(file);  // a page that is still to be written cannot be dropped
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  const double left = resident(file, bytes);
  close(file);
  return left;
}

[[noreturn]] void become(char** command, int in, int out) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_DFL);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  execvp(command[0], command);
  fprintf(stderr, "cannot start %s: %s\n", command[0], strerror(errno));
  _exit(kCannotStart);
}

struct Replies {
  char* text = nullptr;
  int count = 0;
  int64_t ns[kMostReplies];
};

// Writes the requests while it reads the replies: a program may answer one before it reads the next.
bool exchange(int to, int from, const char* requests, int64_t bytes, int wanted, int64_t start, Replies& replies,
              Error& error) {
  size_t length = 0;
  int64_t written = 0;
  replies.text = (char*)malloc(kMostBytes + 1);
  if (!replies.text) return error.set("no memory for the replies");
  while (replies.count < wanted) {
    pollfd watched[2] = {{from, POLLIN, 0}, {to, POLLOUT, 0}};
    if (poll(watched, written < bytes ? 2 : 1, -1) < 0 && errno != EINTR) return error.set("poll: %s", strerror(errno));
    if (written < bytes && watched[1].revents) {
      const ssize_t done = write(to, requests + written, (size_t)(bytes - written));
      if (done < 0 && errno != EAGAIN) written = bytes;  // it reads no more: its replies say how far it got
      if (done > 0) written += done;
    }
    if (!watched[0].revents) continue;
    const ssize_t got = read(from, replies.text + length, kMostBytes - length);
    const int64_t now = now_ns();
    if (got <= 0) return error.set("the program ended after %d of %d replies", replies.count, wanted);
    for (ssize_t i = 0; i < got; ++i)
      if (replies.text[length + (size_t)i] == '\n' && replies.count < wanted) replies.ns[replies.count++] = now - start;
    length += (size_t)got;
    if (length == kMostBytes && replies.count < wanted) return error.set("the replies have more than 1 MiB");
  }
  replies.text[length] = 0;
  return true;
}

}  // namespace

int time_start(int count, char** arguments) {
  Options options;
  if (!parse(count, arguments, options)) {
    fprintf(stderr, "usage: engine start [--drop FILE]... --requests FILE -- COMMAND [ARGUMENT]...\n");
    return 2;
  }
  Error error;
  Json line;
  int64_t bytes = -1;
  char* requests = (char*)read_file(options.requests, &bytes, error);
  int wanted = 0;
  for (int64_t i = 0; requests && i < bytes; ++i) wanted += requests[i] == '\n';
  if (requests && (wanted < 1 || wanted > kMostReplies)) error.set("there must be 1 to %d requests", kMostReplies);
  double left[kMostFiles];
  for (int i = 0; i < options.files && !error.failed(); ++i) left[i] = drop(options.drop[i], error);
  Replies replies;
  int to[2], from[2];
  if (!error.failed() && (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))) error.set("pipe: %s", strerror(errno));
  if (!error.failed()) {
    signal(SIGPIPE, SIG_IGN);
    fcntl(to[1], F_SETFL, O_NONBLOCK);
    const int64_t start = now_ns();
    const pid_t child = fork();
    if (child == 0) become(options.command, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    if (child < 0)
      error.set("cannot start a process: %s", strerror(errno));
    else
      exchange(to[1], from[0], requests, bytes, wanted, start, replies, error);
    close(to[1]);  // which ends an engine
    if (error.failed() && child > 0) kill(child, SIGKILL);
    char rest[4096];
    while (read(from[0], rest, sizeof rest) > 0) continue;
    if (child > 0) waitpid(child, nullptr, 0);
  }
  line.open('{').boolean("ok", !error.failed());
  if (error.failed()) {
    line.text("error", error.text);
  } else {
    line.open('[', "ns");
    for (int i = 0; i < replies.count; ++i) line.integer(nullptr, replies.ns[i]);
    line.close(']').open('[', "replies");
    char* rest = nullptr;
    int i = 0;
    for (char* reply = strtok_r(replies.text, "\n", &rest); reply && i < replies.count;
         reply = strtok_r(nullptr, "\n", &rest), ++i)
      line.text(nullptr, reply);
    line.close(']').open('[', "resident");
    for (int file = 0; file < options.files; ++file) line.number(nullptr, left[file]);
    line.close(']');
  }
  line.close('}').print(STDOUT_FILENO);
  return error.failed() ? 1 : 0;
}

}  // namespace bnn
