// The row of one ISA level.
#include "level/binary_parts.h"
#include "level/model_parts.h"

extern bnn::Level BNN_PART(level);
bnn::Level BNN_PART(level) = {{BNN_ISA_FEATURES, &BNN_PART(binary), &BNN_PART(model), &BNN_PART(integers), nullptr}};
