// A lock on a file: seen by all processes that see the file, whatever network namespace they are in.
#pragma once
#include <stddef.h>

namespace bnn {

enum class Taken { kOurs, kHeld, kUnknown };  // kUnknown: there can be no such file here

// Where the lock `name` is in a folder that all users share; false when it is no such folder.
bool shared_lock_path(const char* folder, const char* name, char* path, size_t capacity);

class LockFile {
 public:
  // When it is held, `who` says by whom.
  Taken take(const char* path, char* who, size_t capacity);
  void let_go();

 private:
  int file_ = -1;
  char path_[4096] = "";
};

}  // namespace bnn
