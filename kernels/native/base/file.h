#pragma once
#include <stdint.h>

#include "base/text.h"

namespace bnn {

// A regular file's whole content (to be freed); null sets the error. `bytes`: what it must have, or -1 for any number
// up to 2 GiB, which is then stored there.
uint8_t* read_file(const char* path, int64_t* bytes, Error& error);

// Opens a regular file to be read, and says its size. -1 sets the error.
int open_to_read(const char* path, int64_t* bytes, Error& error);
int open_to_write(const char* path, Error& error);

// Exactly so many bytes, or the error is set.
bool read_bytes(int file, const char* path, uint8_t* data, int64_t bytes, Error& error);
bool write_bytes(int file, const char* path, const uint8_t* data, int64_t bytes, Error& error);

// Closes what was written; the last moment at which writing can fail.
bool close_written(int file, const char* path, Error& error);

}  // namespace bnn
