#include "process/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace bnn {

namespace {

constexpr int kAttempts = 8;

// Only a folder where one user cannot replace another's file, and which all may write to. Whose it is does not matter:
// root shows as nobody in some containers.
bool is_shared(const char* folder) {
  struct stat status;
  return !lstat(folder, &status) && S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) && (status.st_mode & S_IWOTH);
}

// Never written to nor cut: another user may have put it there, whatever it is.
int open_lock(const char* path) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    // First without O_CREAT, which kernels refuse for others' files in sticky folders.
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 && errno == ENOENT) {
      file = open(path, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
      if (file >= 0) fchmod(file, 0644);  // whatever the umask: other users must be able to open it
      if (file < 0 && errno == EEXIST) continue;
    }
    return file;
  }
  return -1;
}

bool is_same(int file, const char* path) {
  struct stat ours, there;
  return !fstat(file, &ours) && !lstat(path, &there) && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

// The argument after `--holder` of the process that holds the lock, by /proc/locks; or only its number.
void find_holder(int file, char* who, size_t capacity) {
  snprintf(who, capacity, "another run on this machine, which cannot be asked");
  struct stat status;
  FILE* locks = fopen("/proc/locks", "re");
  if (!locks || fstat(file, &status)) {
    if (locks) fclose(locks);
    return;
  }
  char line[256];
  int holder = 0;
  while (!holder && fgets(line, sizeof line, locks)) {
    int pid;
    unsigned major_number, minor_number;
    unsigned long long inode;
    if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%llu", &pid, &major_number, &minor_number, &inode) == 4 &&
        inode == status.st_ino && minor_number == minor(status.st_dev) && major_number == major(status.st_dev)) {
      holder = pid;
    }
  }
  fclose(locks);
  if (holder <= 0) return;
  snprintf(who, capacity, "process %d on this machine", holder);
  char path[64], arguments[1024];
  snprintf(path, sizeof path, "/proc/%d/cmdline", holder);
  const int command = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t count = command < 0 ? 0 : read(command, arguments, sizeof arguments - 1);
  if (command >= 0) close(command);
  arguments[count > 0 ? count : 0] = 0;
  for (const char *p = arguments, *end = arguments + (count > 0 ? count : 0); p < end; p += strlen(p) + 1) {
    const char* next = p + strlen(p) + 1;
    if (!strcmp(p, "--holder") && next < end) snprintf(who, capacity, "%s", next);
  }
}

}  // namespace

bool shared_lock_path(const char* folder, const char* name, char* path, size_t capacity) {
  if (!is_shared(folder)) return false;
  uint64_t digest = 14695981039346656037u;  // FNV-1a: names hold anything, file names don't
  for (const char* p = name; *p; ++p) digest = (digest ^ (uint8_t)*p) * 1099511628211u;
  snprintf(path, capacity, "%s/bnnbench-%016llx.lock", folder, (unsigned long long)digest);
  return true;
}

Taken LockFile::take(const char* path, char* who, size_t capacity) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const int file = open_lock(path);
    struct stat status;
    if (file < 0) return Taken::kUnknown;
    if (fstat(file, &status) || !S_ISREG(status.st_mode)) {
      close(file);
      return Taken::kUnknown;
    }
    if (flock(file, LOCK_EX | LOCK_NB)) {
      const bool is_held = errno == EWOULDBLOCK;
      if (is_held) find_holder(file, who, capacity);
      close(file);
      return is_held ? Taken::kHeld : Taken::kUnknown;
    }
    if (is_same(file, path)) {
      file_ = file;
      snprintf(path_, sizeof path_, "%s", path);
      return Taken::kOurs;
    }
    close(file);  // its holder has just removed it
  }
  return Taken::kUnknown;
}

void LockFile::let_go() {
  if (file_ < 0) return;
  unlink(path_);  // while it is held; in vain when it is another user's
  close(file_);
  file_ = -1;
}

}  // namespace bnn
