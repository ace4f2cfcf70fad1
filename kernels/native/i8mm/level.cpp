// The row of the i8mm level: integer kernels of its own, which level/ has the sources of; all else of another level.
#include "level/model_parts.h"

extern const bnn::KernelSet BNN_OTHER(binary);

namespace {

bnn::KernelSet binary;

// The other level's, by this one's name.
bool prepare() {
  binary = BNN_OTHER(binary);
  binary.isa = BNN_ISA_NAME;
  return true;
}

}  // namespace

extern const bnn::ModelKernels BNN_OTHER(model);
extern bnn::Level BNN_PART(level);
bnn::Level BNN_PART(level) = {{BNN_ISA_FEATURES, &binary, &BNN_OTHER(model), &BNN_PART(integers), prepare}};
