#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace bnn {

int open_to_read(const char* path, int64_t* bytes, Error& error) {
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not make us wait
  struct stat status;
  if (file < 0 || fstat(file, &status)) {
    error.set("cannot read %.200s: %s", path, strerror(errno));
  } else if (!S_ISREG(status.st_mode)) {
    error.set("%.200s is not a regular file", path);
  } else {
    *bytes = status.st_size;
    return file;
  }
  if (file >= 0) close(file);
  return -1;
}

int open_to_write(const char* path, Error& error) {
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) error.set("cannot write %.200s: %s", path, strerror(errno));
  return file;
}

bool read_bytes(int file, const char* path, uint8_t* data, int64_t bytes, Error& error) {
  for (int64_t done = 0; done < bytes;) {
    const ssize_t count = read(file, data + done, (size_t)(bytes - done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return error.set("cannot read %.200s: %s", path, count ? strerror(errno) : "it ended early");
    done += count;
  }
  return true;
}

uint8_t* read_file(const char* path, int64_t* bytes, Error& error) {
  int64_t size;
  uint8_t* data = nullptr;
  const int file = open_to_read(path, &size, error);
  if (file < 0) return nullptr;
  if (*bytes >= 0 && size != *bytes) {
    error.set("%.200s has %lld bytes where the op needs %lld", path, (long long)size, (long long)*bytes);
  } else if (size > INT32_MAX) {
    error.set("%.200s is larger than 2 GiB", path);
  } else if (!(data = (uint8_t*)malloc((size_t)size + 1))) {
    error.set("no memory for %lld bytes", (long long)size);
  } else if (!read_bytes(file, path, data, size, error)) {
    free(data);
    data = nullptr;
  }
  close(file);
  *bytes = size;
  return data;
}

bool write_bytes(int file, const char* path, const uint8_t* data, int64_t bytes, Error& error) {
  for (int64_t done = 0; done < bytes;) {
    const ssize_t count = write(file, data + done, (size_t)(bytes - done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return error.set("cannot write %.200s: %s", path, strerror(errno));
    done += count;
  }
  return true;
}

bool close_written(int file, const char* path, Error& error) {
  if (close(file)) error.set("cannot write %.200s: %s", path, strerror(errno));
  return !error.failed();
}

}  // namespace bnn
