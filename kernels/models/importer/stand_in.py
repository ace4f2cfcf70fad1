"""Tensors in place of those that an op would have made which cannot be imported: by the file's own shapes and types."""

from __future__ import annotations

from math import isfinite

from ..graph import DType, Tensor
from ..model import TensorRef
from .scope import MAX_RANK, MAX_TENSOR_BYTES
from .values import Values, printable

_DTYPES: dict[str, DType] = {"float32": "f32", "int8": "i8", "uint8": "u8"}
"""An int32 may be bits or numbers, and others are not known here: what uses these is not checked."""


def stand_in(ref: TensorRef, values: Values) -> None:
    """Lets ops behind read this tensor as if it were computed."""
    if ref.data is not None:
        return
    values.standing_in.add(ref.index)
    if ref.index in values.known:
        return
    dtype = _DTYPES.get(ref.dtype)
    if dtype is None or not 1 <= len(ref.shape) <= MAX_RANK or min(ref.shape) < 1:
        return
    scale, zero_point = None, 0
    if dtype in ("i8", "u8"):
        found = ref.quantization
        if found is None or len(found.scales) != 1 or len(found.zero_points) != 1:
            return
        scale, zero_point = float(found.scales[0]), int(found.zero_points[0])
        least = -128 if dtype == "i8" else 0
        if not (isfinite(scale) and 1e-30 < scale < 1e30) or not least <= zero_point <= least + 255:
            return
    shape = (ref.shape[0] * values.batch, *ref.shape[1:])
    tensor = Tensor(printable(ref.name), shape, dtype, scale, zero_point)
    if tensor.bytes < MAX_TENSOR_BYTES:
        values.known[ref.index] = tensor
