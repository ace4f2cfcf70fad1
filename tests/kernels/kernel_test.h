// What the tests of kernels share: a message for each difference, and numbers that a seed decides.
#pragma once
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

namespace {

int failures;
int64_t compared;

__attribute__((format(printf, 1, 2))) void fail(const char* format, ...) {
  if (++failures > 40) return;
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
}

uint64_t state;

uint32_t random_word() {  // splitmix64
  uint64_t z = state += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return (uint32_t)((z ^ (z >> 31)) >> 32);
}

int32_t between(int32_t low, int32_t high) { return low + (int32_t)(random_word() % (uint32_t)(high - low + 1)); }

int32_t odd_channels() {
  constexpr int32_t kChannels[] = {1,  2,  3,  5,  8,  15, 16,  17,  24,  31,  32,
                                   33, 40, 63, 64, 65, 96, 100, 127, 128, 160, 200};
  return kChannels[between(0, sizeof kChannels / sizeof *kChannels - 1)];
}

constexpr uint8_t kMark = 0xa5;
constexpr int64_t kSlack = 64;  // bytes that may be read beyond an array

}  // namespace
