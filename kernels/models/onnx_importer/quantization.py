"""QuantizeLinear and DequantizeLinear: of constants they are folded, others become nodes between floats and int8.

uint8 with zero point z is int8 with z - 128: the same values, and the same roundings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..operations import Dequantize, Quantize
from .call import Call
from .values import Value, channels_last

Array = NDArray[Any]
_OUTPUT_TYPES = {0: np.dtype(np.uint8), 2: np.dtype(np.uint8), 3: np.dtype(np.int8)}
"""Of TensorProto.DataType, where there is no zero point."""
_LEAST_SCALE, _MOST_SCALE = 1e-18, 1e18
"""Ratios of two such are f32 that are neither 0 nor infinite."""


def quantize(call: Call) -> Value:
    """QuantizeLinear of computed floats, with one scale."""
    x = call.value(0)
    scale, zero_point = _numbers(call, _zero_points(call, _output_type(call)))
    stored = call.builder.floats(x)
    shape = stored.tensor.shape
    as_onnx = stored.gather is None and stored.order == channels_last(len(x.shape))
    name = call.name if as_onnx else f"{call.name} in another order"  # the name is the judges' for an array like this
    out = call.builder.add(Quantize(), [stored.tensor], shape, name, "i8", steps=(scale, zero_point))
    return Value(x.shape, integers=replace(stored, tensor=out))


def dequantize(call: Call) -> Value:
    """DequantizeLinear of what QuantizeLinear made, with the same numbers."""
    x = call.value(0)
    if x.integers is None:
        call.fail("its input is neither constant nor made by QuantizeLinear.")
    tensor = x.integers.tensor
    if _numbers(call, _zero_points(call, np.dtype(np.uint8))) != (tensor.scale, tensor.zero_point):
        call.fail("its scale, zero point or type is not that with which its input was quantized.")
    out = call.builder.add(Dequantize(), [tensor], tensor.shape, call.name)
    return Value(x.shape, stored=replace(x.integers, tensor=out))


def _numbers(call: Call, zero_points: Array) -> tuple[float, int]:
    """Scale and zero point of a computed value, as int8."""
    scales = call.floats(1, "scale")
    if scales.size != 1 or zero_points.size != 1:
        call.fail(f"its scale has {scales.size} numbers; one is supported for values that are computed.")
    scale = float(scales.reshape(-1)[0])
    if not _LEAST_SCALE <= scale <= _MOST_SCALE:
        call.fail(f"its scale is {scale:g}; {_LEAST_SCALE:g} to {_MOST_SCALE:g} are supported.")
    if zero_points.dtype not in (np.int8, np.uint8):
        call.fail(f"its zero point is {zero_points.dtype}; int8 and uint8 are supported for values that are computed.")
    return scale, int(zero_points.reshape(-1)[0]) - (128 if zero_points.dtype == np.uint8 else 0)


def _output_type(call: Call) -> np.dtype[Any]:
    kind = call.integer("output_dtype", 0, 0, 64)
    return _OUTPUT_TYPES.get(kind) or call.fail(f"its output_dtype is {kind}; int8 and uint8 are supported.")


def _zero_points(call: Call, dtype: np.dtype[Any]) -> Array:
    if call.integer("block_size", 0, 0, 1 << 20):
        call.fail("it has scales for blocks, which is not supported.")
    return call.constant(2, "zero point") if call.has(2) else np.zeros(call.constant(1, "scale").shape, dtype)


def quantize_constant(call: Call) -> Array:
    """QuantizeLinear of constants, with one scale or one for each slice along an axis."""
    data, zero_points = call.floats(0, "input"), _zero_points(call, _output_type(call))
    if zero_points.dtype not in (np.int8, np.uint8):
        call.fail(f"its zero point is {zero_points.dtype}; int8 and uint8 are supported.")
    call.builder.charge(8 * data.size)
    scales = _spread(call, call.floats(1, "scale"), data.ndim)
    if not (scales > 0).all():
        call.fail("its scales are not all positive.")
    low = np.iinfo(zero_points.dtype).min
    with np.errstate(all="ignore"):
        steps = np.rint((data / scales).astype(np.float64)) + _spread(call, zero_points, data.ndim)
    return np.asarray(np.clip(steps, low, low + 255), zero_points.dtype)


def dequantize_constant(call: Call) -> Array:
    """DequantizeLinear of constants, with one scale or one for each slice along an axis."""
    data = call.constant(0, "input")
    if data.dtype.kind not in "iu":
        call.fail(f"its input is {data.dtype}.")
    call.builder.charge(8 * data.size)
    zero_points = _spread(call, _zero_points(call, data.dtype), data.ndim)
    centred = (data.astype(np.int64) - zero_points.astype(np.int64)).astype(np.float32)
    return np.asarray(centred * _spread(call, call.floats(1, "scale"), data.ndim))


def steps_of_constant(call: Call) -> Array | None:
    """f32: of what the constants that an op makes are whole multiples, with as many axes; None where it is not known.

    Weights may be transposed after they were dequantized.
    """
    match call.op:
        case "DequantizeLinear":
            return _spread(call, call.floats(1, "scale"), call.constant(0, "input").ndim)
        case "Identity":
            return call.value(0).steps
        case "Transpose":
            steps = call.value(0).steps
            if steps is None:
                return None
            return steps.transpose(call.numbers("perm", steps.ndim, range(steps.ndim)[::-1], 0, max(steps.ndim - 1, 0)))
    return None


def output_steps(call: Call, position: int, axis: int) -> NDArray[np.float32] | None:
    """f32[oc]: of what the constant weights of each output are whole multiples; None where that is not known."""
    found = call.value(position)
    if found.steps is None or found.data is None or found.steps.size not in (1, found.steps.shape[axis]):
        return None
    return np.broadcast_to(found.steps.reshape(-1), (found.data.shape[axis],))


def _spread(call: Call, numbers: Array, rank: int) -> Array:
    """One number, or one for each slice along the op's axis, with as many axes as the data."""
    shape = [1] * rank
    if numbers.size > 1:
        shape[call.axis(call.integer("axis", 1, -8, 8), rank)] = -1
    return numbers.reshape(shape)
