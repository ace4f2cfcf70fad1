#include "base/isa.h"

namespace bnn {

bool machine_has(const char* features) {
  while (*features) {
    size_t length = 0;
    const arch::Feature* feature = find_first(features, length);
    if (!feature || !arch::has(*feature)) return false;
    features += length;
    if (*features) ++features;
  }
  return true;
}

}  // namespace bnn
