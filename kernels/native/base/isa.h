#pragma once
#include <stddef.h>

#include "base/arch.h"

namespace bnn {

// Whether `feature` is the first of the names in `list`, which single spaces part; its length then, else 0.
constexpr size_t first_is(const char* list, const char* feature) {
  size_t length = 0;
  for (; feature[length]; ++length)
    if (list[length] != feature[length]) return 0;
  return list[length] == 0 || list[length] == ' ' ? length : 0;
}

// The row of the first name in `list`; null for a name that is not known.
constexpr const arch::Feature* find_first(const char* list, size_t& length) {
  for (const arch::Feature& feature : arch::kFeatures)
    if ((length = first_is(list, feature.name))) return &feature;
  return nullptr;
}

// Whether base/arch_*.h knows all features of a list such as "avx2 bmi1": for static_asserts where levels are listed.
constexpr bool knows_features(const char* list) {
  while (*list) {
    size_t length = 0;
    if (!find_first(list, length)) return false;
    list += length;
    if (*list) ++list;
  }
  return true;
}

// Whether this machine can run code that needs all features of a list; an unknown one is not there.
bool machine_has(const char* features);

}  // namespace bnn
