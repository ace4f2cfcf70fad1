// `lock`: holds the machine-wide lock until stdin ends.
//
// The lock is a name in Linux's abstract socket namespace: one whatever the user or folder, and gone with its holder,
// however that ends. Whoever is refused connects to it and is told who holds it. But containers have such namespaces of
// their own. So files are locked too, in the folders that all users share and where the caller says: containers that
// share one of these folders exclude each other, and those that share none cannot know of each other.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "process/lock_file.h"
#include "process/roles.h"

namespace bnn {

namespace {

constexpr int kAttempts = 5, kAnswerMs = 1000, kMostFiles = 4;
constexpr const char* kSharedFolders[] = {"/run/lock", "/tmp"};

socklen_t make_address(const char* name, sockaddr_un& address) {
  address = {};
  address.sun_family = AF_UNIX;
  const size_t length = strnlen(name, sizeof address.sun_path - 1);
  memcpy(address.sun_path + 1, name, length);  // a leading NUL: the abstract namespace
  return (socklen_t)(offsetof(sockaddr_un, sun_path) + 1 + length);
}

// What the holder says of itself; false when it has just gone.
bool ask_holder(const sockaddr_un& address, socklen_t length, char* who, size_t capacity) {
  const int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (client < 0) return false;
  bool answered = false;
  if (!connect(client, (const sockaddr*)&address, length)) {
    pollfd readable = {client, POLLIN, 0};
    const ssize_t count = poll(&readable, 1, kAnswerMs) > 0 ? read(client, who, capacity - 1) : 0;
    who[count > 0 ? count : 0] = 0;
    if (count <= 0) snprintf(who, capacity, "a process that does not say who it is");
    answered = true;
  } else if (errno != ECONNREFUSED) {  // too many wait already, or this user may not ask
    snprintf(who, capacity, "a process that cannot be asked: %s", strerror(errno));
    answered = true;
  }
  close(client);
  return answered;
}

int hold(int listener, const char* who) {
  pollfd watched[2] = {{STDIN_FILENO, POLLIN | POLLRDHUP, 0}, {listener, POLLIN, 0}};
  while (true) {
    if (poll(watched, 2, -1) < 0 && errno != EINTR) return 1;
    if (watched[1].revents & POLLIN) {
      const int client = accept(listener, nullptr, nullptr);
      if (client >= 0) {
        if (write(client, who, strlen(who)) < 0) fprintf(stderr, "a visitor left before the answer\n");
        close(client);
      }
    }
    char ignored[256];
    if (watched[0].revents & POLLIN) {
      if (read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return 0;
    } else if (watched[0].revents) {
      return 0;
    }
  }
}

// In the shared folders and at the caller's paths, as many as can be had.
class FileLocks {
 public:
  // False when another holds one of them: `who` says who.
  bool take(const char* name, const char* const* files, int count, char* who, size_t capacity) {
    for (const char* folder : kSharedFolders) {
      char path[256];
      if (shared_lock_path(folder, name, path, sizeof path) && !take_one(path, who, capacity)) return false;
    }
    for (int i = 0; i < count; ++i) {
      if (!take_one(files[i], who, capacity)) return false;
    }
    return true;
  }

  void let_go() {
    while (count_) locks_[--count_].let_go();
  }

 private:
  bool take_one(const char* path, char* who, size_t capacity) {
    const Taken taken = locks_[count_].take(path, who, capacity);
    count_ += taken == Taken::kOurs;
    if (taken == Taken::kHeld) let_go();
    return taken != Taken::kHeld;
  }

  LockFile locks_[kMostFiles + sizeof kSharedFolders / sizeof *kSharedFolders];
  int count_ = 0;
};

}  // namespace

int hold_lock(int count, char** arguments) {
  const char *name = "bnnbench", *who = "another run", *files[kMostFiles];
  int file_count = 0;
  for (int i = 0; i < count; ++i) {
    if (!strcmp(arguments[i], "--name") && i + 1 < count) {
      name = arguments[++i];
    } else if (!strcmp(arguments[i], "--holder") && i + 1 < count) {
      who = arguments[++i];
    } else if (!strcmp(arguments[i], "--file") && i + 1 < count && file_count < kMostFiles) {
      files[file_count++] = arguments[++i];
    } else {
      fprintf(stderr, "usage: engine lock [--name NAME] [--holder TEXT] [--file PATH]...\n");
      return 2;
    }
  }
  signal(SIGPIPE, SIG_IGN);
  sockaddr_un address;
  const socklen_t length = make_address(name, address);
  char holder[512] = "a process that ends just now";
  Json reply;
  reply.open('{');
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener >= 0 && !bind(listener, (const sockaddr*)&address, length) && !listen(listener, 8)) {
      FileLocks locks;
      if (!locks.take(name, files, file_count, holder, sizeof holder)) {
        close(listener);
        break;
      }
      reply.boolean("ok", true).close('}').print(STDOUT_FILENO);
      const int status = hold(listener, who);
      locks.let_go();
      return status;
    }
    const int reason = errno;
    if (listener >= 0) close(listener);
    if (reason != EADDRINUSE) {
      snprintf(holder, sizeof holder, "nobody, but it cannot be taken: %s", strerror(reason));
      break;
    }
    if (ask_holder(address, length, holder, sizeof holder)) break;
    usleep(50000);
  }
  reply.boolean("ok", false).text("error", holder).close('}').print(STDOUT_FILENO);
  return 1;
}

}  // namespace bnn
